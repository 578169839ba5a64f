"""The folder of a run: code, inputs and outputs are staged there; nothing is written outside of it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from .command import CommandValue, RawText, ShellWord
from .files import walk_files
from .result import OutputSize, staging_error
from .spec import FILE_TYPES, FilesInput, JobInput, JobOutput, LiteralInput, RunSpec, StagedFile, UriInput

CODE_FOLDER, OUTPUTS_FOLDER = "code", "outputs"
ARTIFACTS_OUTPUT = "artifacts"  # the output that every job has

# Called regularly while bytes are copied; raises RunCanceledError if the run is to stop.
Heartbeat = Callable[[], None]

_SYMLINK_MODE = 0o120000
_EXECUTABLE_BITS, _WRITABLE_BITS = 0o111, 0o222
# Read-only copies take the place of a mount: through links, a job could change the objects of the store.
_READ_ONLY_MODES = frozenset({"ro_mount", "eval_mount"})
_CHUNK_SIZE = 4 << 20
_MAX_LINK_BYTES = 4097  # one more than any system follows
# An empty file of this name ends the search for a repository in Git's libraries, which do not read its variables.
_REPOSITORY_BARRIER = ".git"


@dataclass(frozen=True, slots=True)
class Workdir:
    """The staged folder of a run: where the command starts, and the values of its expressions."""

    code_folder: Path
    values: Mapping[str, CommandValue]


def prepare_workdir(spec: RunSpec, heartbeat: Heartbeat) -> Workdir:
    """Stage the files of a run; raises RunFailedError if that is not possible."""
    code = spec.folder / CODE_FOLDER
    (spec.folder / _REPOSITORY_BARRIER).touch()
    _stage_files(spec.code, code, read_only=False, heartbeat=heartbeat)
    values: dict[str, CommandValue] = {"name": ShellWord(spec.run)}
    for name, job_input in spec.inputs.items():
        values[f"inputs.{name}"] = _stage_input(_join_inside(spec.folder / "inputs", name), name, job_input, heartbeat)
    for name, output in spec.outputs.items():
        values[f"outputs.{name}"] = _stage_output(_join_inside(spec.folder / OUTPUTS_FOLDER, name), name, output)
    return Workdir(code, values)


def output_sizes(spec: RunSpec) -> dict[str, OutputSize]:
    """Return the number and the bytes of the regular files of each output; links are not followed."""
    folder = spec.folder / OUTPUTS_FOLDER
    artifacts = [ARTIFACTS_OUTPUT] if (folder / ARTIFACTS_OUTPUT).is_dir() else []
    written = [name for name, output in spec.outputs.items() if not output.uri]
    return {name: _measure_folder(folder / name) for name in dict.fromkeys([*written, *artifacts])}


def _stage_input(folder: Path, name: str, job_input: JobInput, heartbeat: Heartbeat) -> CommandValue:
    match job_input:
        case LiteralInput(value):
            return RawText(value)
        case UriInput(value):
            return ShellWord(value)
        case FilesInput(type_, mode, files, is_single_file):
            _stage_files(files, folder, read_only=mode in _READ_ONLY_MODES, heartbeat=heartbeat)
            if type_ not in FILE_TYPES and not is_single_file:
                return ShellWord(str(folder))
            if len(files) != 1:
                raise staging_error(f"the input {name!r} takes one file ({type_}), but its data has {len(files)} files")
            return ShellWord(str(folder / files[0].path))


def _stage_output(folder: Path, name: str, output: JobOutput) -> CommandValue:
    if output.uri:
        return ShellWord(output.uri)
    _make_folder(folder)
    return ShellWord(str(folder / name if output.type in FILE_TYPES else folder))


def _stage_files(files: Iterable[StagedFile], root: Path, *, read_only: bool, heartbeat: Heartbeat) -> None:
    """Copy files below a folder: symlinks last, and no file through a symlink."""
    _make_folder(root)
    root = root.resolve()
    links: list[tuple[str, Path]] = []
    for file in sorted(files, key=_is_symlink):
        heartbeat()
        target = _join_inside(root, file.path)
        try:
            _stage_file(file, target, read_only=read_only, heartbeat=heartbeat)
        except OSError as error:
            raise staging_error(f"{file.path} could not be copied to {root}: {error.strerror or error}") from error
        if _is_symlink(file):
            links.append((file.path, target))
    for path, link in links:  # only when all exist: the target of a link can depend on a later one
        if link.readlink().is_absolute() or not link.resolve().is_relative_to(root):
            raise staging_error(f"{path} is a symlink to {link.readlink()}, which is outside of the job's files")


def _stage_file(file: StagedFile, target: Path, *, read_only: bool, heartbeat: Heartbeat) -> None:
    if target.parent.resolve() != target.parent:
        raise staging_error(f"{file.path} is below a symlink, so it was not copied")
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_symlink(file):
        with file.object_path.open("rb") as link:
            content = link.read(_MAX_LINK_BYTES)
        _check_digest(file, _new_md5(content).hexdigest())
        target.symlink_to(os.fsdecode(content))
    else:
        _copy_file(file.object_path, target, heartbeat)
        if file.md5 and _stamp(file.object_path) != file.stamp:  # changed since, or on another machine
            _check_digest(file, _file_md5(target, heartbeat))
        mode = 0o700 if file.mode & _EXECUTABLE_BITS else 0o600
        target.chmod(mode & ~_WRITABLE_BITS if read_only else mode)


def _check_digest(file: StagedFile, md5: str) -> None:
    if file.md5 and md5 != file.md5:
        raise staging_error(f"{file.path} is not what was stored: its object {file.object_path} was changed or damaged")


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _new_md5(content: bytes = b"") -> Any:
    """Return a digest; its module, which loads OpenSSL, is loaded by name: most runs need none."""
    return importlib.import_module("hashlib").md5(content, usedforsecurity=False)


def _file_md5(path: Path, heartbeat: Heartbeat) -> str:
    digest = _new_md5()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_SIZE):
            digest.update(chunk)
            heartbeat()
    return str(digest.hexdigest())


def _copy_file(source: Path, target: Path, heartbeat: Heartbeat) -> None:
    """Copy the bytes of a file, in the kernel if it can: some file systems then share the blocks of both files."""
    with source.open("rb", buffering=0) as reader, target.open("xb") as writer:
        with suppress(OSError, AttributeError):  # not on this system, or not between these two disks
            while os.copy_file_range(reader.fileno(), writer.fileno(), _CHUNK_SIZE):
                heartbeat()
        while chunk := reader.read(_CHUNK_SIZE):  # all bytes that the kernel has not copied
            writer.write(chunk)
            heartbeat()


def _join_inside(root: Path, path: str) -> Path:
    """Return a path of the spec joined to its folder; raises RunFailedError if it could lead out of the folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise staging_error(f"{path!r} is not a path inside {root.name}/, so it was not copied")
    return root.joinpath(*parts)


def _is_symlink(file: StagedFile) -> bool:
    return file.mode == _SYMLINK_MODE


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise staging_error(f"the folder {folder} could not be created: {error.strerror}") from error


def _measure_folder(folder: Path) -> OutputSize:
    sizes = [path.stat().st_size for path in walk_files(folder) if path.is_file() and not path.is_symlink()]
    return OutputSize(len(sizes), sum(sizes))
