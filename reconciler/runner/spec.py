"""spec.json: what a backend tells the runner about one run, and its form as JSON (schemas/run-spec.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPEC_FORMAT = 2
DEFAULT_GRACE_SECONDS = 10.0  # between SIGTERM and SIGKILL
DEFAULT_SILENCE_SECONDS = 90.0  # a network disk can show a heartbeat a minute late
DEFAULT_EXPERIMENT = "Default"
# Inputs and outputs of these types are a file; of every other type, a folder.
FILE_TYPES = frozenset({"uri_file"})


class SpecError(Exception):
    """The spec cannot be read: an error of the backend, never of the user's job."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file to stage: path within its folder, the stored object with its bytes, the mode as Git writes it.

    ``md5`` is the digest of the bytes, "" if it is not known; they are not read to check it while the object has this
    ``stamp`` (inode, size and the two times of a change in nanoseconds).
    """

    path: str
    object_path: Path
    mode: int
    md5: str = ""
    stamp: tuple[int, ...] = ()

    def to_json(self) -> list[Any]:
        row = [self.path, str(self.object_path), self.mode]
        return [*row, self.md5, list(self.stamp)] if self.md5 else row


@dataclass(frozen=True, slots=True)
class FilesInput:
    """Files from the store; ``mode`` says whether the command may write to its copies.

    If ``is_single_file``, the command gets the path of the one file, whatever the type, and not that of a folder.
    """

    type: str
    mode: str
    files: tuple[StagedFile, ...]
    is_single_file: bool = False

    def to_json(self) -> dict[str, Any]:
        files = [file.to_json() for file in self.files]
        document = {"kind": "files", "type": self.type, "mode": self.mode, "files": files}
        return {**document, "single": True} if self.is_single_file else document


@dataclass(frozen=True, slots=True)
class LiteralInput:
    """A number, a string or a boolean, put into the command as it is."""

    value: Any

    def to_json(self) -> dict[str, Any]:
        return {"kind": "literal", "value": self.value}


@dataclass(frozen=True, slots=True)
class UriInput:
    """A URI that the command opens by itself (mode direct)."""

    value: str

    def to_json(self) -> dict[str, Any]:
        return {"kind": "uri", "value": self.value}


JobInput = FilesInput | LiteralInput | UriInput


@dataclass(frozen=True, slots=True)
class JobOutput:
    """A file or a folder that the command writes, by its type; with a ``uri`` it writes there by itself."""

    type: str
    uri: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"type": self.type, "uri": self.uri} if self.uri else {"type": self.type}


@dataclass(frozen=True, slots=True)
class Container:
    """The container that a run is in, by its name, and the socket of its engine.

    ``spec_file`` is that of the runner in the container.
    """

    name: str
    socket: Path
    spec_file: Path

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "socket": str(self.socket), "spec_file": str(self.spec_file)}


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run: what to stage, what to execute, where to record it. Times are in seconds.

    ``root_run`` is the run of which this is a step, and ``commit`` has its files; "" for none. ``distribution`` is that
    of the job, `parallel` for a parallel step on several instances, and empty for one process. ``instances`` is the
    number of machines that it is for, all of them this one unless the runner is started on each of them, and ``cpus``
    are the processors that it got of each, None if that is not known. One that shows no sign of life for ``silence`` is
    lost.
    ``parallel`` are the settings of a parallel step, whose entry script gets the ``command`` as its arguments.
    The runner inherits the locks ``alive_fd``, which it holds alone, ``child_lock_fd``, which it leaves to the command,
    and ``slot_fds``, which both hold. ``queue`` is the folder of the queue that it then starts the next runs of, and
    ``device_folder`` that of the devices that it has had. With a ``container``, the runner starts it, waits for it and
    removes it, and another runner inside executes the run.
    """

    token: str
    run: str
    address: str
    command: str
    token_file: Path
    folder: Path
    code: tuple[StagedFile, ...]
    inputs: Mapping[str, JobInput]
    outputs: Mapping[str, JobOutput]
    path_entries: tuple[str, ...]
    environment: Mapping[str, str]
    variables: Mapping[str, str]
    experiment: str = DEFAULT_EXPERIMENT
    workspace: str = ""
    root_run: str = ""
    commit: str = ""
    distribution: Mapping[str, Any] = field(default_factory=dict)
    parallel: Mapping[str, Any] = field(default_factory=dict)
    instances: int = 1
    cpus: float | None = None
    timeout: float | None = None
    tracking_server: str | None = None
    grace: float = DEFAULT_GRACE_SECONDS
    silence: float = DEFAULT_SILENCE_SECONDS
    child_lock_fd: int | None = None
    alive_fd: int | None = None
    slot_fds: tuple[int, ...] = ()
    queue: Path | None = None
    device_folder: Path | None = None
    container: Container | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the document of spec.json; `parse_spec` reads it back."""
        return {
            "format": SPEC_FORMAT,
            "token": self.token,
            "run": self.run,
            "address": self.address,
            "command": self.command,
            "token_file": str(self.token_file),
            "folder": str(self.folder),
            "code": [file.to_json() for file in self.code],
            "inputs": {name: job_input.to_json() for name, job_input in self.inputs.items()},
            "outputs": {name: output.to_json() for name, output in self.outputs.items()},
            "environment": {"path": list(self.path_entries), "variables": dict(self.environment)},
            "variables": dict(self.variables),
            "experiment": self.experiment,
            "workspace": self.workspace,
            "root_run": self.root_run,
            "commit": self.commit,
            "distribution": dict(self.distribution),
            "instances": self.instances,
            "timeout": self.timeout,
            "tracking": self.tracking_server,
            "grace": self.grace,
            "silence": self.silence,
            "child_lock_fd": self.child_lock_fd,
            "alive_fd": self.alive_fd,
            "slot_fds": list(self.slot_fds),
            "queue": str(self.queue) if self.queue else None,
            "device_folder": str(self.device_folder) if self.device_folder else None,
            **({"cpus": self.cpus} if self.cpus is not None else {}),
            **({"parallel": dict(self.parallel)} if self.parallel else {}),
            **({"container": self.container.to_json()} if self.container else {}),
        }


def read_spec(path: Path) -> RunSpec:
    """Read spec.json; raises SpecError."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(f"the spec {path} cannot be read: {error}") from error
    try:
        return parse_spec(document)
    except SpecError as error:
        raise SpecError(f"the spec {path} is invalid: {error}") from error


