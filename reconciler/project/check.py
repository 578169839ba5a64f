"""Load and check what the files of a session declare, with or without the live state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from reconciler.config.config import CONFIG_FILE, Config, lenient_config
from reconciler.diagnostics import Diagnostic, Severity, Span, has_errors
from reconciler.format.assets import AssetSet, escalate_severities
from reconciler.format.detect import detect_kind
from reconciler.format.document import Document
from reconciler.format.severity import apply_severity_overrides
from reconciler.format.yaml import parse_yaml
from reconciler.model import Asset, Plan, Record, State, Tree
from reconciler.planning.config_checks import check_config_names
from reconciler.planning.file_checks import (
    LiveAssets,
    check_files_together,
    check_recorded_only,
    sort_diagnostics,
)
from reconciler.planning.narrow import (
    find_needed,
    is_narrow,
    narrow_to,
    other_errors_note,
)
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import DesiredState
from reconciler.planning.prune import find_removals, removal_hint
from reconciler.planning.referencable import existence_check, referencable
from reconciler.project.backend_lookup import make_backend_lookup
from reconciler.project.binding_checks import check_bindings, check_secret_files
from reconciler.project.policy_files import expired_waiver_diagnostics, open_gate, policy_file_diagnostics
from reconciler.project.session import Session, provider_diagnostics
from reconciler.project.support import make_support_check, support_diagnostics
from reconciler.source.assets import read_asset_set
from reconciler.source.gc_pause import pause_gc
from reconciler.source.workspace import config_document, read_config, tree_at_revision
from reconciler.state.fast_forward import is_in_rewritten_history


@pause_gc()
def load_desired(session: Session, state: State, plan_options: PlanOptions) -> DesiredState:
    """Return what the source declares; report its diagnostics, and raise UserError if one is an error.

    If the options select a part of the files, only what that needs must be right.
    """
    declared = session.read_assets()
    desired = make_desired(session, declared, state)
    diagnostics = desired_diagnostics(session, desired, state)
    diagnostics = (*diagnostics, *misspelt_names(session, declared, state))
    desired, diagnostics = narrow_desired(session, desired, state, diagnostics, plan_options)
    report_diagnostics(session, with_refusals(session, desired.declared, state, diagnostics))
    return desired


def misspelt_names(session: Session, declared: AssetSet, state: State) -> tuple[Diagnostic, ...]:
    """Return the names in mlgit.yml that are similar to those of assets, and that no asset has."""
    names = check_config_names(declared, session.config, state.current, lambda: _config_document(session))
    return tuple(item for item in names if item.severity is Severity.ERROR)


def _config_document(session: Session) -> Document:
    return config_document(session.config_tree, session.config.target)


def with_refusals(
    session: Session, declared: AssetSet, state: State, diagnostics: tuple[Diagnostic, ...]
) -> tuple[Diagnostic, ...]:
    """Return diagnostics that prevent a plan with what it would have refused besides, so that all is said at once."""
    if not has_errors(apply_severity_overrides(diagnostics, session.config.rules)):
        return diagnostics
    new = [asset for asset in declared.assets.values() if not _is_live(asset, state)]
    cache = session.workspace.cache
    refusals = support_diagnostics(declared, new, [session.config], cache, diagnostics)
    return sort_diagnostics([*diagnostics, *(item for item in refusals if item.severity is Severity.ERROR)])


def _is_live(asset: Asset, state: State) -> bool:
    record = state.current.get(asset.address)
    return record is not None and record.spec == asset.spec


def narrow_desired(
    session: Session,
    desired: DesiredState,
    state: State,
    diagnostics: tuple[Diagnostic, ...],
    plan_options: PlanOptions,
) -> tuple[DesiredState, tuple[Diagnostic, ...]]:
    """Return what is asked for of diagnostics, and that part of a desired state if there is an error anywhere."""
    if not is_narrow(plan_options) or not diagnostics:
        return desired, diagnostics
    needed, paths, kept = find_needed(desired.declared, plan_options, diagnostics, CONFIG_FILE)
    effective = apply_severity_overrides(diagnostics, session.config.rules)
    if not has_errors(effective):
        return desired, kept
    note = other_errors_note(effective, apply_severity_overrides(kept, session.config.rules))
    narrowed = narrow_to(desired.declared, state, needed, paths)
    return desired._replace(declared=narrowed, notes=(note,) if note else ()), kept


def make_desired(session: Session, declared: AssetSet, state: State) -> DesiredState:
    """Return the desired state of a source; Git is asked once for each commit whether it is an ancestor.

    The history of a commit that was rewritten counts as that of the commit that was applied in its place.
    """
    repository, source = session.workspace.repository, session.source

    @cache
    def is_ancestor(commit: str) -> bool | None:
        is_older = repository.is_ancestor(commit, source.commit)
        if is_older is False and is_in_rewritten_history(repository, state, commit, source.commit):
            return True
        if is_older or not source.newer_commit:
            return is_older
        return repository.is_ancestor(commit, source.newer_commit)

    return DesiredState(
        source,
        session.tree,
        declared,
        is_ancestor,
        check_support=make_support_check(session.config, session.workspace.cache),
        find_backend=make_backend_lookup(session.config),
        gate=open_gate(session),
    )


def desired_diagnostics(session: Session, desired: DesiredState, state: State) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of what the source declares, compared with the live state."""
    declared = desired.declared
    removals = find_removals(declared, state, desired.is_ancestor)
    hints = {address: removal_hint(record) for address, record in removals.items()}
    live = LiveAssets(referencable(state, removals), existence_check(state), hints)
    diagnostics = [
        *escalate_severities(check_files_together(declared, session.config, desired.tree, live)),
        *_emptied_file_diagnostics(desired.tree, declared, removals.values()),
        *session.affinity_diagnostics(),
        *policy_file_diagnostics(desired.tree),
        *check_bindings(declared, session.config, state.current, lambda: _config_document(session)),
        *check_secret_files(desired.tree, session.config, lambda: _config_document(session)),
    ]
    return sort_diagnostics(diagnostics)


