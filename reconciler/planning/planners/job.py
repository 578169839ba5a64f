"""Jobs: run once for each fingerprint, adopted where that was done before, tried again only where it may be."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic
from reconciler.model import (
    REMOVED_FROM_GIT,
    Address,
    Blocked,
    Op,
    Record,
    ResolvedAsset,
    Run,
    RunStatus,
    parse_address,
)
from reconciler.planning.decision import Decision, has_same_metadata, make_action
from reconciler.planning.drift import DriftPolicy, drift_policy_of
from reconciler.planning.fingerprint import submission_token
from reconciler.planning.resolve import PlanContext, PlannedState, blocked_reason, is_blocked

_LAST_RECORDED_HINT = "when last recorded; --refresh asks, and `mlgit apply` records how it ended"
_OUTCOME_PHRASES = {RunStatus.CANCELED: "was canceled", RunStatus.LOST: "was lost"}


def make_run_id(address: Address, wanted: str) -> str:
    """Name a run: the job's last name and eight digits of its token."""
    return f"{address.name.rpartition('/')[2]}-{wanted[:8]}"


def find_attempts(view: PlanContext, node: ResolvedAsset) -> Iterator[Run]:
    """Yield the runs that were made with this fingerprint, first attempt first, whatever the job was called then."""
    record = view.state.current.get(node.asset.address)
    names = (node.asset.address, *map(parse_address, record.formerly if record else ()))
    attempt = 1
    while run := next(filter(None, (_find_attempt(view, node, name, attempt) for name in names)), None):
        yield run
        attempt += 1


def _find_attempt(view: PlanContext, node: ResolvedAsset, name: Address, attempt: int) -> Run | None:
    """Return the run of one attempt under one of the job's names."""
    wanted = submission_token(view.state.lineage, str(name), node.fingerprint, attempt)
    run = view.state.find_run(node.asset.address, make_run_id(name, wanted))
    return run if run is not None and run.token == wanted else None


def decide_job(view: PlanContext, node: ResolvedAsset, record: Record | None) -> Decision:
    """Say what follows for a job."""
    if node.known_after is not None:
        return _decide_known_after(view, node, record)
    made = []
    for run in find_attempts(view, node):
        made.append(run)
        if _is_current(run, record) and node.asset.address not in view.policy.replace:
            return _decide_completed(view, node, record, [run])  # whatever other attempts there were
    if node.asset.address in view.policy.replace:
        return _decide_submission(view, node, record, made)
    if completed := [run for run in made if run.status is RunStatus.COMPLETED]:
        return _decide_completed(view, node, record, completed)
    if not made:
        return _decide_submission(view, node, record, made) if node.asset.runs_on_change else _decide_manual_run(node)
    return _decide_unfinished(view, node, record, made)


def _is_current(run: Run, record: Record | None) -> bool:
    return record is not None and run.id == record.run and run.status is RunStatus.COMPLETED


def _decide_unfinished(view: PlanContext, node: ResolvedAsset, record: Record | None, made: list[Run]) -> Decision:
    last = made[-1]
    if last.status.is_active and last.backend not in view.policy.config.backends:
        return _decide_unreachable_backend(node, last)
    if _is_orphaned(last, record) or last.is_canceled_by_mlgit or _is_retried(view, made):
        return _decide_submission(view, node, record, made)
    if last.status.is_active:
        seen = f"is {last.status}" if view.refreshed else f"was {last.status} {_LAST_RECORDED_HINT}"
        return _decide_blocked(node, last, f"run {last.id} {seen}", failed=False)
    return _decide_blocked(node, last, _failure_message(view, made), failed=True)


def _count_attempts(made: list[Run]) -> int:
    """Count how often a job was tried: a run that mlgit set aside is no try that failed."""
    return sum(not run.is_canceled_by_mlgit for run in made)


def _is_retried(view: PlanContext, made: list[Run]) -> bool:
    """Tell whether a run that ended through no fault of the user's is tried again."""
    run, config = made[-1], view.policy.config
    left_alone = run.status is RunStatus.LOST and drift_policy_of(config, run.address) is not DriftPolicy.REPAIR
    return run.is_retryable and _count_attempts(made) <= config.retries and not left_alone


def _decide_completed(view: PlanContext, node: ResolvedAsset, record: Record | None, completed: list[Run]) -> Decision:
    current = next((run for run in completed if record and run.id == record.run), completed[-1])
    outlook = PlannedState(current.id, node.fingerprint, run=current)
    if record is None or record.archived or record.run != current.id or record.fingerprint != node.fingerprint:
        done = make_action(view, Op.ADOPT, node, record, run=current)
    elif not has_same_metadata(node, record):
        done = make_action(view, Op.UPDATE, node, record, run=current)
    else:
        return Decision(outlook)
    return Decision(PlannedState(current.id, node.fingerprint, (done.key,), current), (done,))


