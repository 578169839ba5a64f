"""The protocol of backends, which run jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from reconciler.model.assets import EMPTY_MAPPING
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import Condition, Handle, Usage
from reconciler.model.step_runs import StepRun
from reconciler.model.tasks import Environment, Task

BACKEND_CODES = frozenset(
    {"backend-unreachable", "backend-broken", "backend-host-key", "backend-credential", "backend-program"}
)
"""The errors of a backend that cannot be used at present: what is recorded of its runs stays as it is."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a completed run has left in the store: the content of its outputs by name.

    ``steps`` are those of a pipeline or a sweep, completed or not.
    """

    outputs: Mapping[str, Content] = field(default_factory=lambda: EMPTY_MAPPING)
    steps: tuple[StepRun, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Where a person finds what the provider has of a run, by what it is, and its artifacts so far; for display."""

    locations: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    artifacts: tuple[str, ...] = ()


class RunFolder(NamedTuple):
    """The folder of a run: the token of the run, when it changed last, and its size in bytes.

    ``path`` is MACHINE:PATH on another machine. ``modified`` is in seconds since 1970. ``is_left`` is True for what is
    left of one whose removal was interrupted.
    """

    path: str
    token: str
    modified: float
    size: int
    is_active: bool = False
    is_left: bool = False

    @property
    def name(self) -> str:
        """Its path."""
        return self.path


class ChecksContents(Protocol):
    """What a backend declares of itself that checks the sha256 of contents where it brings them.

    If it is True, ``submit`` raises UserError ``content-corrupt`` for a task of whose code or inputs the bytes or the
    modes have another sha256 than the content says, and starts nothing. Who submits does not read them then. Of a
    backend that declares nothing, who submits checks them.
    """

    checks_contents: bool


class RunFolders(Protocol):
    """What a backend has too whose runs have folders, so that `mlgit gc` can remove old ones.

    Both raise UserError if the folders are on a machine that cannot be reached.
    """

    def run_folders(self) -> Iterable[RunFolder]:
        """Return the folders that there are."""
        ...

    def remove_run_folder(self, folder: RunFolder) -> bool:
        """Remove one; return False if its run goes on, or if files of another user are left."""
        ...


class Backend(Protocol):
    """Runs jobs on one type of infrastructure.

    A backend that cannot be used raises UserError with one of `BACKEND_CODES`; only `poll` returns the phase *unknown*
    instead. Nothing that it takes or returns is a path of the caller's machine.
    """

    def check_environment(self, environment: Environment) -> None:
        """Raise UserError ``image-unusable`` if no job can run in an environment, which was just built.

        It may start a program in it, and need not tell: `submit` checks as well.
        """
        ...

    def submit(self, task: Task, store: ObjectStore) -> Handle:
        """Start the run, with its files from the store, and return its handle; once for each token."""
        ...

    def find(self, token: str) -> Handle | None:
        """Return the handle of the run that was submitted with a token; None if there is certainly none."""
        ...

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        """Return the conditions of several runs at once; a run that ended without a result is gone."""
        ...

    def cancel(self, handle: Handle) -> bool:
        """Ask a run to stop, and all of its processes; return True if any was running. `poll` tells when it has ended.

        A run that has ended is unchanged, but processes that it may have left are stopped.
        """
        ...

    def log(self, handle: Handle, since: int = 0, *, follow: bool = False) -> Iterator[bytes]:
        """Yield the output of a run from a byte on, counted from its end if negative; ``follow`` goes on until it ends.

        Raises UserError ``run-files-gone`` if the log was removed.
        """
        ...

    def metrics(self, handle: Handle) -> Iterator[bytes]:
        """Yield what the run has logged so far, one JSON object a line; raises UserError as `log`."""
        ...

    def collect(self, handle: Handle, store: ObjectStore) -> RunResult:
        """Put the outputs of a completed run into the store and return them."""
        ...

    def describe(self, handle: Handle) -> RunFiles:
        """Return where the files of a run are; raises UserError ``run-files-gone`` if they were removed."""
        ...

    def usage(self) -> Iterable[Usage]:
        """Return how full the computes are that have runs; nothing if the backend has no such limits."""
        ...
