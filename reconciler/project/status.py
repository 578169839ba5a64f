"""The status of a workspace: what is live, what runs, and what waits or failed."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.diagnostics import has_errors
from reconciler.model import Action, Blocked, Observation, Plan, RunStatus, State
from reconciler.model.providers import Usage
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import PlanInputs
from reconciler.planning.policy import Policy
from reconciler.planning.refresh import active_runs, merge_observation, unfinished_runs
from reconciler.project.check import make_desired
from reconciler.project.session import Session
from reconciler.state.locks import LOCKS_REF, read_locks
from reconciler.state.process import has_process_exited


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """The live state with the run status that the backends report.

    ``never_submitted`` are the intended runs that no backend has and no apply is about to submit.
    ``usage`` is how full the backends are while there are runs.
    ``unrecorded_actions`` would record the runs that have ended since the last apply; ``next_actions`` are the plan.
    """

    state: State
    pending: tuple[Blocked, ...]
    unrecorded_actions: tuple[Action, ...]
    next_actions: tuple[Action, ...]
    never_submitted: frozenset[str] = frozenset()
    usage: tuple[Usage, ...] = ()

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
    return WorkspaceStatus(
        refreshed, blocked, unrecorded, actions, never_submitted, observation.usage if observation else ()
    )


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
    return run_plan_pipeline(PlanInputs(desired, state, Policy(session.config), observation))[0]
