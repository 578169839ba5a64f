"""Artifacts: the files of assets, stored."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from functools import partial

from reconciler.abbreviation import join_some
from reconciler.diagnostics import UserError, user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.contents import check_run_output, store_git_content
from reconciler.engine.providers import Providers
from reconciler.engine.staged import part_source, store_once
from reconciler.model import ResolvedAsset, ResolvedReference
from reconciler.model.backend import BACKEND_CODES
from reconciler.model.content import Content, UploadFile
from reconciler.planning.content import tracked_content
from reconciler.planning.job_outputs import find_job_output

_MAX_NAMES = 10
# Errors of the store or the backend, which a later apply may not meet; all others are errors of the outputs.
_INFRASTRUCTURE_CODES = BACKEND_CODES | {
    "store-full",
    "store-not-usable",
    "store-unreachable",
    "file-changed",
    "backend-missing",
}


def store_asset_contents(context: ActionContext, resolved: ResolvedAsset) -> dict[str, Content]:
    """Store the content of an asset: its local paths and the run outputs that it refers to; return it by pointer."""
    contents = {
        local_path.pointer: store_git_content(context.providers, tracked_content(context.tree, local_path.path))
        for local_path in resolved.asset.paths
    }
    return contents | output_contents(context, resolved)


def output_contents(context: ActionContext, resolved: ResolvedAsset) -> dict[str, Content]:
    """Return the run outputs that an asset refers to, by pointer; raises UserError if one is not in the store."""
    return {
        pointer: output_content(context, reference)
        for pointer, reference in resolved.references.items()
        if reference.output
    }


def is_infrastructure_error(error: UserError) -> bool:
    """Return True if outputs could not be stored for a reason outside the run, so that it is worth retrying."""
    return any(diagnostic.code in _INFRASTRUCTURE_CODES for diagnostic in error.diagnostics)


def output_content(context: ActionContext, reference: ResolvedReference) -> Content:
    """Return the content of a run's output, or of a path within it."""
    run = context.state.find_run(reference.address, reference.version)
    output = find_job_output(context.state, run, reference.output) if run else None
    if run is None or output is None:
        raise user_error("output-missing", f"run {reference.version} has no output {reference.output}")
    if not output.key:
        message = f"output {reference.output} of run {reference.version} is not in the store yet"
        raise user_error("output-missing", message, "run `mlgit apply`, which records the run and stores its outputs")
    content = check_run_output(context.providers, run, reference.output, output.recorded)
    if not reference.path:
        return content
    put = partial(_store_output_path, context.providers, content, reference)
    return store_once(context.providers.store, part_source(content, reference), put)


def _store_output_path(providers: Providers, content: Content, reference: ResolvedReference) -> Content:
    store = providers.store
    files = store.manifest(content)
    for file in files:
        if file.path == reference.path:
            with store.open(file.digest) as stream:
                return store.put_file(posixpath.basename(file.path), stream)
    prefix = f"{reference.path}/"
    inside = [file for file in files if file.path.startswith(prefix)]
    if not inside:
        names = join_some(_names_beside([file.path for file in files], reference.path), _MAX_NAMES) or "nothing"
        message = f"output {reference.output} of run {reference.version} has no {reference.path}; it has {names}"
        raise user_error("output-path-missing", message, "correct the path within the output")
    return store.put(
        UploadFile(file.path.removeprefix(prefix), file.mode, partial(store.open, file.digest)) for file in inside
    )


def _names_beside(paths: Sequence[str], missing: str) -> list[str]:
    """Return the paths of files and folders in the deepest folder of a missing path that is there, sorted."""
    folder = posixpath.dirname(missing)
    while folder and not any(path.startswith(f"{folder}/") for path in paths):
        folder = posixpath.dirname(folder)
    prefix = f"{folder}/" if folder else ""
    names = {path.removeprefix(prefix).partition("/")[0] for path in paths if path.startswith(prefix)}
    return [prefix + name for name in sorted(names)]
