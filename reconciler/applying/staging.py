"""Bytes on their way: from Git blobs and runs' outputs into the store, and from the store to a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.applying.world import World
from reconciler.backends import File, Work
from reconciler.builders import Build
from reconciler.content import folder as on_disk
from reconciler.content import listing
from reconciler.content.store import Content
from reconciler.diagnostics import UserError, failure
from reconciler.format.assets import declare
from reconciler.format.config import ANY
from reconciler.git import trees
from reconciler.model import Address, Json, Live, Node, Record, Resolved, Run, Tree, address_of
from reconciler.planning.content import Tracked, tracked
from reconciler.runner.spec import FILE_TYPES

Spec = Mapping[str, Any]
_DEFAULT_TYPE = "uri_folder"
# What is wrong with the place where outputs go, or may be over in a moment; anything else is wrong with the outputs.
_WORLDS = frozenset({"store-full", "store-not-usable", "file-changed", "backend-missing"})


def put_node(world: World, live: Live, tree: Tree, node: Node) -> dict[str, Json]:
    """Put what an asset consists of into the store; return, by pointer, where it is there."""
    found = {each.pointer: _put_tracked(world, tracked(tree, each.path)) for each in node.asset.paths}
    for pointer, reference in node.references.items():
        if reference.output:
            found[pointer] = _put_output(world, live, reference)
    return found


def _put_tracked(world: World, content: Tracked) -> Json:
    """Put files from their Git blobs, never from the work tree."""
    raws = trees.blobs(world.repository, [entry.oid for _, entry in content.files])
    files = [(name, entry.mode, raws[entry.oid]) for name, entry in content.files]
    if content.is_file:
        name, _, raw = files[0]
        return _stored(world.store.put_bytes(name, raw), name)
    return _stored(world.store.put_files(files), "")


def _stored(content: Content, name: str) -> Json:
    found = {"md5": content.md5, "sha256": content.sha256, "size": content.size, "files": content.files}
    return found | ({"name": name} if name else {})


def put_outputs(world: World, run: Run) -> dict[str, Json]:
    """Put the outputs of a completed run into the store; return, by name, what they are."""
    folder = world.backend(run.backend).outputs(run.id)
    types = {name: (given or {}).get("type", _DEFAULT_TYPE) for name, given in _outputs(run.spec)}
    return {
        name: {**made, **_put_made(world, folder / name, single=types.get(name) in FILE_TYPES)}
        for name, made in run.outputs.items()
    }


def _put_made(world: World, path: Path, *, single: bool) -> Json:
    """Put one output; of an output that is to be a file, the one file in its folder."""
    file = _one_file(path) if single else None
    if file is None:
        return _stored(world.store.put_path(path), "")
    name, real = file
    listing.check_path(name)
    return _stored(world.store.put_path(real), name)


def _one_file(folder: Path) -> tuple[str, Path] | None:
    try:
        found = list(on_disk.files(folder))
    except OSError:
        return None  # storing the folder says in words what is wrong with it
    return (found[0][0], found[0][2]) if len(found) == 1 else None


def is_worlds(error: UserError) -> bool:
    """Tell whether outputs could not be stored for a reason that is not theirs, so that it may go better later."""
    return any(each.code in _WORLDS for each in error.diagnostics)


def _put_output(world: World, live: Live, reference: Resolved) -> Json:
    """Return what a path within a run's output is in the store."""
    run = live.run(reference.address, reference.version)
    made = run.outputs.get(reference.output) if run else None
    if made is None:
        raise failure("output-missing", f"run {reference.version} has no output {reference.output}")
    if "md5" not in made:
        message = f"output {reference.output} of run {reference.version} is not in the store yet"
        raise failure("output-missing", message, "`mlgit apply` records the run, and with it what it made")
    if not reference.path:
        check_stored(world, made["md5"])
        return {key: made[key] for key in ("md5", "sha256", "size", "files", "name") if key in made}
    return _part(world, made, reference)


