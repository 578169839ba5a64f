"""Compare the decisions of a plan with those that were reviewed: with the reports on the changes that a merge brings.

Advances never count. One apply may stand for several merges, so there may be several reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from reconciler.model import Action, ActionId, Address, Blocked, Json, Op, Plan, State, parse_address
from reconciler.planning.diff import field_changes
from reconciler.planning.fingerprint import declaration_digest
from reconciler.planning.preconditions import record_etag
from reconciler.planning.report import Report
from reconciler.planning.reviewed_decision import ReviewedDecision, is_done
from reconciler.planning.saved import action_identity, saved_action_identity

_MADE_FROM_FIELDS = (Op.CREATE, Op.UPDATE, Op.REPLACE)
_RUN_OPS = (Op.SUBMIT, Op.ADOPT)
_VERSION_OPS = (Op.NEW_VERSION, Op.REGISTER)


class ApprovedDecision(NamedTuple):
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
    """What of a plan was reviewed: the keys of these decisions, the differences, and the repairs that were not.

    ``later`` are the keys of reviewed decisions that are made when a run has ended.
    """

    approved: frozenset[ActionId]
    differences: tuple[Difference, ...] = ()
    repairs: tuple[Action, ...] = ()
    later: frozenset[ActionId] = frozenset()


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
    is_decided = partial(_was_decided_before, state, announced)
    approvals, unreviewed = _split_decisions(plan, by_address, is_decided, pending)
    find_difference = _difference_maker(by_address, reports, state)
    differences = [find_difference(action.address, action) for action in unreviewed if action.op is not Op.REPAIR]
    known = {difference.address for difference in differences}
    blocked = {item.address: item for item in plan.blocked}
    missing = dict.fromkeys(item.address for item in _missing(reviewed, approvals, blocked, state))
    differences += [find_difference(address, blocked.get(address)) for address in missing if address not in known]
    repairs = tuple(action for action in unreviewed if action.op is Op.REPAIR)
    approved = frozenset(approval.action.key for approval in approvals)
    runs = {action.address for action in plan.submissions if action.key in approved} | announced
    later = frozenset(ActionId(op, address) for address in runs for op in _RUN_OPS)
    return Comparison(approved, tuple(differences), repairs, later)


def _split_decisions(
    plan: Plan,
    by_address: Mapping[Address, Sequence[ReviewedDecision]],
    was_decided_before: Callable[[Action], bool],
    pending: Container[str],
) -> tuple[list[ApprovedDecision], list[Action]]:
    """Return the decisions of a plan that were reviewed, and the others, without those that others bring.

    The build of an environment is part of the run that needs it.
    """
    approvals: list[ApprovedDecision] = []
    unreviewed: list[Action] = []
    for action in plan.decisions:
        numbers = _approving_reports(action, by_address.get(action.address, ()))
        if numbers or was_decided_before(action):
            approvals.append(ApprovedDecision(action, numbers))
        elif str(action.key) not in pending:
            unreviewed.append(action)
    needed = {key for approval in approvals for key in approval.action.needs}
    builds = {action.key: action for action in unreviewed if action.op is Op.BUILD and action.key in needed}
    approvals += [ApprovedDecision(action, frozenset()) for action in builds.values()]
    return approvals, [action for action in unreviewed if action.key not in builds]


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


def _was_decided_before(state: State, announced: Container[Address], action: Action) -> bool:
    """Return True for a run that a report announced, and for another attempt at a run that an apply submitted."""
    if action.address in announced:
        return action.op in _RUN_OPS
    record = state.current.get(action.address)
    if action.op is not Op.SUBMIT or action.run is None or record is None or record.archived:
        return False
    latest = state.find_run(action.address, record.latest)
    return latest is not None and latest.fingerprint == action.run.fingerprint and latest.attempt < action.run.attempt


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
    approvals: Iterable[ApprovedDecision],
    blocked: Mapping[Address, Blocked],
    state: State,
) -> Iterator[ReviewedDecision]:
    """Yield the own decisions of reports that are not in the plan, are not done and do not wait.

    What another report decides about the same address comes in the place of it.
    """
    found: dict[Address, list[ApprovedDecision]] = {}
    for approval in approvals:
        found.setdefault(approval.action.address, []).append(approval)
    for item in reviewed:
        if not item.is_own or item.op is Op.REPAIR:
            continue
        is_present = any(_answers(approval, item) for approval in found.get(item.address, ()))
        waits = item.address in blocked and _is_waiting(blocked[item.address])
        if not (is_present or waits or is_done(item, state)):
            yield item


def _answers(approval: ApprovedDecision, reviewed: ReviewedDecision) -> bool:
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
