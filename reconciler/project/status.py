"""The status of a workspace: what is live, what runs, and what waits or failed."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.diagnostics import has_errors
from reconciler.engine.refresh import active_runs, refresh_runs
from reconciler.model import Action, Blocked, Observation, Plan, State
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import PlanInputs
from reconciler.planning.policy import Policy
from reconciler.planning.refresh import merge_observation
from reconciler.project.check import make_desired
from reconciler.project.session import Session
from reconciler.source.workspace import read_asset_set


@dataclass(frozen=True, slots=True)
class WorkspaceStatus:
    """The live state with the run status that the backends report.

    ``unrecorded_actions`` would record the runs that have ended since the last apply; ``next_actions`` are the plan.
    """

    state: State
    pending: tuple[Blocked, ...]
    unrecorded_actions: tuple[Action, ...]
    next_actions: tuple[Action, ...]

    @property
    def is_idle(self) -> bool:
        """Return True if no run is active."""
        return not any(active_runs(self.state))


def read_status(session: Session) -> WorkspaceStatus:
    """Read the live state and ask the backends; runs stay as recorded if the state belongs to another store."""
    state = session.read_recorded_state()
    observation = refresh_runs(state, session.open_backends(), session.store_path)
    plan = _plan_if_valid(session, state, None if observation.unexpected_store else observation)
    refreshed, unrecorded = merge_observation(state, observation)
    if plan is None:
        return WorkspaceStatus(refreshed, (), unrecorded, ())
    return WorkspaceStatus(refreshed, plan.blocked, unrecorded, plan.actions)


def _plan_if_valid(session: Session, state: State, observation: Observation | None) -> Plan | None:
    """Return the plan; None if the files have errors, which `mlgit validate` reports."""
    declared = read_asset_set(session.tree, session.config)
    if not state.commit or has_errors(declared.diagnostics):
        return None
    desired = make_desired(session.workspace, session.source, session.tree, declared)
    return run_plan_pipeline(PlanInputs(desired, state, Policy(session.config), observation))[0]