def _part(world: World, made: Json, reference: Resolved) -> Json:
    rows = [(name, Path(stored), mode) for name, stored, mode in _files(world, made)]
    for name, stored, _ in rows:
        if name == reference.path:
            return _stored(world.store.put_bytes(name.rpartition("/")[2], stored.read_bytes()), name)
    prefix = f"{reference.path}/"
    inside = [(name.removeprefix(prefix), mode, stored) for name, stored, mode in rows if name.startswith(prefix)]
    if not inside:
        there = ", ".join(sorted({name.partition("/")[0] for name, _, _ in rows})) or "nothing"
        message = f"output {reference.output} of run {reference.version} has no {reference.path}; it has {there}"
        raise failure("output-path-missing", message, "correct the path after /paths/")
    return _stored(world.store.put_files((name, mode, stored.read_bytes()) for name, mode, stored in inside), "")


def work_of(  # noqa: PLR0913, PLR0917 - where it is looked for, and what
    world: World, live: Live, tree: Tree, node: Node, run: Run, build: Build
) -> Work:
    """Put together one run: its files in the store, its inputs and outputs by name, its environment."""
    spec = node.asset.spec
    stored = put_node(world, live, tree, node)
    inputs = {
        name: _input(world, live, tree, node, name, given, stored) for name, given in (spec.get("inputs") or {}).items()
    }
    outputs = {name: {"type": (given or {}).get("type", _DEFAULT_TYPE)} for name, given in _outputs(spec)}
    return Work(
        run=run,
        command=spec["command"],
        code=_files(world, stored["/code"]) if "/code" in stored else (),
        inputs=inputs,
        outputs=outputs,
        path=build.path,
        environment=dict(build.variables),
        variables={name: str(value) for name, value in (spec.get("environment_variables") or {}).items()},
        timeout=(spec.get("limits") or {}).get("timeout"),
    )


def _outputs(spec: Spec) -> list[tuple[str, Any]]:
    return list((spec.get("outputs") or {}).items())


def _input(  # noqa: PLR0913, PLR0917 - where it is looked for, and what
    world: World, live: Live, tree: Tree, node: Node, name: str, given: Any, stored: Mapping[str, Json]
) -> Json:
    if not isinstance(given, Mapping):
        return {"kind": "literal", "value": given}
    if "path" not in given:
        return {"kind": "literal", "value": given.get("value")}
    pointer = f"/inputs/{name}/path"
    kind, mode = given.get("type", _DEFAULT_TYPE), given.get("mode", "ro_mount")
    if pointer in stored:
        content = stored[pointer]
    elif pointer in node.references:
        content = _content_of(world, live, tree, node.references[pointer], name)
    else:
        return {"kind": "uri", "value": given["path"]}
    if isinstance(content, str):
        return {"kind": "uri", "value": content}
    found = {"kind": "files", "type": kind, "mode": mode, "files": [list(row) for row in _files(world, content)]}
    return found | ({"single": True} if "name" in content else {})


def _content_of(world: World, live: Live, tree: Tree, reference: Resolved, name: str) -> Json:
    """Return where the referenced version is in the store, or the URI that it is."""
    address: Address = reference.address
    record = live.version(address, reference.version) or live.current.get(address)
    if record is None:
        raise failure("reference-unresolved", f"input {name} needs {reference}, which is not registered")
    content = record.realised.get("contents", {}).get("/path")
    if content and not world.store.has(content["md5"]):
        put_again(world, tree, record)
    return content or record.spec["path"]


def put_again(world: World, tree: Tree, record: Record) -> None:
    """Put what was declared in Git into a store that has lost it, or never had it."""
    then = tree.at(record.lineage.get("commit", ""))
    path = f"{tree.root}{record.source}"
    if then is None or path not in then.entries:
        return
    assets = declare(then, [(path, ANY)]).assets
    names = (record.address, *map(address_of, record.formerly))  # what it was called then
    asset = next((assets[each] for each in names if each in assets), None)
    for each in asset.paths if asset else ():
        if then.exists(each.path):
            _put_tracked(world, tracked(then, each.path))


def _files(world: World, content: Json) -> tuple[File, ...]:
    """List what is to be staged; raises UserError ``content-missing`` before anything is begun without it."""
    check_stored(world, content["md5"])
    return world.store.manifest(content["md5"], content.get("name", ""), sha256=content["sha256"])


def check_stored(world: World, *keys: str) -> None:
    """Raise UserError ``content-missing`` where the store has not all of some contents."""
    if missing := world.store.missing(keys):
        message = f"the content {missing[0]} is not in the store at {world.store.root}, or not all of it"
        hint = "bring that store back; what a run made is made again by `mlgit job rerun`"
        raise failure("content-missing", message, hint)
