"""Planner for jobs: one run per fingerprint, adopted if it exists, retried as far as ``limits: retries`` allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from reconciler.model import (
    DRIVER,
    Action,
    Address,
    Blocked,
    Op,
    Record,
    ResolvedAsset,
    Run,
    RunStatus,
    State,
    parse_address,
)
from reconciler.planning.adoption import ADOPTED_FROM
from reconciler.planning.builds import make_build
from reconciler.planning.compute import compute_name
from reconciler.planning.decision import Decision, has_same_metadata, make_action
from reconciler.planning.drift import DriftPolicy, repair_policy_of
from reconciler.planning.environments import origin_of_environment
from reconciler.planning.fingerprint import submission_token
from reconciler.planning.planners.verdicts import Verdict, verdict_on_run
from reconciler.planning.resolve import PlanContext, PlannedState, blocked_reason, is_blocked
from reconciler.planning.step_forecasts import forecast_steps

_NOT_ANSWERED = "when last recorded, and its backend does not answer"
_NOT_REFRESHED = "when last recorded; --refresh asks, and `mlgit apply` records how it ended"
_OUTCOME_PHRASES = {RunStatus.CANCELED: "was canceled", RunStatus.LOST: "was lost"}


def make_run_id(address: Address, token: str) -> str:
    """Return the id of a run: the last part of the job's name and eight digits of the token."""
    return f"{address.name.rpartition('/')[2]}-{token[:8]}"


def adopted_run(context: PlanContext, resolved: ResolvedAsset, attempt: int) -> Run | None:
    """Return the completed run of a target of ``reuse_from:`` with this fingerprint, as a run of this target.

    One whose outputs are in another store is noted; None if there is no other.
    """
    address, fingerprint = resolved.asset.address, resolved.fingerprint
    for target, state in context.state.read_reuse_states().items():
        run = _find_completed_run(state, address, fingerprint)
        if run is None:
            continue
        if context.state.store_id and state.store_id != context.state.store_id:
            reason = "but its outputs are in another store"
            context.notes.append(f"{address}: run {run.id} of target {target} has the same inputs, {reason}")
            continue
        token = submission_token(context.state.lineage, str(address), fingerprint, attempt)
        source = {"target": target, "run": run.id}
        own = replace(run, id=make_run_id(address, token), token=token, attempt=attempt, experiment=False)
        return replace(own, references=resolved.references, realised={**run.realised, ADOPTED_FROM: source})
    return None


def _find_completed_run(state: State, address: Address, fingerprint: str) -> Run | None:
    """Return the last completed run of a job with a fingerprint in a live state."""
    completed, attempt = None, 1
    while True:
        token = submission_token(state.lineage, str(address), fingerprint, attempt)
        run = state.find_run(address, make_run_id(address, token))
        if run is None or run.token != token:
            return completed
        completed = run if run.status is RunStatus.COMPLETED and not run.is_unfinished else completed
        attempt += 1


def find_attempts(context: PlanContext, resolved: ResolvedAsset) -> Iterator[Run]:
    """Yield the runs that have this fingerprint, first attempt first, also those under former names of the job."""
    record = context.state.current.get(resolved.asset.address)
    names = (resolved.asset.address, *map(parse_address, record.formerly if record else ()))
    attempt = 1
    while run := next(filter(None, (_find_attempt(context, resolved, name, attempt) for name in names)), None):
        yield run
        attempt += 1


def _find_attempt(context: PlanContext, resolved: ResolvedAsset, name: Address, attempt: int) -> Run | None:
    """Return the run of one attempt under one of the job's names."""
    token = submission_token(context.state.lineage, str(name), resolved.fingerprint, attempt)
    run = context.state.find_run(resolved.asset.address, make_run_id(name, token))
    return run if run is not None and run.token == token else None