def _emptied_file_diagnostics(tree: Tree, declared: AssetSet, removals: Iterable[Record]) -> Iterator[Diagnostic]:
    """Yield the files that declared an asset and declare none now: an asset is removed by deleting its file."""
    sources = {asset.source for asset in declared.assets.values()}
    for record in removals:
        path = f"{tree.root}{record.source}"
        if path not in tree.entries or path in sources:
            continue
        document, _ = parse_yaml(record.source, tree.read_file(path))
        if document.data is None:
            problem = "is now empty or not YAML"
        elif detect_kind(document) is None or _is_ignored(declared, path):
            problem = "is now no asset: its kind cannot be detected by its keys"
        else:
            continue
        message = f"this file declared {record.address} when it was applied, and {problem}"
        hint = f"restore its content (`git log -- {record.source}`), or delete the file to remove {record.address}"
        yield Diagnostic("asset-emptied", message, Span(record.source, 1, 1), hint)


def _is_ignored(declared: AssetSet, path: str) -> bool:
    """Return True if a file was read, and is ignored without an error: it has the keys of an asset by chance."""
    if path not in declared.documents:
        return False
    shown = declared.documents[path].path
    errors = (diagnostic.span for diagnostic in declared.diagnostics if diagnostic.severity is Severity.ERROR)
    return all(span is None or span.path != shown for span in errors)


def validate_offline(session: Session) -> tuple[AssetSet, tuple[Diagnostic, ...]]:
    """Return what the source declares and all diagnostics that need no live state."""
    declared = session.read_assets()
    return declared, offline_diagnostics(session, declared)


def offline_diagnostics(session: Session, declared: AssetSet) -> tuple[Diagnostic, ...]:
    """Return all diagnostics that need no live state, with the severities of mlgit.yml."""
    together = check_files_together(declared, session.config, session.tree)
    diagnostics = [
        *together,
        *_support_diagnostics(session, declared, together),
        *check_recorded_only(declared),
        *session.affinity_diagnostics(Severity.WARNING),
        *policy_file_diagnostics(session.tree),
        *expired_waiver_diagnostics(session.tree),
        *check_config_names(declared, session.config, None, lambda: _config_document(session)),
        *check_bindings(declared, session.config, (), lambda: _config_document(session)),
    ]
    return apply_severity_overrides(sort_diagnostics(diagnostics), session.config.rules)


def _support_diagnostics(
    session: Session, declared: AssetSet, reported: Sequence[Diagnostic]
) -> tuple[Diagnostic, ...]:
    """Return what the providers of all targets refuse and ignore of what is declared."""
    configs, cache = _configs_of_targets(session), session.workspace.cache
    return support_diagnostics(declared, declared.assets.values(), configs, cache, reported)


def _configs_of_targets(session: Session) -> Iterator[Config]:
    """Yield the configuration of the session, then those of the other targets that can be used."""
    yield session.config
    for name in session.config.targets:
        if name != session.config.target:
            config, _ = read_config(session.config_tree, name, session.workspace.cache, provider_diagnostics)
            yield from [config] if config else []


def errors_in_files(tree: Tree, config: Config | None) -> tuple[Diagnostic, ...]:
    """Return the errors in the files of a workspace whose mlgit.yml is wrong, as far as it can be used."""
    usable = config or lenient_config(parse_yaml(CONFIG_FILE, tree.read_file(tree.root + CONFIG_FILE))[0])
    declared = read_asset_set(tree, usable)
    together = check_files_together(declared, usable, tree)
    supported = support_diagnostics(declared, declared.assets.values(), [usable], None, together)
    diagnostics = (*together, *supported, *policy_file_diagnostics(tree))
    effective = apply_severity_overrides(diagnostics, usable.rules)
    return tuple(diagnostic for diagnostic in effective if diagnostic.severity is Severity.ERROR)


def declared_asset_sets(session: Session) -> tuple[AssetSet, ...]:
    """Return what the work tree declares and, if it is dirty, also what HEAD declares."""
    declared = session.read_assets()
    if not session.source.dirty or not session.source.commit:
        return (declared,)
    _, head = tree_at_revision(session.workspace, session.source.commit)
    if head.root + CONFIG_FILE not in head.entries:
        return (declared,)
    config, _ = read_config(head, session.config.target, session.workspace.cache)
    return (declared, read_asset_set(head, config, session.workspace.cache)) if config else (declared,)


def report_refusals(session: Session, plan: Plan) -> None:
    """Report what providers refuse of a plan: it stops only their assets."""
    if plan.refusals:
        session.on_refusals(session.tree, plan.refusals)


def report_diagnostics(session: Session, diagnostics: Sequence[Diagnostic]) -> None:
    """Report diagnostics with the severities of mlgit.yml; raise UserError if one of them is an error."""
    session.on_diagnostics(session.tree, apply_severity_overrides(diagnostics, session.config.rules))
