"""Planning at the cost of what changed: the part of a workspace that is in question, or all of it and a note for later.

A plan of a part is shown only if nothing is wrong; else the whole is planned, which says everything that is.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, UserError, has_errors
from reconciler.format.severity import apply_severity_overrides
from reconciler.git.trees import MissingObjectError
from reconciler.model import Plan, State
from reconciler.planning import subset
from reconciler.planning.guard import guard_plan
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.policy import Policy
from reconciler.planning.resolve import existence_check
from reconciler.project.affected import AffectedSet, find_affected, make_index_entries
from reconciler.project.check import desired_diagnostics, make_desired, report_diagnostics
from reconciler.project.rollback import rollback_notes
from reconciler.project.session import Session, raise_on_error
from reconciler.project.shared_index import (
    cache_key_of,
    is_index_worth_sharing,
    local_index_path,
    open_local_index,
    save_local_index,
)
from reconciler.source import index as indexes
from reconciler.source import index_export, workspace
from reconciler.source.gc_pause import pause_gc
from reconciler.source.index import CacheKey, DependencyIndex
from reconciler.source.index_export import IndexExport
from reconciler.state.snapshot import CurrentRecords, changed_addresses

_ADDRESS_ALIKE_CODE = "address-alike"  # between files: to know of one, all must be known


@pause_gc()
def plan_incrementally(session: Session, live: State, policy: Policy) -> Plan:
    """Plan what the files declare, and refuse what they, or the bounds in mlgit.yml, do not allow."""
    report_diagnostics(session, session.affinity_diagnostics())
    plan = _try_incremental_plan(session, live, policy) or _plan_all_and_save(session, live, policy)
    return replace(plan, notes=(*plan.notes, *rollback_notes(session, live)))


def is_incremental_possible(live: State, policy: Policy) -> bool:
    """Tell whether a plan can be made of a part: there is a live state, and nothing is asked for beyond the usual."""
    return bool(live.commit) and not (policy.replace or policy.select or policy.exclude)


@pause_gc()
def share_index(session: Session) -> None:
    """After an apply, share what a plan finds out, so that a fresh clone plans at the cost of what has changed since.

    It is left where it would save nobody much; where the remote does not take it, that is noted and nothing is lost.
    """
    live = session.state_store.read()
    if not is_index_worth_sharing(session, live):
        return
    try:
        unbound = Policy(session.config, allow_submit=sys.maxsize, allow_mass_delete=True)  # nothing is done of it
        _, found = _plan_all(replace(session, on_diagnostics=raise_on_error), live, unbound)
        if found is not None:
            save_local_index(session, found)
            session.state_store.publish_index(index_export.dump_index_export(found), session.source.tree)
    except UserError as error:
        session.on_note(f"what a plan finds out was not shared: {error.diagnostics[0].message}")


def _try_incremental_plan(session: Session, live: State, policy: Policy) -> Plan | None:
    base = cache_key_of(session, live)
    index = open_local_index(session, base)
    if index is None:
        return None
    try:
        moved = changed_addresses(session.workspace.repository, index.base.state_tree, base.state_tree)
        part = find_affected(session.workspace.repository, session.tree, session.config, index, moved)
        return _plan_affected(session, live, policy, part, index, base) if part else None
    except (sqlite3.Error, MissingObjectError):
        return None  # somebody deleted it meanwhile, or what it was made from is gone
    finally:
        index.close()


def _plan_affected(  # noqa: PLR0913, PLR0917 - what is planned, and with what it is remembered
    session: Session, live: State, policy: Policy, part: AffectedSet, index: DependencyIndex, base: CacheKey
) -> Plan | None:
    desired = make_desired(session.workspace, session.source, session.tree, part.asset_set)
    desired = replace(desired, clean=part.clean)
    if isinstance(live.current, CurrentRecords):
        live.current.prefetch(part.addresses)
    around = replace(live, current=subset.make_subset_view(live.current, part.addresses))
    problems = desired_diagnostics(desired, around)
    if has_errors(apply_severity_overrides(problems, session.config.rules)):
        return None
    plan, found = run_plan_pipeline(desired, around, policy)
    if has_errors(apply_severity_overrides(found, session.config.rules)):
        return None
    said = (*found, *guard_plan(plan, live, policy))
    report_diagnostics(session, problems)
    report_diagnostics(session, said)
    if not session.source.dirty and _has_distinct_addresses(problems):
        quiet = subset.clean_addresses(part.asset_set, live, plan, said)
        remaining = subset.undeclared_addresses(part.asset_set, around.current)
        new = make_index_entries(part.parsed_files, part.asset_set, quiet, part.clean, existence_check(live))
        base = replace(base, nested_workspaces=index.base.nested_workspaces)
        place = local_index_path(session)
        indexes.update_index(
            place, index.base, base, gone=part.checked_paths, asked=part.addresses, rows=new, loose=remaining
        )
    return plan


def _plan_all_and_save(session: Session, live: State, policy: Policy) -> Plan:
    plan, found = _plan_all(session, live, policy)
    if found is not None:
        save_local_index(session, found)
    return plan


def _plan_all(session: Session, live: State, policy: Policy) -> tuple[Plan, IndexExport | None]:
    """Plan everything; return what was found out, too, where that can be told of each file by itself."""
    declared, found = workspace.parse_asset_files(session.tree, session.config)
    desired = make_desired(session.workspace, session.source, session.tree, declared)
    problems = desired_diagnostics(desired, live)
    report_diagnostics(session, problems)
    plan, wrong = run_plan_pipeline(desired, live, policy)
    said = (*wrong, *guard_plan(plan, live, policy))
    report_diagnostics(session, said)
    if session.source.dirty or not _has_distinct_addresses(problems):
        return plan, None
    quiet = subset.clean_addresses(declared, live, plan, said)
    base = replace(cache_key_of(session, live), nested_workspaces=tuple(workspace.find_nested_roots(session.tree)))
    new = make_index_entries(found, declared, quiet, {}, existence_check(live))
    return plan, IndexExport(base, new, tuple(subset.undeclared_addresses(declared, live.current)))


def _has_distinct_addresses(problems: Iterable[Diagnostic]) -> bool:
    return all(diagnostic.code != _ADDRESS_ALIKE_CODE for diagnostic in problems)
