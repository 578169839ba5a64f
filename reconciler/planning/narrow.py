"""A plan of a part of the files: what a selection needs must be right, errors in other files do not stop it.

The files of the part are planned as if there were no others. What the others declare is neither planned nor removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from reconciler.diagnostics import Diagnostic, Severity, within_paths
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.inlining import inline_files
from reconciler.format.rule_context import RuleContext
from reconciler.format.workspace_rules import DECLARED_TWICE
from reconciler.model import Address, Asset, State
from reconciler.planning.options import PlanOptions
from reconciler.planning.selection import made_from, reachable_from, selectables_of, selected_addresses


def is_narrow(plan_options: PlanOptions) -> bool:
    """Return True if only a part of the files is asked for."""
    return plan_options.only_address is not None or bool(plan_options.select or plan_options.exclude)


def needed_addresses(declared: AssetSet, plan_options: PlanOptions) -> AbstractSet[Address]:
    """Return what a selection, or one asset, needs: itself and everything that it refers to.

    What is registered from the outputs of the one asset belongs to it.
    """
    selectables = selectables_of(declared, declared.readable_assets)
    only = plan_options.only_address
    start = {only} if only is not None else selected_addresses(selectables, plan_options)
    needed = reachable_from(start, {address: item.upstream for address, item in selectables.items()})
    return needed | (made_from(declared, only) if only is not None else set())


def needed_paths(declared: AssetSet, needed: AbstractSet[Address], selectors: Iterable[str]) -> AbstractSet[str]:
    """Return the files, as the user sees them, that declare what is needed, or may declare it once they can be read."""
    paths = _declaring_paths(declared, needed)
    assets = declared.readable_assets
    paths |= {path for address in needed & assets.keys() for path in _paths_in(declared, assets[address])}
    names = {address.name for address in needed} | {selector.strip("+").rpartition("/")[2] for selector in selectors}
    return paths | {path for path, possible in declared.unreadable_files.items() if not names.isdisjoint(possible)}


def _paths_in(declared: AssetSet, asset: Asset) -> Iterator[str]:
    """Yield the files that an asset refers to or that are inlined in it, such as its conda file."""
    document = declared.documents[asset.source]
    root = asset.source.removesuffix(document.path)
    yield from (path.path.removeprefix(root) for path in asset.paths)
    if declared.files:
        context = RuleContext(asset.source, document, document.data, declared.files)
        yield from (path.removeprefix(root) for path in inline_files(context, kind_of(asset)).paths)


def find_needed(
    declared: AssetSet, plan_options: PlanOptions, diagnostics: Iterable[Diagnostic], config_file: str
) -> tuple[AbstractSet[Address], AbstractSet[str], tuple[Diagnostic, ...]]:
    """Return what plan options ask for: addresses, files, and the diagnostics of these, of mlgit.yml and of none.

    A file that is only inlined may declare a name that another one has: no reference by name leads to it.
    """
    addresses = needed_addresses(declared, plan_options)
    paths = needed_paths(declared, addresses, plan_options.select)
    kept, declaring = paths | {config_file}, _declaring_paths(declared, addresses)
    restricted = [
        within_paths(item, (declaring if item.code == DECLARED_TWICE else kept).__contains__) for item in diagnostics
    ]
    return addresses, paths, tuple(filter(None, restricted))


def _declaring_paths(declared: AssetSet, addresses: Iterable[Address]) -> set[str]:
    """Return the files that declare some addresses."""
    return {declared.documents[source].path for address in addresses for source in declared.sources.get(address, ())}


def narrow_to(declared: AssetSet, state: State, needed: AbstractSet[Address], paths: AbstractSet[str]) -> AssetSet:
    """Return what is needed of what is declared; everything else counts as declared in files with errors."""
    assets = {address: asset for address, asset in declared.assets.items() if address in needed}
    rest = {address: asset for address, asset in declared.readable_assets.items() if address not in assets}
    others = (declared.sources.keys() - assets.keys()) | set(_live_in_unread_files(declared, state, paths))
    return declared._replace(assets=assets, invalid_addresses=frozenset(others), faulty=rest)


def _live_in_unread_files(declared: AssetSet, state: State, paths: AbstractSet[str]) -> Iterator[Address]:
    """Yield what is live from files that may still declare it, though that cannot be read."""
    unread = {document.path for document in declared.documents.values()} - paths
    declared_in: Mapping[Address, object] = declared.sources
    for address, record in state.current.items():
        if address not in declared_in and record.source in unread:
            yield address


def other_errors_note(diagnostics: Iterable[Diagnostic], kept: Iterable[Diagnostic]) -> str:
    """Return how many errors there are in files that are not needed, "" if there are none."""
    reported = frozenset(kept)
    errors = [
        diagnostic
        for diagnostic in diagnostics
        if diagnostic.severity is Severity.ERROR and diagnostic.span and diagnostic not in reported
    ]
    if not errors:
        return ""
    files = {diagnostic.span.path for diagnostic in errors if diagnostic.span}
    counts = f"{len(errors)} {'error' if len(errors) == 1 else 'errors'} in {len(files)} other"
    return f"{counts} {'file' if len(files) == 1 else 'files'}; run `mlgit validate`"
