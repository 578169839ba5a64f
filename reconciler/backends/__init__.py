"""Backends run jobs: the protocol, the values that it exchanges, and how a backend is found by name.

``make_submission`` is pure; everything else has effects. A backend is a module of this package whose attribute
``BACKEND`` is a `BackendPlugin`, or an entry point of the group ``mlgit.backends`` that names one. A module whose name
starts with an underscore has the code of a backend and is imported when it is opened. The contract tests run on every
backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reconciler.diagnostics import user_error
from reconciler.model import Json, Run, RunReport
from reconciler.model.plugins import BackendPlugin
from reconciler.registry import Registry

if TYPE_CHECKING:
    from reconciler.runner.spec import JobInput, JobOutput, RunSpec, StagedFile  # reads of the state need no runner


@dataclass(frozen=True, slots=True)
class Task:
    """One run and all that it needs: its files in the store, and the environment that was built for it."""

    run: Run
    command: str
    code: tuple[StagedFile, ...] = ()
    inputs: Mapping[str, JobInput] = field(default_factory=dict)
    outputs: Mapping[str, JobOutput] = field(default_factory=dict)
    path_entries: tuple[str, ...] = ()
    """Folders to put in front of PATH."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the environment; those of the job, `variables`, take precedence."""
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    """In seconds; None for no limit."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a backend submits: the id of the run, its token, and the spec for the runner."""

    run: str
    token: str
    spec: RunSpec


class Backend(Protocol):
    """Runs jobs on one type of infrastructure."""

    @property
    def is_host_bound(self) -> bool:
        """True if only the machine that starts a run can observe it."""
        ...

    def make_submission(self, task: Task) -> Submission:
        """Return what would be submitted; pure."""
        ...

    def submit(self, submission: Submission) -> None:
        """Start the run. Does nothing if the token was submitted before."""
        ...

    def find(self, run: str, token: str) -> RunReport | None:
        """Return the report of the run with that token; None if it was never submitted here."""
        ...

    def poll(self, runs: Iterable[str]) -> Mapping[str, RunReport]:
        """Return the reports of several runs at once; a run that ended without a result is lost."""
        ...

    def cancel(self, run: str) -> bool:
        """Stop a run and all of its processes, and wait until they have exited; return True if any was running.

        A run that has ended is unchanged, but processes that it may have left are stopped.
        """
        ...

    def run_folder(self, run: str) -> Path:
        """Return the folder of a run's files; it exists from its submission until it is removed."""
        ...

    def log_path(self, run: str) -> Path:
        """Return the file that the output of the run goes to; it need not exist yet."""
        ...

    def outputs_path(self, run: str) -> Path:
        """Return the folder that has one folder for each output of a completed run."""
        ...

    def metrics_path(self, run: str) -> Path:
        """Return the file of the run's metrics, one JSON object a line; it need not exist yet."""
        ...


BACKENDS: Registry[BackendPlugin] = Registry("backend", __name__, "BACKEND", "mlgit.backends")


def load_backend(settings: Mapping[str, Json], store: Path) -> Backend:
    """Return the backend that ``type`` of the settings names; raises UserError (``backend-unknown``, ``-broken``).

    Its factory gets the settings and the folder of the object store.
    """
    backend: Backend = BACKENDS.open(settings["type"], settings, store)
    return backend


def open_backends(settings: Mapping[str, Mapping[str, Json]], store: Path) -> dict[str, Backend]:
    """Return the backends of mlgit.yml by the names that it gives them."""
    return {name: load_backend(backend_settings, store) for name, backend_settings in settings.items()}


def get_backend(backends: Mapping[str, Backend], name: str) -> Backend:
    """Return a backend by its name in mlgit.yml; raises UserError ``backend-missing``."""
    if name not in backends:
        message = f"the backend {name} is not in mlgit.yml, but the live state has runs on it"
        raise user_error("backend-missing", message, "add the backend to backends: again")
    return backends[name]
