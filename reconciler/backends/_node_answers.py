"""What a machine has answered, checked: it can be damaged, or be another one than it is taken for.

What is recorded, shown or used as a path comes through here. All functions raise MessageError for a document that is
no answer to what was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from reconciler.backends._node_messages import MessageError
from reconciler.model.backend import RunFiles, RunFolder
from reconciler.model.content import Content, HashedFile
from reconciler.model.providers import Condition, Handle, Usage
from reconciler.model.run_results import is_result

_RUN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_DIGEST, _SHA256 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
_MAX_NAME = 255


class Prepared(NamedTuple):
    """What a machine has for a run: the run itself if it was submitted before, which objects it lacks, and more."""

    run: str | None
    missing: list[str]
    has_environment: bool


class Transfers(NamedTuple):
    """How transfers went: why the service is not reached, "" if it is; why some failed, by digest; what had no time."""

    unreachable: str
    failed: dict[str, str]
    late: list[str]


class Output(NamedTuple):
    """An output of a run: the name of a single file, "" for a folder, and its files."""

    name: str
    files: tuple[HashedFile, ...]


def read_prepared(document: Any, offered: Collection[str]) -> Prepared:
    """Return what a machine has; it gets no object that it was not offered, whatever it says that it lacks."""
    match document:
        case {"run": run, "missing": list(missing), "has_environment": bool(has_environment)}:
            if not all(isinstance(digest, str) for digest in missing) or not set(missing) <= set(offered):
                raise MessageError("a request for objects that the run does not need")
            return Prepared(_check_run(run), list(dict.fromkeys(missing)), has_environment)
    raise MessageError("no list of what it lacks")


def read_run(document: Any, expected: str = "") -> str | None:
    """Return the name of a run, None for none; with ``expected`` it can be no other one."""
    run = _check_run(document.get("run"))
    if expected and run != expected:
        raise MessageError("another run than the one that was submitted")
    return run


def read_wrong(document: Any, contents: Sequence[Content]) -> list[Content]:
    """Return those of the contents of a submission that the node found to be others than they say."""
    match document:
        case {"wrong": list(numbers)}:
            if numbers and all(type(number) is int and 0 <= number < len(contents) for number in numbers):
                return [contents[number] for number in numbers]
            raise MessageError("contents that were not submitted")
    return []


def _check_run(run: Any) -> str | None:
    if run is None or (isinstance(run, str) and _RUN.fullmatch(run)):
        return run
    raise MessageError("a run without a name")


def read_conditions(document: Any, handles: Iterable[Handle]) -> dict[Handle, Condition]:
    """Return the condition of each run that was asked for."""
    match document:
        case {"conditions": dict(conditions)}:
            return {handle: _condition(conditions.get(handle.id)) for handle in handles}
    raise MessageError("no conditions of runs")


def _condition(document: Any) -> Condition:
    try:
        condition = Condition.from_json(document)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise MessageError("no condition of a run") from None
    if not is_text(condition.reason) or not is_text(condition.message):
        raise MessageError("no condition of a run")
    if condition.result != {} and not _is_recordable(condition.result):
        raise MessageError("a result of a run that is damaged")
    return condition


def is_text(value: Any) -> bool:
    """Return True for a text that can be recorded: it has no half of a character."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_recordable(result: Any) -> bool:
    try:
        json.dumps(result, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:  # half a character, or a number that JSON has no form of
        return False
    return is_result(result) and all(map(_is_name, result.get("outputs", {})))


def _is_name(name: str) -> bool:
    """Return True for a name that is safe as that of a folder, and in a line of text."""
    return name not in {"", ".", ".."} and "/" not in name and name.isprintable() and len(name) <= _MAX_NAME


def read_outputs(document: Any) -> dict[str, Output]:
    """Return the outputs of a run by their names."""
    match document:
        case {"outputs": dict(outputs)} if all(map(_is_name, outputs)):
            return {name: _output(output) for name, output in outputs.items()}
    raise MessageError("no outputs of a run")


def _output(document: Any) -> Output:
    match document:
        case {"name": str(name), "files": list(files)} if not name or len(files) == 1:
            return Output(name, tuple(map(_file, files)))
    raise MessageError("an output without its files")


def _file(document: Any) -> HashedFile:
    match document:
        case [str(path), int(mode), str(digest), str(sha256), int(size)]:
            if _DIGEST.fullmatch(digest) and _SHA256.fullmatch(sha256) and size >= 0:
                return HashedFile(path, mode, digest, sha256, size)
    raise MessageError("a file of an output without its digests")


def read_transfers(document: Any, offered: Collection[str]) -> Transfers:
    """Return how transfers between a machine and a service went; nothing is said of objects that were not offered."""
    match document:
        case {"unreachable": str(reason), "failed": dict(failed), "late": list(late)}:
            if not all(isinstance(text, str) for text in (*failed.values(), *late)):
                raise MessageError("no list of transfers")
            if not {*failed, *late} <= set(offered):
                raise MessageError("a transfer that it was not asked for")
            return Transfers(reason, failed, late)
    raise MessageError("no list of transfers")


def read_files(document: Any) -> RunFiles:
    """Return where the files of a run are."""
    match document:
        case {"locations": dict(locations), "artifacts": list(artifacts)}:
            if all(isinstance(text, str) for text in (*locations.values(), *artifacts)):
                return RunFiles(locations, tuple(artifacts))
    raise MessageError("no files of a run")


def read_run_folders(document: Any) -> tuple[RunFolder, ...]:
    """Return the folders of runs on a machine."""
    match document:
        case {"folders": list(rows)}:
            return tuple(map(_run_folder, rows))
    raise MessageError("no folders of runs")


def _run_folder(row: Any) -> RunFolder:
    match row:
        case [str(path), str(token), int() | float() as modified, int(size), bool(is_active), bool(is_left)]:
            return RunFolder(path, token, modified, size, is_active, is_left)
    raise MessageError("no folders of runs")


def read_usage(document: Any) -> tuple[Usage, ...]:
    """Return how full the parts of a machine are."""
    match document:
        case {"usage": list(rows)}:
            return tuple(map(_usage, rows))
    raise MessageError("no usage")


def _usage(row: Any) -> Usage:
    match row:
        case [str(name), str(unit), int(used), int(total), int(queued)]:
            return Usage(name, unit, used, total, queued)
    raise MessageError("no usage")


def read_log_end(document: Any) -> tuple[int, bool]:
    """Return where a log ends, and whether its run was going on."""
    match document:
        case {"end": True, "position": int(position), "is_active": bool(is_active)}:
            return position, is_active
    raise MessageError("no end of a log")