def decide_job(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> Decision:
    """Return the decision about a job."""
    if resolved.known_after is not None:
        return _decide_known_after(context, resolved, record)
    is_replaced = resolved.asset.address in context.plan_options.replace
    runs: list[Run] = []
    for run in find_attempts(context, resolved):
        runs.append(run)
        if not is_replaced and record is not None and run.id == record.run and run.status is RunStatus.COMPLETED:
            return _decide_completed(context, resolved, record, run)  # whatever other attempts there were
    if is_replaced:
        return _decide_submission(context, resolved, record, runs)
    if all(map(_is_ignored, runs)):
        return _decide_without_runs(context, resolved, record, runs)
    return _decide_by_runs(context, resolved, record, runs)


def _decide_without_runs(
    context: PlanContext, resolved: ResolvedAsset, record: Record | None, ignored: list[Run]
) -> Decision:
    if not resolved.asset.runs_on_change:
        return _decide_manual_run(resolved)
    if adopted := adopted_run(context, resolved, ignored[-1].attempt + 1 if ignored else 1):
        return _decide_completed(context, resolved, record, adopted)
    return _decide_submission(context, resolved, record, ignored)


def _is_ignored(run: Run) -> bool:
    """Return True for an experiment that did not complete: it says nothing about the job as it is declared."""
    return run.experiment and not run.status.is_active and run.status is not RunStatus.COMPLETED


def _decide_by_runs(context: PlanContext, resolved: ResolvedAsset, record: Record | None, runs: list[Run]) -> Decision:
    """Decide by the verdict on the last completed run, or else the last one."""
    counted = [run for run in runs if not _is_ignored(run)]
    last = next((run for run in reversed(counted) if run.status is RunStatus.COMPLETED), counted[-1])
    verdict, reason = verdict_on_run(last, record)
    if last.status.is_active and not context.plan_options.config.has_backend(last.backend):
        return _decide_unreachable_backend(resolved, last)
    if verdict is Verdict.ADOPT:
        return _decide_completed(context, resolved, record, last)
    if verdict is Verdict.WAIT:
        return _decide_blocked(resolved, last, f"run {last.id} {_waiting(context, last, reason)}", failed=False)
    if verdict is Verdict.STOP or (verdict is Verdict.RETRY and not _may_retry(context, counted)):
        return _decide_blocked(resolved, last, _failure_message(context, counted), failed=True)
    return _decide_submission(context, resolved, record, runs)


def _count_attempts(runs: list[Run]) -> int:
    """Return how often the job was tried: runs that mlgit canceled do not count."""
    return sum(verdict_on_run(run, None)[0] is not Verdict.START_OVER for run in runs if not run.experiment)


def _may_retry(context: PlanContext, runs: list[Run]) -> bool:
    """Return True if an attempt is left, and drift of the job is repaired in case the run was lost."""
    run, config = runs[-1], context.plan_options.config
    is_repaired = repair_policy_of(config, run.address) is DriftPolicy.REPAIR
    return _count_attempts(runs) <= config.retries and (run.status is not RunStatus.LOST or is_repaired)


def _decide_completed(context: PlanContext, resolved: ResolvedAsset, record: Record | None, run: Run) -> Decision:
    if record is None or record.archived or record.run != run.id or record.fingerprint != resolved.fingerprint:
        action = make_action(context, Op.ADOPT, resolved, record, run=run)
    elif not has_same_metadata(resolved, record):
        action = make_action(context, Op.UPDATE, resolved, record, run=run)
    else:
        return Decision(PlannedState(run.id, resolved.fingerprint, run=run))
    return Decision(PlannedState(run.id, resolved.fingerprint, (action.key,), run), (action,))


def _decide_submission(
    context: PlanContext, resolved: ResolvedAsset, record: Record | None, runs: list[Run]
) -> Decision:
    address = resolved.asset.address
    is_resubmitted = bool(runs) and verdict_on_run(runs[-1], record)[0] is Verdict.RESUBMIT
    attempt = runs[-1].attempt + (not is_resubmitted) if runs else 1
    run = make_run(context, resolved, attempt)
    reason = _submission_reason(context, record, runs, attempt)
    builds = tuple(_environment_builds(context, resolved))
    needs = tuple(build.key for build in builds)
    steps = forecast_steps(context, resolved, record, runs)
    action = make_action(
        context, Op.SUBMIT, resolved, record, version=run.id, run=run, reason=reason, needs=needs, steps=steps
    )
    return Decision(PlannedState(run.id, resolved.fingerprint, (action.key,), known_after=address), (*builds, action))


def make_run(context: PlanContext, resolved: ResolvedAsset, attempt: int) -> Run:
    """Return one attempt of a job, as it is intended."""
    address = resolved.asset.address
    token = submission_token(context.state.lineage, str(address), resolved.fingerprint, attempt)
    return Run(
        id=make_run_id(address, token),
        address=address,
        token=token,
        fingerprint=resolved.fingerprint,
        attempt=attempt,
        backend=DRIVER if resolved.graph else context.plan_options.config.backend_of(compute_name(resolved.asset)),
        status=RunStatus.INTENDED,
        spec=resolved.asset.spec,
        references=resolved.references,
        contents=resolved.contents,
    )


def _environment_builds(context: PlanContext, resolved: ResolvedAsset) -> Iterator[Action]:
    """Yield the builds of the environments of a job and its steps that no file declares, unless built before.

    Several jobs can have the same one; a plan keeps one of equal actions.
    """
    steps = resolved.graph.steps.values() if resolved.graph else ()
    backends: dict[str, list[str]] = {}
    environments: dict[str, ResolvedAsset] = {}
    for job in (resolved, *(step.job for step in steps)):
        if job.environment:
            fingerprint = job.environment.fingerprint
            environments[fingerprint] = job.environment
            backend = context.plan_options.config.backend_of(compute_name(job.asset))
            backends.setdefault(fingerprint, []).append(backend)
    for fingerprint, environment in environments.items():
        asset = environment.asset
        # A build context that is in the store with a component is built when the run is submitted.
        is_own = environment.contents.keys() <= {path.pointer for path in asset.paths}
        if is_own and not context.state.find_builds(fingerprint):
            origin = origin_of_environment(asset, context.tree.display_path(asset.source))
            users = partial(iter, backends[fingerprint])
            yield make_build(context, environment, None, asset.version, users, origin)


def _submission_reason(context: PlanContext, record: Record | None, runs: list[Run], attempt: int) -> str:
    if not runs:
        return ""
    if runs[-1].experiment:
        return _experiment_reason(runs[-1], attempt)
    verdict, reason = verdict_on_run(runs[-1], record)
    if verdict is Verdict.RESUBMIT:
        return reason
    if verdict is Verdict.START_OVER:
        return f"{reason} (attempt {runs[-1].attempt + 1})"
    if verdict is Verdict.RETRY:
        attempts, most = _count_attempts(runs), context.plan_options.config.retries + 1
        return f"attempt {attempts} {reason} (attempt {attempts + 1}" + (f" of {most})" if attempts < most else ")")
    return f"it was requested again (attempt {runs[-1].attempt + 1})"


def _experiment_reason(experiment: Run, attempt: int) -> str:
    """Return why there is a submission after an experiment with the same fingerprint."""
    if attempt == experiment.attempt:
        return f"it takes over {experiment.id}, which `mlgit run` started; it is not executed twice"
    return f"experiment {experiment.id} {_OUTCOME_PHRASES.get(experiment.status, 'ended')} (attempt {attempt})"


def _waiting(context: PlanContext, run: Run, reason: str) -> str:
    """Return how a run is that is waited for; the reason if its backend was asked and has answered."""
    if context.observation is None:
        return f"was {run.status} {_NOT_REFRESHED}"
    return reason if context.observation.has_answer(run.id) else f"was {run.status} {_NOT_ANSWERED}"


def _decide_known_after(context: PlanContext, resolved: ResolvedAsset, record: Record | None) -> Decision:
    address = resolved.asset.address
    if is_blocked(context, resolved.asset):
        blocked = Blocked(address, blocked_reason(context, resolved))
        return Decision(PlannedState(known_after=resolved.known_after, blocked=True), (), (blocked,))
    if not resolved.asset.runs_on_change and address not in context.plan_options.replace:
        return _decide_manual_run(resolved)
    builds = tuple(_environment_builds(context, resolved))
    steps = forecast_steps(context, resolved, record)
    needs = tuple(build.key for build in builds)
    action = make_action(context, Op.SUBMIT, resolved, record, needs=needs, steps=steps)
    return Decision(PlannedState(needs=(action.key,), known_after=address), (*builds, action))


def _decide_unreachable_backend(resolved: ResolvedAsset, run: Run) -> Decision:
    message = (
        f"run {run.id} is {run.status}, and its backend {run.backend} is not in mlgit.yml: "
        f"add it again, or run the job again with `mlgit job rerun {run.address.name}`"
    )
    address = resolved.asset.address
    blocked = Blocked(address, message)  # without its run: waiting for it would never end
    return Decision(PlannedState(run.id, known_after=address, blocked=True), (), (blocked,))


def _decide_blocked(resolved: ResolvedAsset, run: Run, message: str, *, failed: bool) -> Decision:
    address = resolved.asset.address
    blocked = Blocked(address, message, failed=failed, run=run)
    outcome = _OUTCOME_PHRASES.get(run.status, "failed") if failed else ""
    return Decision(PlannedState(run.id, known_after=address, blocked=True, run_outcome=outcome), (), (blocked,))


def _decide_manual_run(resolved: ResolvedAsset) -> Decision:
    address = resolved.asset.address
    blocked = Blocked(address, f"is run by hand: mlgit job rerun {address.name}", manual=True)
    return Decision(PlannedState(known_after=address, blocked=True), (), (blocked,))


def _failure_message(context: PlanContext, runs: list[Run]) -> str:
    run, name = runs[-1], runs[-1].address.name
    outcome = _OUTCOME_PHRASES.get(run.status, "failed")
    if run.status is RunStatus.LOST and _count_attempts(runs) > context.plan_options.config.retries:
        outcome += " too often"
    cause = f": {run.message}" if run.message else ""
    command = "show" if run.backend == DRIVER else "logs"  # a pipeline has steps, and no log of its own
    return (
        f"run {run.id} {outcome}{cause}; see `mlgit job {command} {name}`, run it again with `mlgit job rerun {name}`"
    )
