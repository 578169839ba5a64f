"""Jobs are run by name: what a backend is, what it is given, what it says of a run.

``render`` is pure; everything else touches the world. A backend is one module of this package that names its
factory ``BACKEND``, or an entry point of the group ``mlgit.backends``; the contract tests run on whatever is found.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from reconciler.diagnostics import user_error
from reconciler.model import Json, Run, RunReport

ENTRY_POINT_GROUP = "mlgit.backends"

FileSpec = tuple[str, str, int]  # path within its folder, object that holds the bytes, mode as Git writes it


@dataclass(frozen=True, slots=True)
class Task:
    """One run with everything found that it needs: files in the store, an environment that is built."""

    run: Run
    command: str
    code: tuple[FileSpec, ...] = ()
    inputs: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    path_entries: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What goes to where the run happens: its name, its token, and the runner's spec."""

    run: str
    token: str
    spec: Mapping[str, Json]


class Backend(Protocol):
    """Runs jobs in one sort of place."""

    @property
    def is_host_bound(self) -> bool:
        """Whether its runs are on the machine that starts them, so that no other can ask how they stand."""
        ...

    def make_submission(self, work: Task) -> Submission:
        """Say what would be submitted; pure."""
        ...

    def submit(self, submission: Submission) -> None:
        """Start the run. A submission whose token is known already changes nothing."""
        ...

    def find(self, run: str, token: str) -> RunReport | None:
        """Say how the run with that token stands; None where it was never submitted here."""
        ...

    def poll(self, runs: Iterable[str]) -> Mapping[str, RunReport]:
        """Say how runs stand, all in one go; a run that is gone without a result is lost."""
        ...

    def cancel(self, run: str) -> None:
        """Stop a run and everything it started; return when none of it is left. A run that has ended stays so."""
        ...

    def log_path(self, run: str) -> Path:
        """Return the file that the run's output goes to; it may not be there yet."""
        ...

    def outputs_path(self, run: str) -> Path:
        """Return the folder that holds one folder for each output of a completed run."""
        ...

    def metrics_path(self, run: str) -> Path:
        """Return the file with the run's metrics, one JSON object a line; it may not be there yet."""
        ...


BackendFactory = Callable[[Mapping[str, Json], Path], Backend]
"""Makes a backend from its settings in mlgit.yml and the folder of the store."""


def backend_names() -> tuple[str, ...]:
    """Name every sort of backend that `load` knows."""
    return tuple(
        sorted({*_builtin_backends(), *(entry_point.name for entry_point in entry_points(group=ENTRY_POINT_GROUP))})
    )


def has_backend(name: str) -> bool:
    """Tell whether `load` knows the name; quicker than looking through all names."""
    return name in _builtin_backends() or bool(entry_points(group=ENTRY_POINT_GROUP, name=name))


def load_backend(settings: Mapping[str, Json], store: Path) -> Backend:
    """Make the backend that the settings' ``type`` names; imported only when asked for.

    Raises UserError: ``backend-unknown``.
    """
    name = settings["type"]
    if name in _builtin_backends():
        own: BackendFactory = importlib.import_module(f"{__name__}.{name}").BACKEND
        return own(settings, store)
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        plugged: BackendFactory = point.load()
        return plugged(settings, store)
    close = difflib.get_close_matches(name, backend_names(), 1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(backend_names())}"
    raise user_error("backend-unknown", f"there is no backend of type {name}", hint)


def open_backends(settings: Mapping[str, Mapping[str, Json]], store: Path) -> dict[str, Backend]:
    """Make every backend that mlgit.yml names, by the names it gives them."""
    return {name: load_backend(setting, store) for name, setting in settings.items()}


def _builtin_backends() -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def get_backend(backends: Mapping[str, Backend], name: str) -> Backend:
    """Choose a backend by its name; raises UserError ``backend-missing``."""
    if name not in backends:
        message = f"the backend {name} is not in mlgit.yml, and runs are known on it"
        raise user_error("backend-missing", message, "put it back under backends:")
    return backends[name]
