"""The default artifacts of a run: what it wrote to ./outputs and ./logs, and the files that it logged with MLflow.

They are kept as an output that every job has, as on Azure ML: ``azureml://jobs/JOB/outputs/artifacts/paths/outputs/...``.
A model that was logged with MLflow is in the folder of its name there, whichever version of MLflow logged it.
What a store cannot keep (a link out of the job's folder or to nowhere, a socket, a name that is no text, a file in
hundreds of folders) is left.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePath

from .command import find_expressions
from .files import walk_files
from .spec import FILE_TYPES, RunSpec
from .workdir import ARTIFACTS_OUTPUT, CODE_FOLDER, OUTPUTS_FOLDER

LOGGED_FOLDER = "artifacts"  # of the files that are logged, by run
MAIN_RUN_FOLDER = "run"
_WORKING_FOLDERS = ("outputs", "logs")
_FOLDER_NAMES = (".", "..")


def make_working_folders(code: Path) -> None:
    """Make the folders that exist in every run, unless a file of the code has the name."""
    for name in _WORKING_FOLDERS:
        with suppress(FileExistsError):
            (code / name).mkdir()


def collect_artifacts(spec: RunSpec, models: Mapping[str, str]) -> None:
    """Move the default artifacts of a run to its outputs, unless a declared output of that name has other files.

    ``models`` are the logged models by name, each with its folder among the logged files.
    """
    if _has_own_artifacts(spec):
        return
    target = spec.folder / OUTPUTS_FOLDER / ARTIFACTS_OUTPUT
    code = spec.folder / CODE_FOLDER
    for name in _WORKING_FOLDERS:
        move_files(code / name, target / name, code.resolve())
    logged = spec.folder / LOGGED_FOLDER / MAIN_RUN_FOLDER
    move_files(logged, target, logged.resolve())
    for name, folder in models.items():
        if name not in _FOLDER_NAMES and PurePath(name).name == name and not (target / name).exists():
            model = spec.folder / LOGGED_FOLDER / folder
            move_files(model, target / name, model.resolve())


def _has_own_artifacts(spec: RunSpec) -> bool:
    """Return True if the job declares an output of the name that its command writes; else it means the artifacts."""
    declared = spec.outputs.get(ARTIFACTS_OUTPUT)
    if declared is None:
        return False
    is_named = f"outputs.{ARTIFACTS_OUTPUT}" in find_expressions(spec.command)
    return is_named or declared.type in FILE_TYPES or any((spec.folder / OUTPUTS_FOLDER / ARTIFACTS_OUTPUT).iterdir())


def move_files(source: Path, target: Path, root: Path) -> None:
    """Move the files below a folder, and copy the targets of links inside of a root."""
    if source.is_symlink():
        return
    for path in _walk_files(source):
        destination = target / path.relative_to(source)
        if path.resolve().is_relative_to(root) and not destination.exists():
            destination.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                shutil.copy(path, destination)
            else:
                path.rename(destination)


def _walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder whose names are text, the links to files first."""
    for path in sorted(walk_files(folder), key=lambda path: (not path.is_symlink(), str(path))):
        with suppress(UnicodeEncodeError, OSError, RuntimeError):  # a name that is no text, a link in a circle
            str(path).encode()
            if path.is_file():
                yield path
