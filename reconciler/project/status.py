"""The status of a workspace: what is live, what runs, and what waits or failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from reconciler.diagnostics import has_errors
from reconciler.model import (
    DRIVER,
    Action,
    Blocked,
    Condition,
    Observation,
    Phase,
    Plan,
    Run,
    RunStatus,
    State,
    StepRun,
)
from reconciler.model.providers import Usage
from reconciler.planning.options import PlanOptions
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import PlanInputs
from reconciler.planning.refresh import active_runs, merge_observation, unfinished_runs
from reconciler.project.check import make_desired
from reconciler.project.session import Session
from reconciler.project.steps import report_known_steps
from reconciler.state.locks import LOCKS_REF, read_locks
from reconciler.state.process import has_process_exited


class PipelineStatus(NamedTuple):
    """A run of a pipeline or a sweep that has not ended; ``note`` says what its driver waits for, or that it ended."""

    run: Run
    steps: tuple[StepRun, ...]
    note: str


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """The live state with the run status that the backends report.

    ``never_submitted`` are the intended runs that no backend has and no apply is about to submit.
    ``usage`` is how full the backends are while there are runs.
    ``pipelines`` are the runs of pipelines and sweeps that have not ended, with their steps and what their drivers say.
    ``unrecorded_actions`` would record the runs that have ended since the last apply; ``next_actions`` are the plan.
    """

    state: State
    pending: tuple[Blocked, ...]
    unrecorded_actions: tuple[Action, ...]
    next_actions: tuple[Action, ...]
    never_submitted: frozenset[str] = frozenset()
    usage: tuple[Usage, ...] = ()
    pipelines: tuple[PipelineStatus, ...] = ()

    @property
    def is_idle(self) -> bool:
        """True if no run is active; one that was never submitted waits for the next apply only."""
        return all(run.id in self.never_submitted for run in active_runs(self.state))

    @property
    def has_unfinished_runs(self) -> bool:
        """True if a run has not ended, or its end is not recorded: the status is that of this moment only."""
        return bool(self.unrecorded_actions) or any(True for _ in unfinished_runs(self.state))


def read_status(session: Session) -> WorkspaceStatus:
    """Read the live state and ask the backends; runs stay as recorded if the state belongs to another store."""
    state = session.read_recorded_state()
    observation = session.observe_runs(state)
    plan = _plan_if_valid(session, state, observation)
    refreshed, unrecorded = merge_observation(state, observation or Observation())
    blocked, actions = (plan.blocked, plan.actions) if plan else ((), ())
    never_submitted = _never_submitted_runs(session, refreshed, observation)
    usage, pipelines = (
        (observation.usage, _read_pipelines(session, refreshed, observation)) if observation else ((), ())
    )
    return WorkspaceStatus(refreshed, blocked, unrecorded, actions, never_submitted, usage, pipelines)


def _read_pipelines(session: Session, state: State, observation: Observation) -> tuple[PipelineStatus, ...]:
    """Return the pipelines and sweeps that have not ended, as the store has them."""
    active = [run for run in unfinished_runs(state) if run.backend == DRIVER and run.status.is_active]
    backends = session.open_backends() if active else {}
    return tuple(
        PipelineStatus(run, report_known_steps(backends, run), _driver_note(observation.runs.get(run.id)))
        for run in active
    )


def _driver_note(condition: Condition | None) -> str:
    """Return what the driver of a run says besides how many steps have completed."""
    if condition is None:
        return ""
    return condition.message if condition.phase is Phase.UNKNOWN else condition.message.partition("; ")[2]


def _never_submitted_runs(session: Session, state: State, observation: Observation | None) -> frozenset[str]:
    """Return the ids of the intended runs that nothing will start before the next apply."""
    intended = [run for run in active_runs(state) if run.status is RunStatus.INTENDED]
    if not intended or observation is None or observation.is_incomplete:
        return frozenset()
    ref_store = session.state_store.ref_store
    locks = read_locks(ref_store.repository, ref_store.read_ref(LOCKS_REF)).values()
    locked = {address for lock in locks if not has_process_exited(lock.process) for address in lock.exclusive}
    return frozenset(run.id for run in intended if run.address not in locked)


def _plan_if_valid(session: Session, state: State, observation: Observation | None) -> Plan | None:
    """Return the plan; None if the files have errors, which `mlgit validate` reports."""
    declared = session.read_assets()
    if not state.commit or has_errors(declared.diagnostics):
        return None
    desired = make_desired(session, declared, state)
    return run_plan_pipeline(PlanInputs(desired, state, PlanOptions(session.config), observation))[0]
