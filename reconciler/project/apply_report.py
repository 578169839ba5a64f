"""Make the report on an apply from its events and the live state that it left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, UserError, has_errors
from reconciler.engine.request import ApplyResult
from reconciler.model import Action, Blocked, Event, Op, Progress, Run, RunStatus, State, failure_reason
from reconciler.planning.adoption import run_origin
from reconciler.planning.apply_report import (
    AppliedRun,
    AppliedVersion,
    ApplyReport,
    ApplyVerdict,
    Failure,
    ReviewDifference,
    Waiting,
)
from reconciler.planning.report import Report
from reconciler.planning.saved import plan_body_digest
from reconciler.project.prepare import PreparedApply
from reconciler.project.session import Session
from reconciler.render.sentences import action_sentence, finished_sentence
from reconciler.secrets.redact import mask_secrets, secret_values

_VERSION_OPS = (Op.NEW_VERSION, Op.REGISTER)
_DONE_WORDS = {Op.SUBMIT: "submitted", Op.ADOPT: "adopted", Op.RECORD: "recorded", Op.CANCEL: "canceled"}
_UNREVIEWED_CODE = "review-missing"


class ApplyEnd(NamedTuple):
    """How an apply ended: its events, its result if it got that far, what stopped it, a note why it did not begin."""

    events: Sequence[Event]
    result: ApplyResult | None
    reports: Sequence[Report] = ()
    differences: tuple[ReviewDifference, ...] = ()
    errors: tuple[Diagnostic, ...] = ()
    note: str = ""
    is_failed: bool = False
    is_interrupted: bool = False


def make_apply_report(session: Session, prepared: PreparedApply | None, end: ApplyEnd) -> ApplyReport:
    """Return the report on an apply; ``prepared`` is None if nothing was planned."""
    done = tuple(event.action for event in end.events if event.progress is Progress.DONE)
    state = _read_state(session) or (prepared.state if prepared else None)
    versions = tuple(_applied_version(action) for action in done if action.op in _VERSION_OPS)
    others = (action for action in done if action.op not in _VERSION_OPS and not _run_id(action))
    return ApplyReport(
        session.source.commit,
        _find_verdict(end, done),
        session.config.target,
        plan_body_digest(prepared.body) if prepared else "",
        tuple(report.plan.digest for report in end.reports if report.plan),
        versions,
        tuple(_applied_runs(done, state)),
        tuple(map(finished_sentence, others)),
        tuple(_failures(prepared, end)),
        tuple(_waiting(prepared, end)),
        end.differences,
        end.errors,
        prepared.annotated_plan.notes if prepared else tuple(filter(None, (end.note,))),
    )


def _read_state(session: Session) -> State | None:
    """Return the live state as the apply has left it; None if it cannot be read, which is reported otherwise."""
    try:
        return session.state_store.read()
    except UserError:
        return None


def _find_verdict(end: ApplyEnd, done: Sequence[Action]) -> ApplyVerdict:
    if end.differences:
        return ApplyVerdict.DIFFERS
    if end.is_interrupted:
        return ApplyVerdict.INTERRUPTED
    if any(error.code == _UNREVIEWED_CODE for error in end.errors):
        return ApplyVerdict.UNREVIEWED
    if has_errors(end.errors) and not end.events:
        return ApplyVerdict.REFUSED
    if end.errors or end.is_failed:
        return ApplyVerdict.FAILED
    return ApplyVerdict.APPLIED if done else ApplyVerdict.NOTHING


def _applied_version(action: Action) -> AppliedVersion:
    references = action.resolved.references.values() if action.resolved else ()
    run = next((reference.version for reference in references if reference.output), "")
    return AppliedVersion(str(action.address), action.version, run)


def _run_id(action: Action) -> str:
    return action.run.id if action.run and action.op in _DONE_WORDS else ""


def _applied_runs(done: Sequence[Action], state: State | None) -> Iterator[AppliedRun]:
    """Yield each run once, with what was done about it first, and its status as recorded."""
    by_run = {_run_id(action): action for action in reversed(done) if _run_id(action)}
    for action in reversed(by_run.values()):
        if action.run is not None:
            run = (state.find_run(action.address, action.run.id) if state else None) or action.run
            origin = run_origin(action.run) if action.op is Op.ADOPT else ""
            done_word = _DONE_WORDS[action.op]
            yield AppliedRun(run.address.name, run.id, str(run.status), done_word, origin, _failure_line(run))


def _failure_line(run: Run) -> str:
    if run.status not in (RunStatus.FAILED, RunStatus.LOST, RunStatus.CANCELED):
        return ""
    return mask_secrets(failure_reason(run.message), secret_values(run.spec))


def _pending(prepared: PreparedApply | None, end: ApplyEnd) -> Iterator[Blocked]:
    pending = end.result.pending if end.result else prepared.plan.blocked if prepared else ()
    return (blocked for blocked in pending if not (blocked.manual or blocked.recorded_only))


def _failures(prepared: PreparedApply | None, end: ApplyEnd) -> Iterator[Failure]:
    """Yield the actions that failed, then what is declared and failed before."""
    events = end.result.failed if end.result else end.events
    for event in events:
        if event.progress is Progress.FAILED:
            error = event.error.diagnostics[0].message if isinstance(event.error, UserError) else str(event.error)
            yield Failure(action_sentence(event.action), (event.message or error).partition("\n")[0])
        elif event.progress is Progress.SKIPPED:
            yield Failure(action_sentence(event.action), event.message or "skipped")
    for blocked in _pending(prepared, end):
        if blocked.failed:
            yield Failure(str(blocked.address), blocked.message)


def _waiting(prepared: PreparedApply | None, end: ApplyEnd) -> Iterator[Waiting]:
    for blocked in _pending(prepared, end):
        if not blocked.failed:
            yield Waiting(str(blocked.address), blocked.message)
    for event in end.result.locked_out if end.result else ():
        yield Waiting(str(event.action.address), event.message)
