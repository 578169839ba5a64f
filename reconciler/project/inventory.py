"""What a repository holds that others began: how many assets of which kinds, and what keeps it from being planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.format.kinds import kinds
from reconciler.model import Address
from reconciler.project.check import offline_diagnostics
from reconciler.project.session import Session
from reconciler.source import workspace

_UNKNOWN_KIND_CODE = "kind-unknown"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Counts of files by kind; paths that look like assets and are of no kind; what names are declared, and where.

    ``twice`` has the files of each name that more than one file declares, ``missing`` how many files mention a name
    that none declares.
    """

    file_count: int
    files_by_kind: Mapping[str, int]
    unknown_kind_paths: tuple[str, ...]
    duplicates: Mapping[Address, tuple[str, ...]]
    missing_references: Mapping[Address, int]
    diagnostics: tuple[Diagnostic, ...]


def take_inventory(session: Session) -> Inventory:
    """Look through what a session's source declares."""
    declared, found = workspace.parse_asset_files(session.tree, session.config)
    problems = offline_diagnostics(session, declared)
    named = [parsed_file for parsed_file in found if parsed_file.address is not None]
    places: dict[Address, list[str]] = {}
    for parsed_file in named:
        if parsed_file.address:
            places.setdefault(parsed_file.address, []).append(parsed_file.display_path)
    counted = Counter(address.kind for address, files in places.items() for _ in files)
    mentioned = {
        (reference.address, asset.source)
        for asset in declared.assets.values()
        for reference in asset.references
        if reference.address not in places
    }
    missing = Counter(address for address, _ in mentioned)
    return Inventory(
        len(named),
        {name: counted[name] for name in kinds() if counted[name]},
        tuple(
            dict.fromkeys(
                diagnostic.span.path
                for diagnostic in problems
                if diagnostic.code == _UNKNOWN_KIND_CODE and diagnostic.span
            )
        ),
        {address: tuple(files) for address, files in sorted(places.items()) if len(files) > 1},
        dict(missing.most_common()),
        problems,
    )
