"""A decision of a report, as it was reviewed, and whether the live state has it already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from reconciler.model import Address, Json, Op, State, parse_address
from reconciler.planning.preconditions import record_etag


class ReviewedDecision(NamedTuple):
    """A decision of a report, as the plan file has it. ``report`` is the number of the report.

    ``is_own`` is False for one that is pending on the base of the change. ``read`` is the etag of the record of its
    address when it was reviewed.
    """

    action: Mapping[str, Json]
    report: int
    is_own: bool
    read: str

    @property
    def op(self) -> Op:
        """The operation."""
        return Op(self.action["action"])

    @property
    def address(self) -> Address:
        """The address of the asset."""
        return parse_address(str(self.action["address"]))

    def text(self, name: str) -> str:
        """Return a field of the action, "" if it has none of that name."""
        return str(self.action.get(name, ""))


def is_done(reviewed: ReviewedDecision, state: State) -> bool:
    """Return True if the live state has what was reviewed."""
    if reviewed.op is Op.BUILD:
        return bool(state.find_builds(reviewed.text("fingerprint")))
    return _DONE_CHECKS[reviewed.op](reviewed, state)


def _is_removed(reviewed: ReviewedDecision, state: State) -> bool:
    record = state.current.get(reviewed.address)
    return record is None or (record.archived and reviewed.op is Op.ARCHIVE)


def _is_renamed(reviewed: ReviewedDecision, state: State) -> bool:
    record = state.current.get(reviewed.address)
    return record is not None and reviewed.text("from") in record.formerly


def _is_canceled(reviewed: ReviewedDecision, state: State) -> bool:
    run = state.find_run(reviewed.address, reviewed.text("version"))
    return run is None or not run.status.is_active


def _is_adopted(reviewed: ReviewedDecision, state: State) -> bool:
    record = state.current.get(reviewed.address)
    if record is None or record.archived:
        return False
    run = reviewed.text("run")
    return record.run == run if run else record.version == reviewed.text("version")


def _is_submitted(reviewed: ReviewedDecision, state: State) -> bool:
    if not reviewed.text("fingerprint"):
        return _is_recorded(reviewed, state)
    record = state.current.get(reviewed.address)
    run_ids = (reviewed.text("run"), reviewed.text("version"), record.run if record else "")
    runs = (state.find_run(reviewed.address, run_id) for run_id in run_ids if run_id)
    applied = (run for run in runs if run is not None and not run.experiment)
    return any(run.fingerprint == reviewed.text("fingerprint") for run in applied)


def _is_recorded(reviewed: ReviewedDecision, state: State) -> bool:
    """Return True if the record has changed since the review, to what was reviewed as far as that was known."""
    address, version, fingerprint = reviewed.address, reviewed.text("version"), reviewed.text("fingerprint")
    record = state.current.get(address)
    if version and reviewed.op is not Op.UPDATE:
        older = state.find_version(address, version)
        return older is not None and older.fingerprint == fingerprint
    if record is None or record.archived or record_etag(record) == reviewed.read:
        return False
    return not fingerprint or record.fingerprint == fingerprint


_DONE_CHECKS: Mapping[Op, Callable[[ReviewedDecision, State], bool]] = {
    Op.RENAME: _is_renamed,
    Op.CREATE: _is_recorded,
    Op.UPDATE: _is_recorded,
    Op.REPLACE: _is_recorded,
    Op.NEW_VERSION: _is_recorded,
    Op.SUBMIT: _is_submitted,
    Op.ADOPT: _is_adopted,
    Op.ARCHIVE: _is_removed,
    Op.DELETE: _is_removed,
    Op.CANCEL: _is_canceled,
}
