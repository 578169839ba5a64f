"""An inventory of an existing repository: its assets by kind, and what prevents a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.format.kinds import kinds
from reconciler.model import Address, Blocked
from reconciler.planning.compute import bound_backend
from reconciler.planning.file_checks import find_unsupported
from reconciler.planning.support import SupportCheck
from reconciler.project.check import offline_diagnostics
from reconciler.project.session import Session
from reconciler.project.support import make_support_check
from reconciler.source.assets import parse_asset_files

_UNKNOWN_KIND_CODE = "kind-unknown"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The assets of a repository, and what prevents a plan.

    ``duplicates`` has the files of each address that more than one file declares, ``missing_references`` the number of
    files that refer to an address that no file declares, ``bound_computes`` the same of computes that need no file,
    because mlgit.yml binds them to a backend. ``unsupported`` are the assets that no provider would realise.
    """

    file_count: int
    files_by_kind: Mapping[str, int]
    unknown_kind_paths: tuple[str, ...]
    duplicates: Mapping[Address, tuple[str, ...]]
    missing_references: Mapping[Address, int]
    bound_computes: Mapping[Address, int]
    diagnostics: tuple[Diagnostic, ...]
    unsupported: tuple[Blocked, ...]


def take_inventory(session: Session) -> Inventory:
    """Return the inventory of what the source of a session declares."""
    asset_set, parsed_files = parse_asset_files(session.tree, session.config, session.workspace.cache)
    diagnostics = offline_diagnostics(session, asset_set)
    files_by_address: dict[Address, list[str]] = {}
    for parsed_file in parsed_files:
        for address in parsed_file.addresses:
            files_by_address.setdefault(address, []).append(parsed_file.display_path)
    counts = Counter(address.kind for address, files in files_by_address.items() for _ in files)
    missing = {
        (reference.address, asset.source)
        for asset in asset_set.assets.values()
        for reference in asset.references
        if reference.address not in files_by_address
    }
    unknown_kind_paths = (
        diagnostic.span.path for diagnostic in diagnostics if diagnostic.code == _UNKNOWN_KIND_CODE and diagnostic.span
    )
    counted = Counter(address for address, _ in missing).most_common()
    bound = {address for address, _ in counted if bound_backend(session.config, address)}
    return Inventory(
        sum(map(len, files_by_address.values())),
        {kind: counts[kind] for kind in kinds() if counts[kind]},
        tuple(dict.fromkeys(unknown_kind_paths)),
        {address: tuple(files) for address, files in sorted(files_by_address.items()) if len(files) > 1},
        {address: count for address, count in counted if address not in bound},
        {address: count for address, count in counted if address in bound},
        diagnostics,
        tuple(find_unsupported(asset_set, session.config, _support_check(session))),
    )


def _support_check(session: Session) -> SupportCheck:
    return make_support_check(session.config, session.workspace.cache)
