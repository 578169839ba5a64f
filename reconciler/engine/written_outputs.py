"""Outputs that are written to a datastore when their run has completed. The object store keeps them in any case.

What was written is recorded as brought from there, so a job that reads it transfers nothing.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.fetched import FETCHED, fetched_source, find_fetched
from reconciler.engine.locations import datastores_of
from reconciler.model import Action, Json
from reconciler.model.content import Content, ContentFile
from reconciler.model.datastores import Datastore, Location, check_names
from reconciler.model.object_store import ObjectStore
from reconciler.model.runs import PENDING_WRITE, UNWRITTEN
from reconciler.model.step_runs import StepRun
from reconciler.planning.data_places import DataPlace
from reconciler.planning.output_paths import find_output_place
from reconciler.storage.transfers import TransferPool

_AGAIN = "; the next `mlgit apply` writes it again"

_PARALLEL_FILES = 8
_SYMLINK_MODE = 0o120000
_CHUNK_SIZE = 1 << 20


class _File(NamedTuple):
    """A file of an output, and the path that it is written to."""

    file: ContentFile
    path: str


def write_outputs(
    context: ActionContext, action: Action, owner: str, outputs: Mapping[str, Json], *, again: bool = False
) -> dict[str, dict[str, Json]]:
    """Write outputs to their paths, those that are in a datastore; return all as they are recorded.

    What cannot be written is said, and recorded with the output: the run has completed, and the store has the files.
    ``again`` writes only what could not be written before.
    """
    written = {name: dict(output or {}) for name, output in outputs.items()}
    for name, output in written.items():
        if again and PENDING_WRITE not in output:
            continue
        for key in (UNWRITTEN, PENDING_WRITE):
            output.pop(key, None)
        if "md5" in output and "path" in output and (problem := _write(context, action, output)):
            output.update(problem)
            text = f"output {name} of {owner} was not written to {output['path']}, and is in the object store"
            context.progress_reporter(action)(f"{text}: {problem[UNWRITTEN]}")
    return written


def write_step_outputs(
    context: ActionContext, action: Action, steps: tuple[StepRun, ...], *, again: bool = False
) -> tuple[StepRun, ...]:
    """Write the outputs of steps to their paths; return the steps as they are recorded."""
    return tuple(
        replace(step, outputs=write_outputs(context, action, f"step {step.step}", step.outputs, again=again))
        if any("path" in (output or ()) for output in step.outputs.values())
        else step
        for step in steps
    )


def _write(context: ActionContext, action: Action, output: Mapping[str, Json]) -> dict[str, Json]:
    """Write an output to its path, if that is in a datastore; return what is recorded if that was not possible."""
    datastores, open_datastore = datastores_of(context)
    path = str(output["path"])
    place = find_output_place(path, datastores)
    if place is None:
        return {}
    if place.path and path.endswith("/") and not Content.from_json(output).is_folder:
        place = place._replace(path=f"{place.path}/{output['name']}")
    try:
        datastore = open_datastore(place.datastore)
        content = Content.from_json(output)
        context.progress_reporter(action)(f"writing {path}, {content.size:,} bytes")
        links = _write_content(context.providers.store, datastore, place, content)
    except UserError as error:
        return {UNWRITTEN: error.diagnostics[0].message + _AGAIN, PENDING_WRITE: True}
    return {UNWRITTEN: f"a datastore has no links: {', '.join(links)}"} if links else {}


def _write_content(store: ObjectStore, datastore: Datastore, place: DataPlace, content: Content) -> list[str]:
    """Write the files of a content; return the links, which a datastore cannot have."""
    files = list(_files_of(store, place, content))
    links = [item.file.path for item in files if item.file.mode == _SYMLINK_MODE]
    files = [item for item in files if item.file.mode != _SYMLINK_MODE]
    check_names(datastore, [item.path for item in files])
    TransferPool(_PARALLEL_FILES).map(lambda item: _write_file(store, datastore, place.datastore, item), files)
    return links


def _files_of(store: ObjectStore, place: DataPlace, content: Content) -> Iterator[_File]:
    prefix = f"{place.path}/" if place.path else ""
    for file in store.manifest(content):
        yield _File(file, prefix + file.path if content.is_folder else place.path)


def _write_file(store: ObjectStore, datastore: Datastore, name: str, item: _File) -> None:
    """Write a file, unless it is there: it was written with the same bytes, and nothing else was since."""
    if _is_there(store, datastore, name, item):
        return
    content = _read_content(store, item)
    with store.open(item.file.digest) as stream:
        entry = datastore.write(item.path, stream)
    if entry.identity.size != content.size:
        message = f"{datastore.location}/{item.path} has {entry.identity.size:,} of {content.size:,} bytes"
        raise user_error("output-not-written", message, "check the datastore; the object store has the output")
    location = Location("", name, item.path, entry.identity, root=datastore.location)
    store.create(f"{FETCHED}/{fetched_source(location)}", json.dumps(content.to_json()).encode())


def _read_content(store: ObjectStore, item: _File) -> Content:
    """Return the content of a file by itself, as the store would have it; its bytes are read for that."""
    sha256, size = hashlib.sha256(), 0
    with store.open(item.file.digest) as stream:
        while chunk := stream.read(_CHUNK_SIZE):
            sha256.update(chunk)
            size += len(chunk)
    return Content(item.file.digest, sha256.hexdigest(), size, 1, posixpath.basename(item.path))


def _is_there(store: ObjectStore, datastore: Datastore, name: str, item: _File) -> bool:
    try:
        entry = datastore.stat(item.path)
    except UserError:
        return False  # writing says what is wrong, if it is more than that nothing is there
    location = Location("", name, item.path, entry.identity, root=datastore.location)
    known = None if entry.is_folder else find_fetched(store, location)
    return known is not None and known.digest == item.file.digest
