"""An inventory of an existing repository: its assets by kind, and what prevents a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.config.config import CONFIG_FILE, Config
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.assets import AssetSet
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Address, Blocked
from reconciler.planning.compute import bound_backend
from reconciler.planning.datastores import given_datastores
from reconciler.planning.file_checks import declared_computes, find_unsupported
from reconciler.planning.narrow import find_needed
from reconciler.planning.options import PlanOptions
from reconciler.planning.subjects import lower_declared, subjects_of
from reconciler.planning.support import SupportCheck
from reconciler.project.backend_lookup import make_backend_lookup
from reconciler.project.check import offline_diagnostics
from reconciler.project.session import Session
from reconciler.project.support import make_support_check
from reconciler.source.assets import parse_asset_files

_PATH_CODE = "path-missing"  # a warning here, and an error of a plan
_UNDECLARED = Diagnostic("reference-dangling", "no file declares it")
_UNKNOWN_KIND_CODE, _PYTHON_CODE = "kind-unknown", "python-not-found"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The assets of a repository, and what prevents a plan.

    ``duplicates`` has the files of each address that more than one file declares, ``missing_references`` the number of
    files that refer to an address that no file declares, ``bound_computes`` the same of computes that need no file,
    because mlgit.yml binds them to a backend. ``unsupported`` are the assets that no provider would realise,
    and the jobs that need one; ``runnable_jobs`` is the number of the others, without those that need what has errors.
    ``pythons`` has the series of Python that the files ask for and this machine lacks, each with the nearest one.
    """

    file_count: int
    files_by_kind: Mapping[str, int]
    unknown_kind_paths: tuple[str, ...]
    duplicates: Mapping[Address, tuple[str, ...]]
    missing_references: Mapping[Address, int]
    bound_computes: Mapping[Address, int]
    diagnostics: tuple[Diagnostic, ...]
    unsupported: tuple[Blocked, ...]
    runnable_jobs: int
    pythons: Mapping[str, str]


def take_inventory(session: Session) -> Inventory:
    """Return the inventory of what the source of a session declares."""
    asset_set, parsed_files = parse_asset_files(session.tree, session.config, session.workspace.cache)
    diagnostics = offline_diagnostics(session, asset_set)
    files_by_address: dict[Address, list[str]] = {}
    for parsed_file in parsed_files:
        for address in parsed_file.addresses:
            files_by_address.setdefault(address, []).append(parsed_file.display_path)
    counts = Counter(address.kind for address, files in files_by_address.items() for _ in files)
    given = given_datastores(session.config)
    missing = {
        (reference.address, asset.source)
        for asset in asset_set.assets.values()
        for reference in asset.references
        if reference.address not in files_by_address and reference.address not in given
    }
    unknown_kind_paths = (
        diagnostic.span.path for diagnostic in diagnostics if diagnostic.code == _UNKNOWN_KIND_CODE and diagnostic.span
    )
    check_support = make_support_check(session.config, session.workspace.cache)
    is_python_missing = any(diagnostic.code == _PYTHON_CODE for diagnostic in diagnostics)
    counted = Counter(address for address, _ in missing).most_common()
    bound = {address for address, _ in counted if bound_backend(session.config, address)}
    computes = declared_computes(asset_set, session.config, make_backend_lookup(session.config))
    unsupported = tuple(find_unsupported(asset_set, session.config, check_support, computes))
    unbound = {address: count for address, count in counted if address not in bound}
    lacking = {item.address: item.refusals for item in unsupported} | dict.fromkeys(unbound, (_UNDECLARED,))
    held_back, runnable = _split_jobs(session.config, asset_set, diagnostics, lacking)
    return Inventory(
        sum(map(len, files_by_address.values())),
        {kind: counts[kind] for kind in kinds() if counts[kind]},
        tuple(dict.fromkeys(unknown_kind_paths)),
        {address: tuple(files) for address, files in sorted(files_by_address.items()) if len(files) > 1},
        unbound,
        {address: count for address, count in counted if address in bound},
        diagnostics,
        (*unsupported, *held_back),
        runnable,
        dict(sorted(_missing_pythons(asset_set, check_support), key=_series_order)) if is_python_missing else {},
    )


def _split_jobs(
    config: Config,
    declared: AssetSet,
    diagnostics: Sequence[Diagnostic],
    lacking: Mapping[Address, tuple[Diagnostic, ...]],
) -> tuple[list[Blocked], int]:
    """Return the jobs that need what is ``lacking``, with the reasons of that, and the number of jobs that can run."""
    held_back, runnable = [], 0
    for address in sorted(declared.assets.keys() - lacking.keys()):
        if kind_by_name(address.kind).is_runnable:
            plan_options = PlanOptions(config, frozenset({address}), only_address=address)
            needed, _, reported = find_needed(declared, plan_options, diagnostics, CONFIG_FILE)
            reasons = [lacking[other] for other in sorted(needed & lacking.keys()) if lacking[other]]
            held_back += [Blocked(address, "", manual=True, refusals=reasons[0])] if reasons else []
            is_wrong = any(item.severity is Severity.ERROR or item.code == _PATH_CODE for item in reported)
            runnable += not reasons and not is_wrong
    return held_back, runnable


def _series_order(item: tuple[str, str]) -> tuple[int, ...]:
    return tuple(map(int, item[0].split(".")))


def _missing_pythons(declared: AssetSet, check: SupportCheck) -> Iterator[tuple[str, str]]:
    """Yield the series of Python that this machine lacks, each with the nearest, as mlgit.yml can name them."""
    for asset in declared.assets.values():
        for subject in subjects_of(asset, lower_declared(declared, asset).graph):
            for problem in check(subject.asset, True).problems:
                pythons: Mapping[str, str] = problem.settings.get("pythons", {})
                yield from ((series, nearest) for series, nearest in pythons.items() if nearest)