def parse_spec(document: Any) -> RunSpec:
    """Return the spec that a document of spec.json describes; raises SpecError."""
    if not isinstance(document, dict) or document.get("format") != SPEC_FORMAT:
        raise SpecError(f"it does not have format {SPEC_FORMAT}, the one that this runner reads")
    try:
        return _parse_fields(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"{type(error).__name__}: {error}") from error


def _parse_fields(document: dict[str, Any]) -> RunSpec:
    environment = document["environment"]
    timeout = document.get("timeout")
    return RunSpec(
        token=document["token"],
        run=document["run"],
        address=document["address"],
        command=document["command"],
        token_file=_absolute_path(document["token_file"]),
        folder=_absolute_path(document["folder"]),
        code=_parse_files(document["code"]),
        inputs={name: _parse_input(job_input) for name, job_input in document["inputs"].items()},
        outputs={
            name: JobOutput(output["type"], output.get("uri", "")) for name, output in document["outputs"].items()
        },
        path_entries=tuple(environment["path"]),
        environment=_stringify_values(environment["variables"]),
        variables=_stringify_values(document["variables"]),
        experiment=document.get("experiment", DEFAULT_EXPERIMENT),
        workspace=document.get("workspace", ""),
        root_run=document.get("root_run", ""),
        commit=document.get("commit", ""),
        distribution=document.get("distribution", {}),
        parallel=document.get("parallel", {}),
        instances=int(document.get("instances", 1)),
        cpus=None if (cpus := document.get("cpus")) is None else float(cpus),
        timeout=None if timeout is None else float(timeout),
        tracking_server=_parse_server_url(document.get("tracking")),
        grace=float(document.get("grace", DEFAULT_GRACE_SECONDS)),
        silence=float(document.get("silence", DEFAULT_SILENCE_SECONDS)),
        child_lock_fd=document.get("child_lock_fd"),
        alive_fd=document.get("alive_fd"),
        slot_fds=tuple(document.get("slot_fds", ())),
        queue=_parse_optional_path(document.get("queue")),
        device_folder=_parse_optional_path(document.get("device_folder")),
        container=_parse_container(document.get("container")),
    )


def _parse_container(document: dict[str, Any] | None) -> Container | None:
    if document is None:
        return None
    return Container(str(document["name"]), _absolute_path(document["socket"]), _absolute_path(document["spec_file"]))


def _parse_input(document: dict[str, Any]) -> JobInput:
    match document["kind"]:
        case "files":
            files = _parse_files(document["files"])
            return FilesInput(document["type"], document["mode"], files, bool(document.get("single")))
        case "literal":
            return LiteralInput(document["value"])
        case "uri":
            return UriInput(document["value"])
        case kind:
            raise ValueError(f"unknown kind of input: {kind!r}")


def _parse_files(rows: list[Any]) -> tuple[StagedFile, ...]:
    return tuple(_parse_file(*row) for row in rows)


def _parse_file(path: str, object_path: str, mode: int, md5: str = "", stamp: Iterable[int] = ()) -> StagedFile:
    return StagedFile(path, _absolute_path(object_path), int(mode), md5, tuple(stamp))


def _stringify_values(mapping: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in mapping.items()}


def _absolute_path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"{text!r} is not an absolute path")
    return path


def _parse_optional_path(text: str | None) -> Path | None:
    return _absolute_path(text) if text else None


def _parse_server_url(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError(f"the tracking server {url!r} is not an http or https URL")
    return url.rstrip("/") if url else None
