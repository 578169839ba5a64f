"""Go on with pipelines and sweeps whose driver has ended: the next command in the workspace starts another one."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.engine.driver.backend import DriverBackend
from reconciler.model import Observation, Run
from reconciler.model.backend import Backend
from reconciler.model.step_runs import DRIVER, DRIVER_GONE


def resume_drivers(observation: Observation, backends: Mapping[str, Backend]) -> None:
    """Start a driver for each run that was observed to have none and has not ended, if this machine can.

    Raises UserError if its files cannot be written.
    """
    driver = backends.get(DRIVER)
    if isinstance(driver, DriverBackend):
        for run, condition in observation.runs.items():
            if condition.reason == DRIVER_GONE and run in observation.handles:
                driver.resume(observation.handles[run])


def resume_run(backends: Mapping[str, Backend], run: Run) -> None:
    """Start a driver for a pipeline or a sweep that has none and has not ended; nothing for any other run."""
    driver = backends.get(DRIVER)
    if run.backend == DRIVER and isinstance(driver, DriverBackend) and run.status.is_active:
        handle = run.handle or driver.find(run.token)
        if handle is not None:
            driver.resume(handle)
