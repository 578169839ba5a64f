"""The drift of a session: what the providers report, compared with the live state and, to write it back, the files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from reconciler.diagnostics import UserError, has_errors
from reconciler.format.assets import AssetSet
from reconciler.model import Observation, Record, State
from reconciler.planning.drift import DriftPolicy, drift_policy_of, find_drift, find_undeclared_drift
from reconciler.planning.drift_report import DriftReport
from reconciler.planning.refresh import merge_observation
from reconciler.planning.undeclared import find_undeclared_records
from reconciler.project.check import make_desired
from reconciler.project.refresh import observe_all
from reconciler.project.session import Session
from reconciler.project.tracking import find_tracking_drift

_FILES_WRONG = "files have errors, so what is live and declared by none was not looked for: see `mlgit validate`"
_OTHER_STORE = "the store is another one: neither contents nor runs were checked"
_SHALLOW = "a shallow clone cannot tell whether its file was removed (in CI fetch-depth: 0): not checked"


class ObservedDrift(NamedTuple):
    """The report on drift, and what it was made from. ``declared`` is None if nothing is to be written back."""

    report: DriftReport
    state: State
    observation: Observation
    declared: AssetSet | None

    @property
    def observed_state(self) -> State:
        """The live state with what the providers report."""
        return merge_observation(self.state, self.observation)[0]


def observe_drift(session: Session, *, deep: bool = False) -> ObservedDrift:
    """Ask all providers and return the drift; raise UserError if there is no live state to compare with."""
    stale = session.fetch_state()
    state = session.state_store.read()
    observation = observe_all(session, state, deep=deep)
    writes_back = DriftPolicy.WRITE_BACK in session.config.drift.values()
    declared = session.read_assets() if writes_back else None
    tracking, unasked = find_tracking_drift(session, state)
    undeclared, notes = _undeclared_records(session, state, declared) if declared else ([], [])
    _fetch_sources(session, undeclared)
    drift = (
        *find_drift(state, observation, session.config, session.tree.tree_at_commit),
        *find_undeclared_drift(undeclared, session.config),
        *tracking,
    )
    not_asked = (
        *([stale] if stale else []),
        *_missing_state_notes(session, state),
        *([_OTHER_STORE] if observation.unexpected_store else []),
        *observation.skipped_checks,
        *notes,
        *unasked,
    )
    return ObservedDrift(DriftReport(session.config.target, drift, not_asked), state, observation, declared)


def _fetch_sources(session: Session, records: Iterable[Record]) -> None:
    """Fetch the commits that records were applied from, as far as the remote has them: not every clone needs them."""
    for commit in sorted({str(record.lineage.get("commit", "")) for record in records} - {""}):
        with suppress(UserError):  # what lacks its content then is not written back, which is said
            session.state_store.fetch_source_commit(commit)


def _missing_state_notes(session: Session, state: State) -> list[str]:
    """Return that there is nothing to compare with, if this clone may lack a live state that another one has."""
    hint = session.fetch_state_hint(state)
    return [f"this clone has no live state, so nothing was compared. {hint}"] if hint else []


def _undeclared_records(session: Session, state: State, declared: AssetSet) -> tuple[list[Record], list[str]]:
    """Return what is live, declared by no file, and of no commit of this branch; and what cannot be known."""
    if has_errors(declared.diagnostics):
        return [], [_FILES_WRONG]
    is_ancestor = make_desired(session, declared, state).is_ancestor
    renamed = {rename.old for rename in session.config.moved}
    undeclared: list[Record] = []
    notes: list[str] = []
    for record in find_undeclared_records(state, declared):
        address = record.address
        if address in renamed or drift_policy_of(session.config, address) is not DriftPolicy.WRITE_BACK:
            continue
        is_older = is_ancestor(record.declared_at)
        if is_older is None:
            notes.append(f"{address} is declared by no file, and {_SHALLOW}")
        elif not is_older:
            undeclared.append(record)
    return undeclared, notes
