"""Bytes on their way: from Git blobs and runs' outputs into the store, and from the store to a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.backends import Task
from reconciler.builders import BuiltEnvironment
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.providers import Providers
from reconciler.format.assets import load_assets
from reconciler.format.include import ANY_FILE
from reconciler.git import trees
from reconciler.model import Address, Record, ResolvedAsset, ResolvedReference, Run, State, Tree, parse_address
from reconciler.planning.content import TrackedContent, tracked_content
from reconciler.runner.spec import FILE_TYPES, FilesInput, JobInput, JobOutput, LiteralInput, StagedFile, UriInput
from reconciler.storage import manifest, walk
from reconciler.storage.content import StoredContent

JobSpec = Mapping[str, Any]
_DEFAULT_TYPE = "uri_folder"
# What is wrong with the place where outputs go, or may be over in a moment; anything else is wrong with the outputs.
_INFRASTRUCTURE_CODES = frozenset({"store-full", "store-not-usable", "file-changed", "backend-missing"})


def store_asset_contents(world: Providers, live: State, tree: Tree, node: ResolvedAsset) -> dict[str, StoredContent]:
    """Put what an asset consists of into the store; return, by pointer, where it is there."""
    found = {
        local_path.pointer: _store_git_content(world, tracked_content(tree, local_path.path))
        for local_path in node.asset.paths
    }
    for pointer, reference in node.references.items():
        if reference.output:
            found[pointer] = _output_content(world, live, reference)
    return found


def _store_git_content(world: Providers, content: TrackedContent) -> StoredContent:
    """Put files from their Git blobs, never from the work tree."""
    raws = trees.read_blobs(world.repository, [entry.oid for _, entry in content.files])
    files = [(name, entry.mode, raws[entry.oid]) for name, entry in content.files]
    if content.is_file:
        name, _, raw = files[0]
        return replace(world.store.put_bytes(name, raw), name=name)
    return world.store.put_files(files)


def store_run_outputs(world: Providers, run: Run) -> dict[str, StoredContent]:
    """Put the outputs of a completed run into the store; return, by name, what they are."""
    folder = world.backend(run.backend).outputs_path(run.id)
    types = {name: (given or {}).get("type", _DEFAULT_TYPE) for name, given in _output_items(run.spec)}
    return {name: _store_output(world, folder / name, single=types.get(name) in FILE_TYPES) for name in run.outputs}


def _store_output(world: Providers, path: Path, *, single: bool) -> StoredContent:
    """Put one output; of an output that is to be a file, the one file in its folder."""
    file = _single_file(path) if single else None
    if file is None:
        return world.store.put_path(path)
    name, real = file
    manifest.check_path(name)
    return replace(world.store.put_path(real), name=name)


def _single_file(folder: Path) -> tuple[str, Path] | None:
    try:
        found = list(walk.walk_files(folder))
    except OSError:
        return None  # storing the folder says in words what is wrong with it
    return (found[0][0], found[0][2]) if len(found) == 1 else None


def is_infrastructure_error(error: UserError) -> bool:
    """Tell whether outputs could not be stored for a reason that is not theirs, so that it may go better later."""
    return any(diagnostic.code in _INFRASTRUCTURE_CODES for diagnostic in error.diagnostics)


def _output_content(world: Providers, live: State, reference: ResolvedReference) -> StoredContent:
    """Return what a path within a run's output is in the store."""
    run = live.find_run(reference.address, reference.version)
    made = run.outputs.get(reference.output) if run else None
    if made is None:
        raise user_error("output-missing", f"run {reference.version} has no output {reference.output}")
    if "md5" not in made:
        message = f"output {reference.output} of run {reference.version} is not in the store yet"
        raise user_error("output-missing", message, "`mlgit apply` records the run, and with it what it made")
    content = StoredContent.from_json(made)
    if not reference.path:
        check_content_stored(world, content.md5)
        return content
    return _output_path_content(world, content, reference)


def _output_path_content(world: Providers, content: StoredContent, reference: ResolvedReference) -> StoredContent:
    files = _files_to_stage(world, content)
    for file in files:
        if file.path == reference.path:
            stored = world.store.put_bytes(file.path.rpartition("/")[2], file.object_path.read_bytes())
            return replace(stored, name=file.path)
    prefix = f"{reference.path}/"
    inside = [file for file in files if file.path.startswith(prefix)]
    if not inside:
        there = ", ".join(sorted({file.path.partition("/")[0] for file in files})) or "nothing"
        message = f"output {reference.output} of run {reference.version} has no {reference.path}; it has {there}"
        raise user_error("output-path-missing", message, "correct the path after /paths/")
    return world.store.put_files(
        (file.path.removeprefix(prefix), file.mode, file.object_path.read_bytes()) for file in inside
    )


