"""What goes to a node and comes back from it, by digest: objects of the store, environments, outputs of runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

from reconciler.backends._folders import make_private_folders, write_private_json
from reconciler.backends._node_answers import Output
from reconciler.backends._node_channel import Channel
from reconciler.backends._node_environment import CONFIG_FILE, EnvironmentFile, EnvironmentFiles, machine_name
from reconciler.backends._node_grants import GrantedTransfers
from reconciler.backends._node_messages import (
    END,
    Message,
    MessageError,
    PartsStream,
    expect_parts,
    object_parts,
)
from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import Content, UploadFile
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Prefix, Task, TaskContent
from reconciler.regular_files import open_regular_file
from reconciler.runner.files import read_json_object
from reconciler.storage.digests import compute_digests
from reconciler.storage.store_errors import store_unusable_error

_SERIES = re.compile(r"python(3\.\d+)")


def contents_of(task: Task) -> tuple[Content, ...]:
    """Return the contents that a run needs, its code first."""
    inputs = (item.content for item in task.inputs.values() if isinstance(item, TaskContent))
    return (*((task.code,) if task.code else ()), *inputs)


def send_objects(channel: Channel, digests: Iterable[str], paths: Mapping[str, Path], store: ObjectStore) -> None:
    """Send objects: files of this machine by digest, all others from the store. Raises UserError."""
    digests = list(digests)
    store.fetch(digest for digest in digests if digest not in paths)
    channel.send([Message({"do": "store"})])
    for digest in digests:
        path = paths.get(digest)
        with _open_file(path) if path else store.open(digest) as stream:
            channel.send(object_parts(digest, stream))
    channel.send([END])
    channel.receive_answer()


def _open_file(path: Path) -> BinaryIO:
    try:
        return open_regular_file(path)
    except OSError as error:
        message = f"the environment cannot be sent: {path} cannot be read: {error.strerror}"
        raise user_error("environment-unusable", message, "remove the environment, and build it again") from error


def list_environment(prefix: Prefix, notes: Path) -> EnvironmentFiles:
    """Return the files of a virtual environment, of which no file changes once it is built.

    They are noted in a folder, so that the same environment is read once. Raises UserError ``environment-form``.
    """
    root = Path(prefix.path)
    try:
        status = (root / CONFIG_FILE).stat()
    except OSError as error:
        message = f"the environment {root} is no virtual environment, and only such are sent to another machine"
        raise user_error("environment-form", message, "build it with the builder venv") from error
    stamp = [status.st_ino, status.st_size, status.st_mtime_ns]
    note = notes / f"{hashlib.sha256(prefix.path.encode()).hexdigest()}.json"
    known = read_json_object(note) or {}
    if known.get("stamp") == stamp:
        return EnvironmentFiles.from_json(known["files"])
    files = _read_environment(root)
    make_private_folders(notes)
    write_private_json(note, {"stamp": stamp, "files": files.to_json()})
    return files


def environment_paths(files: EnvironmentFiles) -> dict[str, Path]:
    """Return where the objects of an environment are on this machine."""
    return {file.digest: Path(files.folder, file.path) for file in files.files if file.digest}


def _read_environment(root: Path) -> EnvironmentFiles:
    files = tuple(_walk(root))
    text = json.dumps([machine_name(), str(root), *files])
    series = next((match[1] for path in root.glob("lib/python3.*") if (match := _SERIES.fullmatch(path.name))), "")
    return EnvironmentFiles(hashlib.sha256(text.encode()).hexdigest()[:24], str(root), series, machine_name(), files)


def _walk(root: Path) -> Iterator[EnvironmentFile]:
    for parent, folders, names in os.walk(root):
        folders.sort()
        for name in sorted((*names, *(folder for folder in folders if Path(parent, folder).is_symlink()))):
            path = Path(parent, name)
            status, relative = path.lstat(), path.relative_to(root).as_posix()
            if stat.S_ISLNK(status.st_mode):
                yield EnvironmentFile(relative, 0, 0, "", str(path.readlink()))
            elif stat.S_ISREG(status.st_mode):
                with open_regular_file(path) as stream:
                    digest = compute_digests(stream).md5
                yield EnvironmentFile(relative, stat.S_IMODE(status.st_mode), int(status.st_mtime), digest)


def store_outputs(
    channel: Channel, outputs: Mapping[str, Output], store: ObjectStore, folder: Path, transfers: GrantedTransfers
) -> dict[str, Content]:
    """Put the outputs of a run into the store, which gets what it lacks from the node if it can.

    What it does not get so is read from the node, and its digest is checked. Raises UserError ``content-corrupt``.
    """
    sizes = {file.digest: file.size for output in outputs.values() for file in output.files}
    missing = store.missing(sizes)
    reasons = transfers.upload(channel, {digest: sizes[digest] for digest in missing}, store)
    if reasons is not None:
        missing = store.missing(missing)
    contents = {}
    for name, output in outputs.items():
        digests = {file.digest for file in output.files}
        if digests.isdisjoint(missing):
            if content := _assemble(output, store):
                contents[name] = content
            else:  # not all are as the node says
                missing |= digests
    rest = {name: output for name, output in outputs.items() if name not in contents}
    if reasons and (failed := {digest: reasons[digest] for digest in missing & reasons.keys()}):
        transfers.explain(failed, store)
    return {**contents, **dict(_store_through_here(channel, rest, missing, store, folder))}


def _assemble(output: Output, store: ObjectStore) -> Content | None:
    """Return the content of an output whose objects the store has; None if one of them is not as it should be."""
    try:
        return store.assemble(output.files, output.name)
    except UserError as error:
        if error.diagnostics[0].code not in {"content-missing", "content-corrupt"}:
            raise
        return None


def _store_through_here(
    channel: Channel, outputs: Mapping[str, Output], missing: Iterable[str], store: ObjectStore, folder: Path
) -> Iterator[tuple[str, Content]]:
    """Yield the contents of outputs, of which missing objects are read from the node, and all others from the store."""
    make_private_folders(folder)
    with TemporaryDirectory(dir=folder) as temporary:
        paths = _receive(channel, missing, Path(temporary))

        def open_object(digest: str) -> BinaryIO:
            return open_regular_file(paths[digest]) if digest in paths else store.open(digest)

        for name, output in outputs.items():
            if output.name:
                with open_object(output.files[0].digest) as stream:
                    yield name, store.put_file(output.name, stream)
            else:
                files = (UploadFile(file.path, file.mode, partial(open_object, file.digest)) for file in output.files)
                yield name, store.put(files)


def _receive(channel: Channel, digests: Iterable[str], folder: Path) -> dict[str, Path]:
    """Read objects from the node into a folder, each checked by its digest.

    Raises UserError, and MessageError if it sends others than it was asked for.
    """
    wanted = sorted(digests)
    paths = {digest: folder / digest for digest in wanted}
    if not wanted:
        return paths
    channel.send([Message({"do": "read", "digests": wanted})])
    remaining, parts = set(wanted), expect_parts(iter(channel.receive_answer, None))
    for first in parts:
        digest = str(first.document.get("digest"))
        if digest not in remaining:
            raise MessageError("an object that it was not asked for")
        remaining.remove(digest)
        if _write_object(PartsStream(first, parts), paths[digest]) != digest:
            message = f"the object {digest} of the node has other bytes than when the run ended"
            raise user_error("content-corrupt", message, "run the command again; if it remains, run the job again")
    if remaining:
        raise MessageError("fewer objects than it was asked for")
    return paths


def _write_object(stream: PartsStream, path: Path) -> str:
    """Write an object and return its digest; raises UserError if this machine has no space for it."""
    try:
        with path.open("xb") as file:
            return compute_digests(cast("BinaryIO", stream), file.write).md5
    except OSError as error:
        raise store_unusable_error(error, path.parent) from error