def _decide_submission(view: PlanContext, node: ResolvedAsset, record: Record | None, made: list[Run]) -> Decision:
    again = bool(made) and _is_orphaned(made[-1], record)
    attempt = made[-1].attempt + (not again) if made else 1
    wanted = submission_token(view.state.lineage, str(node.asset.address), node.fingerprint, attempt)
    run = Run(
        id=make_run_id(node.asset.address, wanted),
        address=node.asset.address,
        token=wanted,
        fingerprint=node.fingerprint,
        attempt=attempt,
        backend=_backend_of(view, node),
        status=RunStatus.INTENDED,
        spec=node.asset.spec,
        references=node.references,
        contents=node.contents,
    )
    done = make_action(
        view, Op.SUBMIT, node, record, version=run.id, run=run, reason=_submission_reason(view, made, again=again)
    )
    outlook = PlannedState(run.id, node.fingerprint, (done.key,), known_after=node.asset.address)
    return Decision(outlook, (done,))


def _is_orphaned(run: Run, record: Record | None) -> bool:
    """Tell a run that may go on without anybody looking: cut off when submitted, or superseded by another.

    Submitting it once more finds it by its token, so it is never executed twice.
    """
    superseded = record is None or record.latest != run.id
    return run.status is RunStatus.INTENDED or (run.status.is_active and superseded)


def _submission_reason(view: PlanContext, made: list[Run], *, again: bool) -> str:
    if not made:
        return ""
    last = made[-1]
    if again:
        cut_off = last.status is RunStatus.INTENDED
        return f"the submission of {last.id} was cut off" if cut_off else f"run {last.id} is wanted again"
    if last.is_canceled_by_mlgit:
        since = "the job left Git" if last.failure == REMOVED_FROM_GIT else "another took its place"
        return f"run {last.id} was canceled when {since} (attempt {last.attempt + 1})"
    if last.is_retryable:
        happened = "was lost" if last.status is RunStatus.LOST else f"failed ({last.failure})"
        tries = _count_attempts(made)
        return f"attempt {tries} {happened} (attempt {tries + 1} of {view.policy.config.retries + 1})"
    return f"it was asked for again (attempt {last.attempt + 1})"


def _backend_of(view: PlanContext, node: ResolvedAsset) -> str:
    """Return the backend behind the job's compute; a job on a compute without one is a diagnostic."""
    config = view.policy.config
    named = next(
        (reference.address.name for pointer, reference in node.references.items() if pointer == "/compute"), ""
    )
    backend = config.backend_of(named or str(node.asset.spec.get("compute", "local")))
    if not backend:
        message = f"{node.asset.address} runs on {node.asset.spec.get('compute')}, which no backend stands behind"
        place = view.declared.documents[node.asset.source].value_span("/compute")
        hint = f"bind it in mlgit.yml: compute: {{{named or '*'}: BACKEND}}; backends: {', '.join(config.backends)}"
        view.diagnostics.append(Diagnostic("compute-unbound", message, place, hint))
    return backend


def _decide_known_after(view: PlanContext, node: ResolvedAsset, record: Record | None) -> Decision:
    if is_blocked(view, node.asset):
        waiting = Blocked(node.asset.address, blocked_reason(view, node))
        return Decision(PlannedState(known_after=node.known_after, blocked=True), (), (waiting,))
    if not node.asset.runs_on_change and node.asset.address not in view.policy.replace:
        return _decide_manual_run(node)
    done = make_action(view, Op.SUBMIT, node, record)
    return Decision(PlannedState(needs=(done.key,), known_after=node.asset.address), (done,))


def _decide_unreachable_backend(node: ResolvedAsset, run: Run) -> Decision:
    message = (
        f"run {run.id} is {run.status}, and its backend {run.backend} is not in mlgit.yml: "
        f"put it back, or run the job anew with `mlgit job rerun {run.address.name}`"
    )
    waiting = Blocked(node.asset.address, message)  # without its run: there is nothing to wait for
    return Decision(PlannedState(run.id, known_after=node.asset.address, blocked=True), (), (waiting,))


def _decide_blocked(node: ResolvedAsset, run: Run, message: str, *, failed: bool) -> Decision:
    waiting = Blocked(node.asset.address, message, failed=failed, run=run)
    ended = _OUTCOME_PHRASES.get(run.status, "failed") if failed else ""
    return Decision(
        PlannedState(run.id, known_after=node.asset.address, blocked=True, run_outcome=ended), (), (waiting,)
    )


def _decide_manual_run(node: ResolvedAsset) -> Decision:
    name = node.asset.address.name
    waiting = Blocked(node.asset.address, f"is run by hand: mlgit job rerun {name}")
    return Decision(PlannedState(known_after=node.asset.address, blocked=True), (), (waiting,))


def _failure_message(view: PlanContext, made: list[Run]) -> str:
    run = made[-1]
    name = run.address.name
    lost = "was lost too often" if _count_attempts(made) > view.policy.config.retries else "was lost"
    what = {RunStatus.CANCELED: "was canceled", RunStatus.LOST: lost}.get(run.status, "failed")
    said = f": {run.message.splitlines()[0].removesuffix('; its last lines:')}" if run.message else ""
    return f"run {run.id} {what}{said}; look with `mlgit job logs {name}`, run it again with `mlgit job rerun {name}`"