def make_task(  # noqa: PLR0913, PLR0917 - where it is looked for, and what
    world: Providers, live: State, tree: Tree, node: ResolvedAsset, run: Run, build: BuiltEnvironment
) -> Task:
    """Put together one run: its files in the store, its inputs and outputs by name, its environment."""
    spec = node.asset.spec
    stored = store_asset_contents(world, live, tree, node)
    inputs = {
        name: _make_input(world, live, tree, node, name, given, stored)
        for name, given in (spec.get("inputs") or {}).items()
    }
    outputs = {name: JobOutput((given or {}).get("type", _DEFAULT_TYPE)) for name, given in _output_items(spec)}
    return Task(
        run=run,
        command=spec["command"],
        code=_files_to_stage(world, stored["/code"]) if "/code" in stored else (),
        inputs=inputs,
        outputs=outputs,
        path_entries=build.path_entries,
        environment=dict(build.variables),
        variables={name: str(value) for name, value in (spec.get("environment_variables") or {}).items()},
        timeout=(spec.get("limits") or {}).get("timeout"),
    )


def _output_items(spec: JobSpec) -> list[tuple[str, Any]]:
    return list((spec.get("outputs") or {}).items())


def _make_input(  # noqa: PLR0913, PLR0917 - where it is looked for, and what
    world: Providers,
    live: State,
    tree: Tree,
    node: ResolvedAsset,
    name: str,
    given: Any,
    stored: Mapping[str, StoredContent],
) -> JobInput:
    if not isinstance(given, Mapping):
        return LiteralInput(given)
    if "path" not in given:
        return LiteralInput(given.get("value"))
    pointer = f"/inputs/{name}/path"
    if pointer in stored:
        content: StoredContent | str = stored[pointer]
    elif pointer in node.references:
        content = _reference_content(world, live, tree, node.references[pointer], name)
    else:
        content = given["path"]
    if isinstance(content, str):
        return UriInput(content)
    kind, mode = given.get("type", _DEFAULT_TYPE), given.get("mode", "ro_mount")
    return FilesInput(kind, mode, _files_to_stage(world, content), is_single_file=bool(content.name))


def _reference_content(
    world: Providers, live: State, tree: Tree, reference: ResolvedReference, name: str
) -> StoredContent | str:
    """Return where the referenced version is in the store, or the URI that it is."""
    address: Address = reference.address
    record = live.find_version(address, reference.version) or live.current.get(address)
    if record is None:
        raise user_error("reference-unresolved", f"input {name} needs {reference}, which is not registered")
    recorded = record.realised.get("contents", {}).get("/path")
    if not recorded:
        return str(record.spec["path"])
    content = StoredContent.from_json(recorded)
    if not world.store.has_content(content.md5):
        restore_content(world, tree, record)
    return content


def restore_content(world: Providers, tree: Tree, record: Record) -> None:
    """Put what was declared in Git into a store that has lost it, or never had it."""
    then = tree.tree_at_commit(record.lineage.get("commit", ""))
    path = f"{tree.root}{record.source}"
    if then is None or path not in then.entries:
        return
    assets = load_assets(then, [(path, ANY_FILE)]).assets
    names = (record.address, *map(parse_address, record.formerly))  # what it was called then
    asset = next((assets[address] for address in names if address in assets), None)
    for local_path in asset.paths if asset else ():
        if then.exists(local_path.path):
            _store_git_content(world, tracked_content(then, local_path.path))


def _files_to_stage(world: Providers, content: StoredContent) -> tuple[StagedFile, ...]:
    """List what is to be staged; raises UserError ``content-missing`` before anything is begun without it."""
    check_content_stored(world, content.md5)
    files = world.store.manifest(content.md5, content.name, sha256=content.sha256)
    return tuple(StagedFile(*file) for file in files)


def check_content_stored(world: Providers, *keys: str) -> None:
    """Raise UserError ``content-missing`` where the store has not all of some contents."""
    if missing := world.store.missing_keys(keys):
        message = f"the content {missing[0]} is not in the store at {world.store.root}, or not all of it"
        hint = "bring that store back; what a run made is made again by `mlgit job rerun`"
        raise user_error("content-missing", message, hint)
