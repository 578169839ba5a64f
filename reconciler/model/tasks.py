"""A task: what a backend executes. It has no path of the machine that made it; contents are named by digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model.assets import EMPTY_MAPPING, Json
from reconciler.model.content import Content
from reconciler.model.parallel_work import ParallelWork
from reconciler.model.resources import Compute as Compute
from reconciler.model.resources import Resources as Resources


@dataclass(frozen=True, slots=True)
class Prefix:
    """An environment that is installed in a folder of one host; ``variables`` are set for every run in it.

    ``path_entries`` are folders of programs that come before its ``bin``.
    """

    path: str
    host: str
    variables: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    path_entries: tuple[str, ...] = ()

    @property
    def program_folders(self) -> tuple[str, ...]:
        """All folders of its programs, in the order of PATH."""
        return (*self.path_entries, f"{self.path}/bin")


@dataclass(frozen=True, slots=True)
class Image:
    """An environment that is a container image; ``digest`` is that of its manifest."""

    reference: str
    digest: str
    variables: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)


Environment = Prefix | Image


@dataclass(frozen=True, slots=True)
class TaskLiteral:
    """A number, a string or a boolean, put into the command as it is."""

    value: Json


@dataclass(frozen=True, slots=True)
class TaskUri:
    """A URI that the command opens by itself (mode direct)."""

    uri: str


@dataclass(frozen=True, slots=True)
class TaskContent:
    """Files of the store; ``mode`` says whether the command may write to its copies."""

    type: str
    mode: str
    content: Content


TaskInput = TaskLiteral | TaskUri | TaskContent


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """A file or a folder that the command writes, by its type; with a ``uri`` it writes there by itself."""

    type: str
    uri: str = ""


DEFAULT_COMPUTE = "local"  # the name, to a backend, of the compute of a run that names none


@dataclass(frozen=True, slots=True)
class Task:
    """One run, or one step of it, and all that it needs: contents of the store and an environment that is built.

    ``token`` is the idempotency key of the submission. ``variables`` are those of the job, which take precedence over
    those of the environment. ``root_run`` is the run of which this is a step, and ``commit`` has its files;
    "" for none. ``distribution`` has its type in lower case. The ``command`` of a task that is ``parallel`` are the
    arguments of its entry script.
    """

    run: str
    address: str
    token: str
    command: str
    environment: Environment
    step: str = ""
    root_run: str = ""
    commit: str = ""
    experiment: str = "Default"
    workspace: str = ""
    code: Content | None = None
    inputs: Mapping[str, TaskInput] = field(default_factory=lambda: EMPTY_MAPPING)
    outputs: Mapping[str, TaskOutput] = field(default_factory=lambda: EMPTY_MAPPING)
    compute: Compute = field(default_factory=Compute)
    resources: Resources = field(default_factory=Resources)
    distribution: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    parallel: ParallelWork | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
