"""What the backends share that run jobs with the runner: its spec, what its result says, and the outputs of a run."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.model import Json, RunStatus
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.model.providers import CANCELED, FILES_GONE, Condition, Phase
from reconciler.model.run_results import is_result
from reconciler.model.tasks import Prefix, Task, TaskContent, TaskInput, TaskLiteral, TaskUri
from reconciler.private_files import create_private_file
from reconciler.runner import spec as runner_spec
from reconciler.runner.result import LOG_FILE, METRICS_FILE, RESULT_FILE
from reconciler.runner.zipapp import add_bytecode, build_zipapp
from reconciler.storage.disk_files import put_path, walk_files

OBJECTS_FOLDER = "objects"
_CHUNK_SIZE = 1 << 20
_NO_PROGRAM = re.compile(r"(/\S+): (?:not found|No such file or directory)$")  # as shells say it
_NO_FILE = re.compile(r"can't open file '([^']+)': \[Errno 2\]")  # as Python says it
_FINAL_PHASES = {
    RunStatus.COMPLETED: Phase.SUCCEEDED,
    RunStatus.FAILED: Phase.FAILED,
    RunStatus.CANCELED: Phase.FAILED,
}


def install_runner(folder: Path) -> Path:
    """Return the runner as a file of a folder, named by its content: with bytecode for the Python that runs this."""
    zipapp = build_zipapp()
    path = folder / f"{hashlib.sha256(zipapp).hexdigest()[:16]}-{sys.implementation.cache_tag}.pyz"
    if not path.exists():
        temporary = path.with_suffix(f".{os.urandom(6).hex()}")  # threads submit at once
        create_private_file(temporary, add_bytecode(zipapp))
        temporary.replace(path)
    return path


def find_python() -> str:
    """Return the interpreter that runs this, outside of a virtual environment: other machines may not have that."""
    return getattr(sys, "_base_executable", None) or sys.executable


def explain_start(line: str) -> str:
    """Return why a node could not start the runner, by the last line of its job; that line if it is something else."""
    if match := _NO_FILE.search(line):
        return f"its node does not see {match[1]}; all nodes must see folder: of the backend under the same path"
    if match := _NO_PROGRAM.search(line):
        return f"its node has no {match[1]}; set python: of the backend to one that all nodes have"
    return line


class CommandEnvironment(NamedTuple):
    """The environment of a run as its command finds it: folders of programs, and variables."""

    path_entries: tuple[str, ...]
    variables: Mapping[str, str]


def prefix_environment(task: Task) -> CommandEnvironment:
    """Return the environment of a task as its command finds it; raises UserError if it is an image."""
    if not isinstance(task.environment, Prefix):
        raise user_error("environment-form", f"{task.address}: its environment is an image, which needs a container")
    return CommandEnvironment(task.environment.program_folders, task.environment.variables)


def make_spec(
    task: Task, environment: CommandEnvironment, store: ObjectStore, folder: Path, token_file: Path
) -> runner_spec.RunSpec:
    """Return the spec of a run in a folder; objects that are on no disk here are fetched into the folder."""
    return runner_spec.RunSpec(
        token=task.token,
        run=task.run,
        address=task.address,
        command=task.command,
        token_file=token_file,
        folder=folder,
        code=_stage_content(store, task.code, folder) if task.code else (),
        inputs={name: _stage_input(store, job_input, folder) for name, job_input in task.inputs.items()},
        outputs={name: runner_spec.JobOutput(output.type, output.uri) for name, output in task.outputs.items()},
        path_entries=environment.path_entries,
        environment=environment.variables,
        variables=task.variables,
        experiment=task.experiment,
        workspace=task.workspace,
        root_run=task.root_run,
        commit=task.commit,
        distribution={"type": "parallel"} if task.parallel and task.resources.instances > 1 else task.distribution,
        parallel=task.parallel.to_json() if task.parallel else {},
        instances=task.resources.instances,
        timeout=task.resources.timeout,
    )


def _stage_input(store: ObjectStore, task_input: TaskInput, folder: Path) -> runner_spec.JobInput:
    match task_input:
        case TaskLiteral(value):
            return runner_spec.LiteralInput(value)
        case TaskUri(uri):
            return runner_spec.UriInput(uri)
        case TaskContent(type_, mode, content):
            files = _stage_content(store, content, folder)
            return runner_spec.FilesInput(type_, mode, files, is_single_file=not content.is_folder)


def _stage_content(store: ObjectStore, content: Content, folder: Path) -> tuple[runner_spec.StagedFile, ...]:
    """Return the files of a content, which was checked, with what the runner checks them by."""
    files = store.manifest(content)
    store.fetch(file.digest for file in files)
    return tuple(
        runner_spec.StagedFile(file.path, path, file.mode, file.digest, stamp)
        for file in files
        for path, stamp in [_find_or_fetch(store, file.digest, folder / OBJECTS_FOLDER)]
    )


def _find_or_fetch(store: ObjectStore, digest: str, folder: Path) -> tuple[Path, tuple[int, ...]]:
    """Return the path of an object on this machine and its stamp; one that the store has elsewhere is fetched."""
    if (local := store.local(digest)) is not None:
        return Path(local.path), local.stamp
    path = folder / digest
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        with store.open(digest) as source, partial.open("wb") as target:
            while chunk := source.read(_CHUNK_SIZE):
                target.write(chunk)
        partial.replace(path)
    return path, ()


def store_output(store: ObjectStore, folder: Path, *, is_file: bool) -> Content:
    """Store the folder of one output of a run; for an output of a file type, the only file in it."""
    file = _only_file(folder) if is_file else None
    return put_path(store, folder) if file is None else put_path(store, file[1], file[0])


def _only_file(folder: Path) -> tuple[str, Path] | None:
    try:
        files = list(walk_files(folder))
    except OSError:
        return None  # storing the folder reports the error
    return (files[0][0], files[0][2]) if len(files) == 1 else None


def result_condition(folder: Path, result: Mapping[str, Json]) -> Condition:
    """Return what result.json says of a run; what no runner has written counts as gone."""
    if not is_result(result):
        return Condition(Phase.GONE, message=f"its {RESULT_FILE} is damaged")
    status = RunStatus(result["status"])
    if status is RunStatus.CANCELED:
        return Condition(Phase.FAILED, CANCELED, result=result)
    missing = next((folder / name for name in (LOG_FILE, METRICS_FILE) if not (folder / name).exists()), None)
    return Condition(
        _FINAL_PHASES[status], FILES_GONE if missing else "", f"{missing} was removed" if missing else "", result
    )
