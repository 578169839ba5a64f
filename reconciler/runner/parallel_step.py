"""A parallel step as the runner executes it: the program beside the run, its settings, and why it has failed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from .command import CommandValue
from .files import read_json_object, write_json_atomically
from .result import CommandOutcome, Failure, staging_error
from .spec import FILE_TYPES, RunSpec, UriInput

_FOLDER, _PACKAGE, _SETTINGS_FILE = "parallel", "mlgit_parallel", "settings.json"
_FAILURE_FILE = "failure.json"  # as ``parallel.report`` writes it
_MAIN = f"import sys\n\nfrom {_PACKAGE}.main import main\n\nsys.exit(main(sys.argv))\n"
_NOT_OF_THE_PROGRAM = frozenset({"input", "output", "file_name", "form"})
_MAX_MESSAGE = 1000  # characters


def prepare_parallel_step(spec: RunSpec, arguments: str, values: Mapping[str, CommandValue]) -> str:
    """Write the program and its settings into the folder of the run; return the command that starts it.

    The ``arguments`` are those of the entry script, as words of a shell. Raises RunFailedError.
    """
    folder, name = spec.folder / _FOLDER, spec.parallel["input"]
    if isinstance(spec.inputs[name], UriInput):
        raise staging_error(f"the input {name} is a URI, and mini-batches are made of files")
    settings = {name: value for name, value in spec.parallel.items() if name not in _NOT_OF_THE_PROGRAM}
    settings |= {
        "folder": str(folder),
        "input_path": values[f"inputs.{name}"].text,
        "append_to": _append_path(spec, values),
        "instances": spec.instances,
    }
    try:
        _write_program(folder)
        for instance in range(1, spec.instances):
            (folder / "instances" / str(instance)).mkdir(parents=True, exist_ok=True)
        write_json_atomically(folder / _SETTINGS_FILE, settings)
    except OSError as error:
        raise staging_error(f"the folder {folder} could not be written: {error.strerror or error}") from error
    program, path = shlex.quote(str(folder)), shlex.quote(str(folder / _SETTINGS_FILE))
    return f'exec "$(command -v python || command -v python3 || echo python)" {program} run {path} {arguments}'


def _append_path(spec: RunSpec, values: Mapping[str, CommandValue]) -> str:
    name = spec.parallel["output"]
    if not name:
        return ""
    path = values[f"outputs.{name}"].text
    return path if spec.outputs[name].type in FILE_TYPES else str(Path(path, spec.parallel["file_name"]))


def _write_program(folder: Path) -> None:
    package = folder / _PACKAGE
    package.mkdir(parents=True, exist_ok=True)
    (folder / "__main__.py").write_text(_MAIN, encoding="utf-8")
    for source in files(f"{__package__}.parallel").iterdir():
        if source.name.endswith(".py"):
            (package / source.name).write_bytes(source.read_bytes())


def explain_parallel_failure(spec: RunSpec, outcome: CommandOutcome) -> CommandOutcome:
    """Return the outcome of a parallel step with the reason that its program has left, if it failed for one.

    The reason can be an exception of the script: who records it masks the secrets in it.
    """
    document = read_json_object(spec.folder / _FOLDER / _FAILURE_FILE)
    if outcome.failure is None or outcome.failure.kind != "user" or document is None:
        return outcome
    message = str(document.get("message", ""))[:_MAX_MESSAGE]
    failure = Failure("user", message, outcome.failure.exit_code, outcome.failure.signal)
    return CommandOutcome(outcome.status, failure, outcome.exit_code)
