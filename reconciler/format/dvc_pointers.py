"""What DVC tracks at a path that Git has no file at: the digest in ``x.dvc`` beside it, or in ``dvc.lock`` above it.

Only the pointer is read, never the data, and nothing of DVC is loaded. The forms are those of DVC 3
(https://dvc.org/doc/user-guide/project-structure).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.diagnostics import Diagnostic, has_errors
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.format.yaml import parse_yaml
from reconciler.model import FileReader
from reconciler.model.content import FOLDER_SUFFIX
from reconciler.model.dvc_pointer import POINTER_SUFFIX, DvcPointer

_KEY = re.compile(r"[0-9a-f]{32}(\.dir)?")
_LOCK, _STAGES = "dvc.lock", "dvc.yaml"
_CONFIG = ".dvc/config"
_ADD_HINT = "run `dvc add` on the file or folder again, and commit what it writes"
_DATA_HINT = "make it data of this repository with `dvc add`, or declare its location as a URI"


class DvcTracked(NamedTuple):
    """A path that DVC tracks: its pointer, or what is wrong with the file that should have it."""

    pointer: DvcPointer | None
    problems: tuple[Diagnostic, ...] = ()


class _Out(NamedTuple):
    """An output in a file of DVC, with the JSON pointer to it and its path, "" if that leads out of the repository."""

    document: Document
    place: tuple[str | int, ...]
    fields: Mapping[str, Any]
    path: str


def find_dvc_tracked(files: FileReader, path: str) -> DvcTracked | None:
    """Return what DVC tracks at a path that does not exist; None if it tracks nothing there."""
    if posixpath.isabs(path) or path.split("/", maxsplit=1)[0] in {"..", "."}:
        return None
    for tracked in (path, *_folders_above(path)[:-1]):
        if files.exists(tracked + POINTER_SUFFIX) and (found := _find_in_pointer(files, tracked, path)):
            return found
    for folder in _folders_above(path):
        if found := _find_in_lock(files, folder, path):
            return found
    return None


def find_inner_pointers(names: Iterable[str]) -> list[str]:
    """Return those of the files of a folder that are pointers of DVC to data which the folder does not have."""
    known = frozenset(names)
    folders = {folder for name in known for folder in _folders_above(name)}
    there = known | folders
    pointers = (name for name in known if name.endswith(POINTER_SUFFIX))
    return sorted(name for name in pointers if name.removesuffix(POINTER_SUFFIX) not in there)


def _folders_above(path: str) -> list[str]:
    """Return the folders that a path is in, the nearest first; the last is "", the top of the repository."""
    folders = []
    while path:
        path = posixpath.dirname(path)
        folders.append(path)
    return folders


def _find_in_pointer(files: FileReader, tracked: str, path: str) -> DvcTracked | None:
    """Return what the file ``tracked.dvc`` says of a path."""
    file = tracked + POINTER_SUFFIX
    document, problems = _parse(files, file)
    if has_errors(problems):
        return DvcTracked(None, problems)
    data = document.data if isinstance(document.data, dict) else {}
    if not data:  # a folder of that name, or an empty file
        return None
    if "deps" in data:
        message = f"{document.path} is an import (deps:): its data is that of another place"
        return _refused(document, ("deps",), message, _DATA_HINT)
    base = posixpath.join(posixpath.dirname(file), str(data.get("wdir") or "."))
    found = list(_list_outs(document, ("outs",), data.get("outs"), base))
    out = next((out for out in found if out.path == tracked), None)
    if out is None:
        return _explain_other_outs(document, found, files.display_path(tracked))
    return _read_out(files, out, file, path)


def _explain_other_outs(document: Document, outs: Sequence[_Out], tracked: str) -> DvcTracked:
    """Return what is wrong with a pointer that does not track the path beside it."""
    if not outs:
        return _wrong(document, ("outs",), f"{document.path} has no outs: with a path and an md5", _ADD_HINT)
    first = outs[0]
    if first.path:
        message = f"{document.path} tracks {first.fields['path']}, not {tracked}"
    else:
        message = f"{first.fields['path']} in {document.path} is outside the repository"
    return _wrong(document, (*first.place, "path"), message, _ADD_HINT)


def _find_in_lock(files: FileReader, folder: str, path: str) -> DvcTracked | None:
    """Return what ``dvc.lock`` and ``dvc.yaml`` of a folder say of a path."""
    lock, stages_file = posixpath.join(folder, _LOCK), posixpath.join(folder, _STAGES)
    if not files.exists(stages_file):
        return None
    declared, problems = _parse(files, stages_file)
    if has_errors(problems):
        return DvcTracked(None, problems)
    stages = _mapping(_mapping(declared.data).get("stages"))
    if files.exists(lock):
        document, problems = _parse(files, lock)
        if has_errors(problems):
            return DvcTracked(None, problems)
        for name, stage in _mapping(_mapping(document.data).get("stages")).items():
            base = posixpath.join(folder, _working_folder(stages.get(str(name).partition("@")[0])))
            for out in _list_outs(document, ("stages", name, "outs"), _mapping(stage).get("outs"), base):
                if _is_at_or_below(path, out.path):
                    return _read_out(files, out, lock, path)
    return _find_unlocked(declared, stages, folder, path)


def _find_unlocked(document: Document, stages: Mapping[str, Any], folder: str, path: str) -> DvcTracked | None:
    """Return what is wrong if a stage of ``dvc.yaml`` has a path as an output, and ``dvc.lock`` has not."""
    for name, stage in stages.items():
        base = posixpath.join(folder, _working_folder(stage))
        outs = _mapping(stage).get("outs")
        for index, out in enumerate(outs if isinstance(outs, list) else ()):
            text = next(iter(out), "") if isinstance(out, dict) else out
            if isinstance(text, str) and _is_at_or_below(path, _resolve(base, text)):
                message = f"{text} is an output of the stage {name}, and dvc.lock has no hash of it"
                place = ("stages", name, "outs", index)
                return _wrong(document, place, message, "run `dvc repro`, and commit dvc.lock")
    return None


def _list_outs(document: Document, place: tuple[str | int, ...], outs: object, base: str) -> Iterator[_Out]:
    for index, out in enumerate(outs if isinstance(outs, list) else ()):
        if isinstance(out, dict) and isinstance(out.get("path"), str):
            yield _Out(document, (*place, index), out, _resolve(base, out["path"]))


def _read_out(files: FileReader, out: _Out, file: str, path: str) -> DvcTracked:
    """Return the pointer of an output; ``path`` is at or below its own."""
    if reason := _unsupported(out.fields):
        field, why, hint = reason
        return _refused(out.document, (*out.place, field), f"{out.fields['path']} in {out.document.path} {why}", hint)
    key = out.fields.get("md5")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        message = f"{out.document.path} has no md5 of {out.fields['path']} with 32 hexadecimal digits"
        return _wrong(out.document, (*out.place, "md5"), message, _ADD_HINT)
    within = path[len(out.path) + 1 :]
    if within and not key.endswith(FOLDER_SUFFIX):
        message = f"{files.display_path(path)} cannot be in {files.display_path(out.path)}, which is a file for DVC"
        return _wrong(out.document, (*out.place, "md5"), message, "correct the path")
    remote = out.fields.get("remote")
    root = next((folder for folder in _folders_above(file) if files.exists(posixpath.join(folder, _CONFIG))), None)
    size, count = (_count(out.fields.get(name)) for name in ("size", "nfiles"))
    name = remote if isinstance(remote, str) else ""
    return DvcTracked(DvcPointer(key, out.path, within, file, root, name, size, count or 1))


def _unsupported(fields: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return the field of an output that cannot be served, why, and what to do."""
    for field in ("cloud", "files"):
        if field in fields:
            return field, "is in a remote of versions (version_aware, worktree)", _DATA_HINT
    if fields.get("cache") is False:
        return "cache", "is not in the cache of DVC (cache: false)", "commit the file"
    if fields.get("hash", "md5") != "md5":
        return "hash", f"has the hash {fields['hash']}; md5 is supported", _ADD_HINT
    if "hash" not in fields and "md5" in fields:
        return "md5", "has the md5 of DVC 2, which is not that of its bytes", "run `dvc cache migrate --dvc-files`"
    return None


