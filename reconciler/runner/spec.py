"""spec.json as a value: what a backend asks of the runner, checked once, here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPEC_FORMAT = 1
DEFAULT_GRACE_SECONDS = 10.0  # seconds between the polite signal and the one that cannot be refused
# Inputs and outputs of these types stand for a file; of every other type, for a folder.
FILE_TYPES = frozenset({"uri_file"})


class SpecError(Exception):
    """The spec cannot be read: a fault of whoever wrote it, never of the user's job."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One file to lay out: path within its folder, the stored object with its bytes, the mode as Git writes it."""

    path: str
    object_path: Path
    mode: int


@dataclass(frozen=True, slots=True)
class FilesInput:
    """Bytes from the store; ``mode`` says whether the command may write to its copies.

    ``single`` content is one file by itself, whatever the type: the command gets its path, not that of a folder.
    """

    type: str
    mode: str
    files: tuple[StagedFile, ...]
    is_single_file: bool = False


@dataclass(frozen=True, slots=True)
class LiteralInput:
    """A number, a string or a boolean, put into the command as it is."""

    value: Any


@dataclass(frozen=True, slots=True)
class UriInput:
    """An address that the command opens by itself (mode direct)."""

    value: str


JobInput = FilesInput | LiteralInput | UriInput


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run: what to lay out, what to execute, where to write it down. Times are in seconds."""

    token: str
    run: str
    address: str
    command: str
    token_file: Path
    folder: Path
    code: tuple[StagedFile, ...]
    inputs: Mapping[str, JobInput]
    outputs: Mapping[str, str]  # name -> type
    path_entries: tuple[str, ...]
    environment: Mapping[str, str]
    variables: Mapping[str, str]
    timeout: float | None = None
    tracking_server: str | None = None
    grace: float = DEFAULT_GRACE_SECONDS
    child_lock_fd: int | None = None
    alive_fd: int | None = None


def read_spec(path: Path) -> RunSpec:
    """Read and check spec.json; raises SpecError in words."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SpecError(f"the spec {path} cannot be read: {error}") from error
    if not isinstance(document, dict) or document.get("format") != SPEC_FORMAT:
        raise SpecError(f"the spec {path} is not of format {SPEC_FORMAT}, the one that this runner reads")
    try:
        return _parse_spec(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"the spec {path} is not complete: {type(error).__name__}: {error}") from error


def _parse_spec(document: dict[str, Any]) -> RunSpec:
    environment = document["environment"]
    timeout = document.get("timeout")
    return RunSpec(
        token=document["token"],
        run=document["run"],
        address=document["address"],
        command=document["command"],
        token_file=_absolute_path(document["claim"]),
        folder=_absolute_path(document["folder"]),
        code=_parse_files(document["code"]),
        inputs={name: _parse_input(each) for name, each in document["inputs"].items()},
        outputs={name: each["type"] for name, each in document["outputs"].items()},
        path_entries=tuple(environment["path"]),
        environment=_stringify_values(environment["variables"]),
        variables=_stringify_values(document["variables"]),
        timeout=None if timeout is None else float(timeout),
        tracking_server=_parse_server_url(document.get("tracking")),
        grace=float(document.get("grace", DEFAULT_GRACE_SECONDS)),
        child_lock_fd=document.get("child_lock_fd"),
        alive_fd=document.get("alive_fd"),
    )


def _parse_input(document: dict[str, Any]) -> JobInput:
    match document["kind"]:
        case "files":
            files = _parse_files(document["files"])
            return FilesInput(document["type"], document["mode"], files, bool(document.get("single")))
        case "literal":
            return LiteralInput(document["value"])
        case "uri":
            return UriInput(document["value"])
        case other:
            raise ValueError(f"no input is of kind {other!r}")


def _parse_files(rows: list[Any]) -> tuple[StagedFile, ...]:
    return tuple(StagedFile(path, _absolute_path(object_file), int(mode)) for path, object_file, mode in rows)


def _stringify_values(mapping: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in mapping.items()}


def _absolute_path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"{text!r} is no absolute path")
    return path


def _parse_server_url(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError(f"the tracking server {url!r} is no http address")
    return url.rstrip("/") if url else None
