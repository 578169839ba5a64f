"""Compare the decisions of a plan with those that were reviewed: with the reports on the changes that a merge brings.

Advances never count. One apply may stand for several merges, so there may be several reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.model import Action, ActionId, Address, Blocked, Json, Op, Plan, State, parse_address
from reconciler.planning.diff import field_changes
from reconciler.planning.fingerprint import declaration_digest
from reconciler.planning.preconditions import record_etag
from reconciler.planning.report import Report
from reconciler.planning.saved import action_identity, saved_action_identity

_MADE_FROM_FIELDS = (Op.CREATE, Op.UPDATE, Op.REPLACE)
_VERSION_OPS = (Op.NEW_VERSION, Op.REGISTER)


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


class Approval(NamedTuple):
    """A decision of a plan with the numbers of the reports that have it."""

    action: Action
    reports: frozenset[int]


class Difference(NamedTuple):
    """An address about which the plan decides something else than was reviewed.

    ``reviewed`` are the sentences of the reports about it, none if nothing was decided. ``now`` is the decision of the
    plan, or why there is none; None if there is just nothing to do. ``is_record_changed`` is True if its record is
    another one than in the review.
    """

    address: Address
    reviewed: tuple[str, ...]
    now: Action | Blocked | None
    is_record_changed: bool


class Comparison(NamedTuple):
    """What of a plan was reviewed: the keys of these decisions, the differences, and the repairs nobody reviewed."""

    approved: frozenset[ActionId]
    differences: tuple[Difference, ...] = ()
    repairs: tuple[Action, ...] = ()


def compare_with_reports(
    plan: Plan, reports: Sequence[Report], state: State, pending: Container[str] = ()
) -> Comparison:
    """Compare the decisions of a plan with those of reviewed reports.

    A decision must be in a report; of a report, a decision of its own must be in the plan, unless it is done, or waits
    for a run. ``pending`` are the keys of decisions that others bring: they need not be in a report. A repair of drift
    is no difference: it makes nothing that is not recorded.
    """
    reviewed = [item for number, report in enumerate(reports) for item in _decisions_of(number, report)]
    by_address: dict[Address, list[ReviewedDecision]] = {}
    for item in reviewed:
        by_address.setdefault(item.address, []).append(item)
    announced = _announced_addresses(plan, reports)
    approvals: list[Approval] = []
    unreviewed: list[Action] = []
    for action in plan.decisions:
        numbers = _approving_reports(action, by_address.get(action.address, ()))
        if numbers or (action.address in announced and action.op in (Op.SUBMIT, Op.ADOPT, Op.BUILD)):
            approvals.append(Approval(action, numbers))
        elif str(action.key) not in pending:
            unreviewed.append(action)
    find_difference = _difference_maker(by_address, reports, state)
    differences = [find_difference(action.address, action) for action in unreviewed if action.op is not Op.REPAIR]
    known = {difference.address for difference in differences}
    blocked = {item.address: item for item in plan.blocked}
    missing = dict.fromkeys(item.address for item in _missing(reviewed, approvals, blocked, state))
    differences += [find_difference(address, blocked.get(address)) for address in missing if address not in known]
    repairs = tuple(action for action in unreviewed if action.op is Op.REPAIR)
    return Comparison(frozenset(approval.action.key for approval in approvals), tuple(differences), repairs)


def _decisions_of(number: int, report: Report) -> Iterator[ReviewedDecision]:
    if report.plan is None:
        return
    reads = report.plan.body["reads"]
    for action in report.plan.body["actions"]:
        if Op(action["action"]).is_decision:
            is_own = action["key"] not in report.pending
            yield ReviewedDecision(action, number, is_own, str(reads.get(action["address"], "")))


def _announced_addresses(plan: Plan, reports: Iterable[Report]) -> frozenset[Address]:
    """Return the addresses that a report on exactly these files said to wait for a run, so that they are decided now.

    Of other files nothing is known about what waits.
    """
    bodies = (report.plan.body for report in reports if report.plan)
    same = (body for body in bodies if body["tree"] == plan.source.tree)
    entries = (entry for body in same for entry in body["pending"])
    return frozenset(
        parse_address(entry["address"])
        for entry in entries
        if not (entry["failed"] or entry.get("manual") or entry.get("refusals"))
    )


def _approving_reports(action: Action, candidates: Sequence[ReviewedDecision]) -> frozenset[int]:
    """Return the numbers of the reports that have a decision."""
    same = frozenset(item.report for item in candidates if _is_same(action, item))
    if same or action.op is not Op.UPDATE:
        return same
    updates = [item for item in candidates if _has_same_identity(action, item)]
    fields = {field for item in updates for field in _reviewed_fields(item)}
    return frozenset(item.report for item in updates) if _fields(action) <= fields else frozenset()


def _is_same(action: Action, reviewed: ReviewedDecision) -> bool:
    """Return True if a decision is one that was reviewed, or one of less effect: the adoption of what would be made."""
    moved_from = str(action.moved_from) if action.moved_from else ""
    if moved_from != reviewed.text("from"):
        return False
    if reviewed.text("known_after"):
        return _is_now_known(action, reviewed)
    fingerprint = action.resolved.fingerprint if action.resolved else ""
    is_equal = bool(fingerprint) and fingerprint == reviewed.text("fingerprint")
    if action.op is Op.ADOPT and reviewed.op is not Op.ADOPT:
        is_version = reviewed.op in _VERSION_OPS and action.version == reviewed.text("version")
        return is_equal and (reviewed.op is Op.SUBMIT or is_version)
    if action.op is Op.SUBMIT and reviewed.op is Op.SUBMIT and is_equal:
        return True  # maybe another attempt
    if action.op in _MADE_FROM_FIELDS:
        return _has_same_identity(action, reviewed) and _fields(action) <= _reviewed_fields(reviewed)
    return _has_same_identity(action, reviewed)


def _has_same_identity(action: Action, reviewed: ReviewedDecision) -> bool:
    return action.op is reviewed.op and action_identity(action) == saved_action_identity(reviewed.action)


def _is_now_known(action: Action, reviewed: ReviewedDecision) -> bool:
    """Return True if a decision is one whose details were not known in the review, about the same declaration."""
    is_op = action.op is reviewed.op or (action.op is Op.ADOPT and reviewed.op is Op.SUBMIT)
    return is_op and action.resolved is not None and declaration_digest(action.resolved) == reviewed.text("declared")


def _fields(action: Action) -> set[str]:
    return {_field_key(change.field, change.change_type, change.after) for change in field_changes(action)}


def _reviewed_fields(reviewed: ReviewedDecision) -> set[str]:
    changes = reviewed.action.get("changes", ())
    return {_field_key(change["field"], change["change"], change.get("after")) for change in changes}


def _field_key(field: str, change: str, after: Json) -> str:
    """Return what becomes of a field, whatever it was before."""
    return json.dumps([field, change == "removed", after], sort_keys=True, default=str)


def _missing(
    reviewed: Iterable[ReviewedDecision],
    approvals: Iterable[Approval],
    blocked: Mapping[Address, Blocked],
    state: State,
) -> Iterator[ReviewedDecision]:
    """Yield the own decisions of reports that are not in the plan, are not done and do not wait.

    What another report decides about the same address comes in the place of it.
    """
    found: dict[Address, list[Approval]] = {}
    for approval in approvals:
        found.setdefault(approval.action.address, []).append(approval)
    for item in reviewed:
        if not item.is_own or item.op is Op.REPAIR:
            continue
        is_present = any(_answers(approval, item) for approval in found.get(item.address, ()))
        waits = item.address in blocked and _is_waiting(blocked[item.address])
        if not (is_present or waits or _is_done(item, state)):
            yield item


def _answers(approval: Approval, reviewed: ReviewedDecision) -> bool:
    """Return True if an approved decision is the reviewed one, or another report's that comes in its place.

    Updates of several reports are one update, with the fields of all of them.
    """
    action = approval.action
    if action.op is not Op.UPDATE or reviewed.op is not Op.UPDATE:
        return _is_same(action, reviewed) or bool(approval.reports - {reviewed.report})
    names = {change.field for change in field_changes(action)}
    return names >= {change["field"] for change in reviewed.action.get("changes", ())}


def _is_waiting(blocked: Blocked) -> bool:
    return not (blocked.manual or blocked.recorded_only or blocked.refusals)


def _is_done(reviewed: ReviewedDecision, state: State) -> bool:
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


def _is_submitted(reviewed: ReviewedDecision, state: State) -> bool:
    if not reviewed.text("fingerprint"):
        return _is_recorded(reviewed, state)
    record = state.current.get(reviewed.address)
    run_ids = (reviewed.text("run"), reviewed.text("version"), record.run if record else "")
    runs = (state.find_run(reviewed.address, run_id) for run_id in run_ids if run_id)
    return any(run is not None and run.fingerprint == reviewed.text("fingerprint") for run in runs)


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
    Op.ADOPT: lambda reviewed, state: (_is_submitted if reviewed.text("run") else _is_recorded)(reviewed, state),
    Op.ARCHIVE: _is_removed,
    Op.DELETE: _is_removed,
    Op.CANCEL: _is_canceled,
}


def _difference_maker(
    by_address: Mapping[Address, Sequence[ReviewedDecision]], reports: Sequence[Report], state: State
) -> Callable[[Address, Action | Blocked | None], Difference]:
    """Return a function that makes the difference of an address."""
    reads = [report.plan.body["reads"] for report in reports if report.plan]

    def make(address: Address, now: Action | Blocked | None) -> Difference:
        sentences = tuple(dict.fromkeys(item.text("sentence") for item in by_address.get(address, ())))
        etags = {str(read[str(address)]) for read in reads if str(address) in read}
        is_changed = bool(etags) and record_etag(state.current.get(address)) not in etags
        return Difference(address, sentences, now, is_changed)

    return make