def _resolve(base: str, path: str) -> str:
    """Return a path from the top of the repository; "" if it leads out of it, or is none."""
    resolved = posixpath.normpath(posixpath.join(base, path))
    is_outside = posixpath.isabs(resolved) or resolved.split("/", maxsplit=1)[0] in {"..", "."}
    return "" if is_outside or "://" in path else resolved


def _working_folder(stage: object) -> str:
    folder = _mapping(stage).get("wdir")
    return folder if isinstance(folder, str) else ""


def _is_at_or_below(path: str, folder: str) -> bool:
    return folder != "" and (path == folder or path.startswith(f"{folder}/"))


def _parse(files: FileReader, path: str) -> tuple[Document, tuple[Diagnostic, ...]]:
    return _parse_bytes(files.display_path(path), files.read_file(path))


@lru_cache(maxsize=32)  # many paths have their digests in one dvc.lock
def _parse_bytes(path: str, raw: bytes) -> tuple[Document, tuple[Diagnostic, ...]]:
    return parse_yaml(path, raw)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _wrong(document: Document, place: tuple[str | int, ...], message: str, hint: str) -> DvcTracked:
    span = document.value_span(join_pointer(*place))
    return DvcTracked(None, (Diagnostic("dvc-pointer", message, span, hint),))


def _refused(document: Document, place: tuple[str | int, ...], message: str, hint: str) -> DvcTracked:
    span = document.key_span(join_pointer(*place))
    return DvcTracked(None, (Diagnostic("dvc-unsupported", message, span, hint),))
