"""The run that the argument JOB of a command stands for, and its backend: RUN/STEP is a step as a run of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reconciler.abbreviation import join_some
from reconciler.backends import get_backend
from reconciler.cli._job_argument import find_live_job, match_live_job
from reconciler.cli._run_files import require_handle
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.driver.resume import resume_run
from reconciler.engine.run_conditions import poll_run
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Run, State, StepRun
from reconciler.model.backend import Backend
from reconciler.planning.refresh import run_status_of
from reconciler.project.state_session import StateSession
from reconciler.project.steps import read_steps, report_steps
from reconciler.state.process import host_name

POLL_SECONDS = 0.2
_MAX_STEPS = 10  # in a message
_CHILD_RUN_ID = re.compile(r"(?P<run>.+-[0-9a-f]{8})_.+-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run that an argument names. Of a step, ``run`` is a run called RUN/STEP, below ``parent``."""

    session: StateSession
    state: State
    run: Run
    parent: Run | None = None
    step: StepRun | None = None
    trials: tuple[str, ...] = ()  # of a step that is a sweep

    def with_step(self, step: StepRun) -> NamedRun:
        """Return a step of the run, or the same step as it is now."""
        parent = self.parent or self.run
        return replace(self, run=replace(step.as_run(parent), id=f"{parent.id}/{step.step}"), parent=parent, step=step)

    def open_backend(self) -> Backend:
        """Open the backend of the run.

        Raises UserError ``backend-elsewhere`` or ``backend-missing``, of a step also ``run-not-submitted``.
        """
        config, run = self.session.config, self.run
        if self.trials and run.handle is None:
            message = f"{run.id} is a sweep: only its trials have logs and metrics of their own"
            raise user_error("run-not-submitted", message, f"name one of them, such as {self.trials[0]}")
        if self.step:
            require_handle(run)
        host = config.backend_host(run.backend)
        if host not in ("", host_name()):
            message = f"run {run.id} is on the backend {run.backend}, which is on {host} only"
            raise user_error("backend-elsewhere", message, f"run this command on {host}")
        return get_backend(self.session.open_backends(), run.backend)


def find_run(job: str) -> tuple[StateSession, State, Run]:
    """Return the run that an argument names, or the newest run of the job that it names, with the live state."""
    named = find_named_run(job)
    return named.session, named.state, named.run


def find_named_run(argument: str) -> NamedRun:
    """Return the run that an argument names, or the newest run of the job that it names, or a step of it.

    Raises UserError as `find_live_job`, ``step-unknown`` for a step that the run does not have.
    """
    session = open_current_state_session()
    state = session.read_refreshed_state()
    if match_live_job(session, state, argument) is None:
        job, step = _split_step(argument)
        if step and (match := match_live_job(session, state, job)):
            return _find_step(NamedRun(session, state, _run_of(session, state, *match)), step)
    return NamedRun(session, state, _run_of(session, state, *find_live_job(session, state, argument)))


def wait_for_step(named: NamedRun, is_reached: Callable[[StepRun], bool]) -> NamedRun:
    """Wait until a step is as it is asked for, or its run has ended; return it as it is then."""
    parent, step = named.parent, named.step
    if parent is None or step is None or is_reached(step) or not parent.status.is_active:
        return named
    backends = named.session.open_backends()
    driver, is_active = get_backend(backends, parent.backend), True
    while is_active and named.step and not is_reached(named.step):
        time.sleep(POLL_SECONDS)
        resume_run(backends, parent)
        is_active = (run_status_of(poll_run(driver, parent)) or parent.status).is_active
        steps = report_steps(backends, parent)  # after the run was asked for: its steps are final if that has ended
        named = named.with_step(next((other for other in steps if other.step == step.step), named.step))
    return named


def _split_step(argument: str) -> tuple[str, str]:
    """Return the job or the run, and the step, of RUN/STEP, JOB/STEP or the id of a child run; "" if it has none."""
    if match := _CHILD_RUN_ID.fullmatch(argument):
        return match["run"], argument
    job, _, step = argument.rpartition("/")
    return (job, step) if job else ("", "")


def _run_of(session: StateSession, state: State, address: Address, run: Run | None) -> Run:
    run = run or _find_newest_run(session, state, address)
    if run is None:
        raise user_error("run-unknown", f"{address} has no run yet", f"start one with `mlgit job rerun {address.name}`")
    return run


def _find_step(named: NamedRun, path: str) -> NamedRun:
    """Return a step by its path or by the id of its run."""
    run, steps = named.run, read_steps(named.session, named.state, named.run)
    step = next((step for step in steps if path in (step.step, step.run)), None)
    if step is None:
        raise _unknown_step_error(run, path, [step.step for step in steps])
    ranked = sorted(steps, key=lambda other: not other.is_best)
    trials = [f"{run.id}/{other.step}" for other in ranked if other.is_trial and other.step.startswith(f"{step.step}.")]
    return replace(named.with_step(step), trials=tuple(trials))


def _unknown_step_error(run: Run, path: str, known: Sequence[str]) -> UserError:
    if not known:
        hint = "only a pipeline or a sweep has steps, once it was submitted"
        return user_error("step-unknown", f"run {run.id} has no steps, so no step {path}", hint)
    if inner := [name for name in known if name.startswith(f"{path}.")]:
        message = f"{path} of run {run.id} is a component with steps, and no step itself"
        return user_error("step-unknown", message, f"its steps: {join_some(inner, _MAX_STEPS)}")
    leaves = [name for name in known if name.rpartition(".")[2] == path]  # such as inner, of outer.inner
    suggestion = f"did you mean {leaves[0]}?" if leaves else did_you_mean(path, known)
    hint = suggestion or f"its steps: {join_some(known, _MAX_STEPS)}"
    return user_error("step-unknown", f"run {run.id} has no step {path}", hint)


def _find_newest_run(session: StateSession, state: State, address: Address) -> Run | None:
    """Return the newest run of a job or, if that is newer, its newest experiment; None if it has neither."""
    record = state.current.get(address)
    run_ids = [record.latest] if record and record.latest else []
    run_ids += session.state_store.list_experiments(address.kind).get(address, ())
    runs = filter(None, (state.find_run(address, run_id) for run_id in run_ids))
    return max(runs, key=lambda run: run.submitted_at, default=None)
