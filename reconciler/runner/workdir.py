"""Code, inputs and outputs, laid out in the run's folder; nothing is ever written outside of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from . import command
from .result import OutputSize, staging_error
from .spec import FILE_TYPES, FilesInput, JobInput, LiteralInput, RunSpec, StagedFile, UriInput

# Called now and then while bytes are copied: beats the heart, raises Canceled.
Heartbeat = Callable[[], None]

_SYMLINK_MODE = 0o120000
_EXECUTABLE_BITS, _WRITABLE_BITS = 0o111, 0o222
# Read-only copies stand for a mount: never links, through which a job could change the store's own objects.
_READ_ONLY_MODES = frozenset({"ro_mount", "eval_mount"})
_CHUNK_SIZE = 4 << 20


@dataclass(frozen=True, slots=True)
class Workdir:
    """The run's folder, ready: where the command starts, and what its expressions stand for."""

    code_folder: Path
    values: Mapping[str, command.CommandValue]


def prepare_workdir(spec: RunSpec, pulse: Heartbeat) -> Workdir:
    """Lay out a run; what cannot be laid out is a staging failure."""
    code = spec.folder / "code"
    _stage_files(spec.code, code, read_only=False, pulse=pulse)
    values: dict[str, command.CommandValue] = {"name": command.ShellWord(spec.run)}
    for name, each in spec.inputs.items():
        values[f"inputs.{name}"] = _stage_input(_join_inside(spec.folder / "inputs", name), name, each, pulse)
    for name, type_ in spec.outputs.items():
        values[f"outputs.{name}"] = _stage_output(_join_inside(spec.folder / "outputs", name), name, type_)
    return Workdir(code, values)


def output_sizes(spec: RunSpec) -> dict[str, OutputSize]:
    """Count the regular files of each output and their bytes; links are not followed."""
    return {name: _measure_folder(spec.folder / "outputs" / name) for name in spec.outputs}


def _stage_input(folder: Path, name: str, given: JobInput, pulse: Heartbeat) -> command.CommandValue:
    match given:
        case LiteralInput(value):
            return command.RawText(value)
        case UriInput(value):
            return command.ShellWord(value)
        case FilesInput(type_, mode, files, single):
            _stage_files(files, folder, read_only=mode in _READ_ONLY_MODES, pulse=pulse)
            if type_ not in FILE_TYPES and not single:
                return command.ShellWord(str(folder))
            if len(files) != 1:
                raise staging_error(f"the input {name!r} is one file ({type_}), but {len(files)} were found for it")
            return command.ShellWord(str(folder / files[0].path))


def _stage_output(folder: Path, name: str, type_: str) -> command.CommandValue:
    _make_folder(folder)
    return command.ShellWord(str(folder / name if type_ in FILE_TYPES else folder))


def _stage_files(files: Iterable[StagedFile], root: Path, *, read_only: bool, pulse: Heartbeat) -> None:
    """Put files below a folder: symlinks last, and never anything through one."""
    _make_folder(root)
    root = root.resolve()
    links: list[tuple[str, Path]] = []
    for staged_file in sorted(files, key=_is_symlink):
        pulse()
        target = _join_inside(root, staged_file.path)
        try:
            _stage_file(staged_file, target, read_only=read_only, pulse=pulse)
        except OSError as error:
            reason = error.strerror or error
            raise staging_error(f"{staged_file.path} could not be laid out in {root}: {reason}") from error
        if _is_symlink(staged_file):
            links.append((staged_file.path, target))
    for path, link in links:  # only now: where a link leads can depend on the ones after it
        if link.readlink().is_absolute() or not link.resolve().is_relative_to(root):
            raise staging_error(f"{path} is a symlink to {link.readlink()}, which lies outside of the job's own files")


def _stage_file(each: StagedFile, target: Path, *, read_only: bool, pulse: Heartbeat) -> None:
    if target.parent.resolve() != target.parent:
        raise staging_error(f"{each.path} lies below a symlink, so it was not laid out")
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_symlink(each):
        target.symlink_to(os.fsdecode(each.object_path.read_bytes()))
    else:
        _copy_file(each.object_path, target, pulse)
        mode = 0o755 if each.mode & _EXECUTABLE_BITS else 0o644
        target.chmod(mode & ~_WRITABLE_BITS if read_only else mode)


def _copy_file(source: Path, target: Path, pulse: Heartbeat) -> None:
    """Copy the bytes of a file, within the kernel where it can: there, some disks share them until one is written."""
    with source.open("rb", buffering=0) as reader, target.open("xb") as writer:
        with suppress(OSError, AttributeError):  # not on this system, or not between these two disks
            while os.copy_file_range(reader.fileno(), writer.fileno(), _CHUNK_SIZE):
                pulse()
        while chunk := reader.read(_CHUNK_SIZE):  # what is left: nothing, or all of it
            writer.write(chunk)
            pulse()


def _join_inside(root: Path, path: str) -> Path:
    """Join a path from the spec to its folder, refusing whatever could lead out of it."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise staging_error(f"{path!r} is no path within {root.name}/, so nothing was laid out there")
    return root.joinpath(*parts)


def _is_symlink(each: StagedFile) -> bool:
    return each.mode == _SYMLINK_MODE


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise staging_error(f"the folder {folder} could not be made: {error.strerror}") from error


def _measure_folder(folder: Path) -> OutputSize:
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    sizes = [path.stat().st_size for path in paths if path.is_file() and not path.is_symlink()]
    return OutputSize(len(sizes), sum(sizes))
