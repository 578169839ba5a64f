"""The condition of runs, as their backend reports it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.diagnostics import UserError, user_error
from reconciler.model import Condition, Handle, Phase, Run
from reconciler.model.backend import Backend
from reconciler.planning.refresh import merge_condition

_POLL_SECONDS = 0.1
_CANCEL_SECONDS = 60.0
_ACTIVE_PHASES = (Phase.PENDING, Phase.RUNNING, Phase.READY)


def poll_run(backend: Backend, run: Run) -> Condition:
    """Return the condition of one run, which is found by its token if its submission was not recorded."""
    _, condition = poll_runs(backend, [run]).get(
        run.id, (None, Condition(Phase.GONE, message="it was never submitted"))
    )
    return condition


def poll_runs(backend: Backend, runs: Iterable[Run]) -> dict[str, tuple[Handle, Condition]]:
    """Return the handles and conditions of the runs of a backend by id.

    Those are left out that were certainly never submitted. Raises UserError ``backend-unreachable``, or
    ``backend-broken`` if the backend fails, or does not return the condition of each run.
    """
    try:
        handles = {run.id: handle for run in runs if (handle := run.handle or backend.find(run.token))}
        conditions = backend.poll(handles.values())
        return {run_id: (handle, _condition_of(handle, conditions)) for run_id, handle in handles.items()}
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        message = f"the backend failed when it was asked for its runs: {type(error).__name__}: {error}"
        raise user_error("backend-broken", message, "report this to the authors of the backend") from error


def _condition_of(handle: Handle, conditions: Mapping[Handle, Condition]) -> Condition:
    """Return what a backend answered about a run; raises TypeError if that is no condition."""
    condition = conditions.get(handle)
    if not isinstance(condition, Condition):
        raise TypeError(f"no condition of {handle.id}")
    return condition


def cancel_and_wait(backend: Backend, run: Run) -> Run:
    """Cancel a run and return it as it has ended.

    Raises UserError ``cancel-failed`` if it goes on for a minute, ``backend-unreachable``.
    """
    handle = run.handle or backend.find(run.token)
    if handle is not None:
        backend.cancel(handle)
    deadline = time.monotonic() + _CANCEL_SECONDS
    while (condition := poll_run(backend, replace(run, handle=handle))).phase in _ACTIVE_PHASES:
        if time.monotonic() > deadline:
            state = f": {condition.message}" if condition.message else ""  # such as the machine that it goes on on
            message = f"run {run.id} has not stopped within {_CANCEL_SECONDS:.0f} s{state}"
            raise user_error("cancel-failed", message, "run the command again; see what keeps it with `mlgit job logs`")
        time.sleep(_POLL_SECONDS)
    if condition.phase is Phase.UNKNOWN:
        raise user_error("backend-unreachable", f"run {run.id} was asked to stop, but {condition.message}")
    return merge_condition(run, condition)
