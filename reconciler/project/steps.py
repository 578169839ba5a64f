"""The steps of a pipeline or a sweep: as the live state has them once it has ended, else as its driver reports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, cast

from reconciler.diagnostics import UserError
from reconciler.model import DRIVER, Handle, Run, State, StepRun
from reconciler.model.backend import Backend
from reconciler.project.state_session import StateSession


class _StepSource(Protocol):
    """What the driver has besides the methods of a backend."""

    def steps(self, handle: Handle) -> tuple[StepRun, ...]: ...


def read_steps(session: StateSession, state: State, run: Run) -> tuple[StepRun, ...]:
    """Return all steps of a run, trials after their sweep; none of a run that is no pipeline and no sweep.

    Raises UserError if its driver's records cannot be read.
    """
    if run.backend != DRIVER:
        return ()
    return state.find_steps(run.id) or report_steps(session.open_backends(), run)


def report_steps(backends: Mapping[str, Backend], run: Run) -> tuple[StepRun, ...]:
    """Return the steps of a run as its driver reports them; none if it was not submitted yet. Raises UserError."""
    driver = backends.get(DRIVER)
    if run.backend != DRIVER or driver is None or run.handle is None:
        return ()
    return cast("_StepSource", driver).steps(run.handle)


def report_known_steps(backends: Mapping[str, Backend], run: Run) -> tuple[StepRun, ...]:
    """Return the steps of a run as `report_steps`; none if they cannot be read, for a display that goes on."""
    try:
        return report_steps(backends, run)
    except UserError:
        return ()


def step_log_run(run: Run, step: StepRun) -> Run:
    """Return a step as a run whose log can be read, with the secrets of its pipeline to mask in it."""
    return replace(step.as_run(run), spec=run.spec)
