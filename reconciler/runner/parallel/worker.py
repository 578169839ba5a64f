"""One worker of a parallel step: it loads the entry script, and calls run() for each mini-batch that it is given.

Messages are lines of JSON on a socket. The controller sends mini-batches, and closes its end when there are no more.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

from .batches import MiniBatch
from .row_batches import read_rows
from .rows import count_results, write_part
from .settings import Settings

READY, DONE, FAILED, BROKEN, STOPPED = "ready", "done", "failed", "broken", "stopped"
"""What a worker says: after init(), after each mini-batch, when the script cannot be used, and after shutdown()."""
_CONTEXT = "mini_batch_context"
_MAX_ERROR = 4000  # characters of an exception


def work(channel: socket.socket, settings: Settings, arguments: list[str]) -> None:
    """Serve mini-batches until the controller closes the channel."""
    where = "the entry script"
    try:
        script = _load_script(settings.entry_script, arguments)
        where = "init()"
        getattr(script, "init", lambda: None)()
        _send(channel, {"event": READY})
        for message in _receive(channel):
            _send(channel, _run(script, message, settings))
        where = "shutdown()"
        getattr(script, "shutdown", lambda: None)()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the script raises
        _print_traceback(where)
        _send(channel, {"event": BROKEN, "error": describe_error(error, where)})
        return
    _send(channel, {"event": STOPPED})


def _load_script(path: str, arguments: list[str]) -> ModuleType:
    """Import the entry script as its users do: from its folder, with its own arguments."""
    file = Path(path).resolve()
    sys.argv = [str(file), *arguments]
    sys.path[0:1] = [str(file.parent), str(Path.cwd())]
    specification = importlib.util.spec_from_file_location(file.stem, file)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[file.stem] = module
    specification.loader.exec_module(module)
    if not callable(getattr(module, "run", None)):
        raise TypeError(f"{path} has no function run(mini_batch)")
    return module


def _run(script: ModuleType, message: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return what became of one mini-batch: fewer results than items are a failure."""
    batch = MiniBatch.from_message(message)
    number, results = batch.number, 0
    try:
        content = read_rows(batch.items[0]) if settings.has_rows else list(batch.items)
        returned = script.run(content, **_context(script, batch))
        results = count_results(returned)
        if results < batch.size:
            error = f"run() returned {results} results for {_describe(batch)}"
            return {"event": FAILED, "batch": number, "results": results, "error": error}
        if settings.append_to:
            write_part(settings.parts, number, returned)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the script raises
        _print_traceback(f"run() of mini-batch {number + 1}")
        return {"event": FAILED, "batch": number, "results": 0, "error": describe_error(error, "run()")}
    return {"event": DONE, "batch": number, "results": results}


def _describe(batch: MiniBatch) -> str:
    if batch.partition is not None:
        return f"the partition {', '.join(f'{key}={value}' for key, value in batch.partition.items())}"
    return f"{batch.rows} rows" if batch.rows else f"{len(batch.items)} items"


def _context(script: ModuleType, batch: MiniBatch) -> dict[str, Any]:
    """Return what run() gets besides a mini-batch if it has a parameter for it, as on Azure ML."""
    if _CONTEXT not in inspect.signature(script.run).parameters:
        return {}
    return {_CONTEXT: SimpleNamespace(minibatch_index=batch.number, partition_key_value=batch.partition)}


def describe_error(error: BaseException, where: str) -> str:
    """Return an exception in one line, with where the user's code raised it."""
    last = traceback.format_exception_only(type(error), error)[-1].strip().splitlines()
    place = _find_syntax_error(error) or _find_place(error.__traceback__)
    return f"{last[0][:_MAX_ERROR] if last else type(error).__name__} ({where}{f', {place}' if place else ''})"


def _find_syntax_error(error: BaseException) -> str:
    """Return the line of the job's own code that is no Python; "" for another error."""
    root = f"{Path.cwd()}/"
    if isinstance(error, SyntaxError) and str(error.filename).startswith(root):
        return f"{str(error.filename)[len(root) :]}:{error.lineno}"
    return ""


def _find_place(trace: TracebackType | None) -> str:
    """Return the last line of the job's own code in a traceback."""
    place = ""
    root = str(Path.cwd())
    for frame, line in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        if file.startswith(f"{root}/"):
            place = f"{file[len(root) + 1 :]}:{line}"
    return place


def _print_traceback(where: str) -> None:
    """Write the exception that is handled now to the log in one piece: other workers write to it, too."""
    sys.stderr.write(f"parallel: {where} failed\n{traceback.format_exc()}")
    sys.stderr.flush()


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    sys.stdout.flush()
    channel.sendall(json.dumps(message).encode() + b"\n")


def _receive(channel: socket.socket) -> Iterator[dict[str, Any]]:
    with channel.makefile("rb") as lines:
        for line in lines:
            yield json.loads(line)
