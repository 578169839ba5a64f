"""spec.json as a value: what a backend asks of the runner, checked once, here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = 1
GRACE = 10.0  # seconds between the polite signal and the one that cannot be refused
# Inputs and outputs of these types stand for a file; of every other type, for a folder.
FILE_TYPES = frozenset({"uri_file"})


class SpecError(Exception):
    """The spec cannot be read: a fault of whoever wrote it, never of the user's job."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One file to lay out: path within its folder, the stored object with its bytes, the mode as Git writes it."""

    path: str
    object: Path
    mode: int


@dataclass(frozen=True, slots=True)
class FilesInput:
    """Bytes from the store; ``mode`` says whether the command may write to its copies.

    ``single`` content is one file by itself, whatever the type: the command gets its path, not that of a folder.
    """

    type: str
    mode: str
    files: tuple[StagedFile, ...]
    single: bool = False


@dataclass(frozen=True, slots=True)
class LiteralInput:
    """A number, a string or a boolean, put into the command as it is."""

    value: Any


@dataclass(frozen=True, slots=True)
class UriInput:
    """An address that the command opens by itself (mode direct)."""

    value: str


Input = FilesInput | LiteralInput | UriInput


@dataclass(frozen=True, slots=True)
class Spec:
    """One run: what to lay out, what to execute, where to write it down. Times are in seconds."""

    token: str
    run: str
    address: str
    command: str
    claim: Path
    folder: Path
    code: tuple[StagedFile, ...]
    inputs: Mapping[str, Input]
    outputs: Mapping[str, str]  # name -> type
    path: tuple[str, ...]
    environment: Mapping[str, str]
    variables: Mapping[str, str]
    timeout: float | None = None
    tracking: str | None = None
    grace: float = GRACE
    child_lock: int | None = None
    alive: int | None = None


def read_spec(path: Path) -> Spec:
    """Read and check spec.json; raises SpecError in words."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SpecError(f"the spec {path} cannot be read: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SpecError(f"the spec {path} is not of format {FORMAT}, the one that this runner reads")
    try:
        return _spec(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"the spec {path} is not complete: {type(error).__name__}: {error}") from error


def _spec(document: dict[str, Any]) -> Spec:
    environment = document["environment"]
    timeout = document.get("timeout")
    return Spec(
        token=document["token"],
        run=document["run"],
        address=document["address"],
        command=document["command"],
        claim=_absolute(document["claim"]),
        folder=_absolute(document["folder"]),
        code=_files(document["code"]),
        inputs={name: _input(each) for name, each in document["inputs"].items()},
        outputs={name: each["type"] for name, each in document["outputs"].items()},
        path=tuple(environment["path"]),
        environment=_strings(environment["variables"]),
        variables=_strings(document["variables"]),
        timeout=None if timeout is None else float(timeout),
        tracking=_server(document.get("tracking")),
        grace=float(document.get("grace", GRACE)),
        child_lock=document.get("child_lock_fd"),
        alive=document.get("alive_fd"),
    )


def _input(document: dict[str, Any]) -> Input:
    match document["kind"]:
        case "files":
            files = _files(document["files"])
            return FilesInput(document["type"], document["mode"], files, bool(document.get("single")))
        case "literal":
            return LiteralInput(document["value"])
        case "uri":
            return UriInput(document["value"])
        case other:
            raise ValueError(f"no input is of kind {other!r}")


def _files(rows: list[Any]) -> tuple[StagedFile, ...]:
    return tuple(StagedFile(path, _absolute(object_file), int(mode)) for path, object_file, mode in rows)


def _strings(mapping: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in mapping.items()}


def _absolute(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"{text!r} is no absolute path")
    return path


def _server(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError(f"the tracking server {url!r} is no http address")
    return url.rstrip("/") if url else None
