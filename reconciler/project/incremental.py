"""Incremental planning: plan the affected set with the dependency index, or everything and keep an index for later.

An incremental plan is used only if nothing is wrong; else everything is planned, so that every diagnostic is reported.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, UserError, has_errors
from reconciler.format.assets import AssetSet
from reconciler.format.severity import apply_severity_overrides
from reconciler.git.trees import MissingObjectError
from reconciler.model import Plan, State
from reconciler.planning.clusters import cluster_settings
from reconciler.planning.guard import guard_plan
from reconciler.planning.options import PlanOptions
from reconciler.planning.pipeline import plan_within_limits, run_plan_pipeline
from reconciler.planning.plan import PlanInputs
from reconciler.planning.referencable import existence_check
from reconciler.planning.subset import clean_addresses, make_subset_view, undeclared_addresses
from reconciler.project.affected import AffectedSet, find_affected, make_index_entries
from reconciler.project.check import (
    desired_diagnostics,
    make_desired,
    misspelt_names,
    report_diagnostics,
    with_refusals,
)
from reconciler.project.session import Session, raise_on_error
from reconciler.project.shared_index import (
    cache_key_of,
    is_index_worth_sharing,
    open_local_index,
    publish_index,
    save_local_index,
)
from reconciler.source.assets import find_nested_roots, parse_asset_files
from reconciler.source.gc_pause import pause_gc
from reconciler.source.index import CacheKey, DependencyIndex, IndexContents, IndexUpdate
from reconciler.state.current_records import CurrentRecords
from reconciler.state.snapshot import changed_addresses

_ADDRESS_ALIKE_CODE = "address-alike"  # depends on all addresses, so an index of some files cannot tell


def plan_incrementally(session: Session, state: State, plan_options: PlanOptions) -> Plan:
    """Plan what the files declare. Diagnostics are reported; errors in the files or broken limits raise UserError."""
    return _try_incremental_plan(session, state, plan_options) or _plan_all_and_save(session, state, plan_options)


def is_incremental_possible(state: State, plan_options: PlanOptions) -> bool:
    """Return True if there is a live state and a plan of all files without forced replacements is asked for."""
    return bool(state.commit) and not (
        plan_options.replace or plan_options.select or plan_options.exclude or plan_options.destroy
    )


@pause_gc()
def share_index(session: Session) -> None:
    """After an apply, share the index of its result, so that a fresh clone need not parse every file.

    Nothing is shared if that would save little. A remote that refuses the index causes a note, not an error.
    """
    state = session.state_store.read()
    if not is_index_worth_sharing(session, state):
        return
    try:
        unlimited = PlanOptions(session.config, allow_submit=sys.maxsize, allow_mass_delete=True)  # nothing is applied
        _, contents = _plan_all(replace(session, on_diagnostics=raise_on_error), state, unlimited)
        if contents is not None:
            save_local_index(session, contents)
            publish_index(session, contents)
    except UserError as error:
        session.on_note(f"the plan index was not shared: {error.diagnostics[0].message}")


def _try_incremental_plan(session: Session, state: State, plan_options: PlanOptions) -> Plan | None:
    key = cache_key_of(session, state)
    index = open_local_index(session, key)
    if index is None:
        return None
    repository = session.workspace.repository
    try:
        changed = changed_addresses(repository, index.cache_key.state_tree, key.state_tree)
        affected = find_affected(session.workspace, session.tree, session.config, index, changed)
        return _plan_affected(session, state, plan_options, affected, index, key) if affected else None
    except (sqlite3.Error, MissingObjectError):
        return None  # the index is damaged, or objects that it was made from are gone
    finally:
        index.close()


def _plan_affected(  # noqa: PLR0913, PLR0917 - what is planned, and the index that is used and updated
    session: Session,
    state: State,
    plan_options: PlanOptions,
    affected: AffectedSet,
    index: DependencyIndex,
    key: CacheKey,
) -> Plan | None:
    if any(cluster_settings(session.config, address) for address in affected.asset_set.readable_assets):
        return None  # a cluster is checked together with the computes that are bound to its backend
    rules = session.config.rules
    desired = make_desired(session, affected.asset_set, state)
    desired = desired._replace(clean=affected.clean)
    if isinstance(state.current, CurrentRecords):
        state.current.prefetch(affected.addresses)
    subset = state._replace(current=make_subset_view(state.current, affected.addresses))
    file_diagnostics = desired_diagnostics(session, desired, subset)
    if has_errors(apply_severity_overrides(file_diagnostics, rules)):
        return None
    plan, plan_diagnostics = run_plan_pipeline(PlanInputs(desired, subset, plan_options))
    if has_errors(apply_severity_overrides(plan_diagnostics, rules)):
        return None
    plan_diagnostics = (*plan_diagnostics, *guard_plan(plan, state, plan_options))
    report_diagnostics(session, file_diagnostics)
    report_diagnostics(session, plan_diagnostics)
    if _is_indexable(session, file_diagnostics):
        across_files = _diagnostics_across_files(file_diagnostics, affected.asset_set)
        clean = clean_addresses(affected.asset_set, state, plan, (*across_files, *plan_diagnostics))
        entries = make_index_entries(
            affected.parsed_files, affected.asset_set, clean, affected.clean, existence_check(state)
        )
        undeclared = undeclared_addresses(affected.asset_set, subset.current)
        index.update(IndexUpdate(key, affected.checked_paths, affected.addresses, entries, undeclared))
    return plan


def _plan_all_and_save(session: Session, state: State, plan_options: PlanOptions) -> Plan:
    plan, contents = _plan_all(session, state, plan_options)
    if contents is not None:
        save_local_index(session, contents)
    return plan


def _plan_all(session: Session, state: State, plan_options: PlanOptions) -> tuple[Plan, IndexContents | None]:
    """Plan everything; return the index too, if one can be made."""
    asset_set, parsed_files = parse_asset_files(session.tree, session.config, session.workspace.cache)
    desired = make_desired(session, asset_set, state)
    file_diagnostics = (*desired_diagnostics(session, desired, state), *misspelt_names(session, asset_set, state))
    report_diagnostics(session, with_refusals(session, asset_set, state, file_diagnostics))
    plan, plan_diagnostics = plan_within_limits(PlanInputs(desired, state, plan_options))
    report_diagnostics(session, plan_diagnostics)
    if not _is_indexable(session, file_diagnostics):
        return plan, None
    across_files = _diagnostics_across_files(file_diagnostics, asset_set)
    clean = clean_addresses(asset_set, state, plan, (*across_files, *plan_diagnostics))
    key = cache_key_of(session, state)._replace(nested_workspaces=tuple(find_nested_roots(session.tree)))
    entries = make_index_entries(parsed_files, asset_set, clean, {}, existence_check(state))
    return plan, IndexContents(key, entries, tuple(undeclared_addresses(asset_set, state.current)))


def _diagnostics_across_files(diagnostics: Iterable[Diagnostic], asset_set: AssetSet) -> Iterator[Diagnostic]:
    """Yield the diagnostics that an index does not keep with a file, because they follow from others too."""
    of_files = frozenset(asset_set.diagnostics)
    yield from (diagnostic for diagnostic in diagnostics if diagnostic not in of_files)


def _is_indexable(session: Session, diagnostics: Iterable[Diagnostic]) -> bool:
    """Return True if a tree is committed and each of its files can be judged without all others."""
    return not session.source.dirty and all(diagnostic.code != _ADDRESS_ALIKE_CODE for diagnostic in diagnostics)
