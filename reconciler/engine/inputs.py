"""The versions that the inputs of a run refer to, as contents of the store or as URIs."""

from __future__ import annotations

from reconciler.diagnostics import user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.contents import ensure_version_content
from reconciler.engine.task_inputs import input_references
from reconciler.model import ResolvedAsset, ResolvedReference
from reconciler.model.content import Content
from reconciler.planning.uri_inputs import find_location, is_stored_model


def referenced_contents(context: ActionContext, resolved: ResolvedAsset) -> dict[str, Content | str]:
    """Return the contents, or the URIs, of the versions that the inputs of a job refer to, by JSON pointer."""
    references = input_references(resolved).items()
    return {pointer: referenced_content(context, reference, name) for pointer, (name, reference) in references}


def referenced_content(context: ActionContext, reference: ResolvedReference, name: str) -> Content | str:
    """Return the content of a referenced version, restored from Git if need be; or its URI."""
    record = context.state.find_version(reference.address, reference.version)
    record = record or context.state.current.get(reference.address)
    if record is None:
        raise user_error("reference-unresolved", f"input {name} needs {reference}, which is not registered")
    recorded = record.realised.get("contents", {}).get("/path")
    is_remote = find_location(record) is not None and not is_stored_model(record)
    if not recorded or is_remote:  # remote data is checked, and brought, with the downloads
        return str(record.spec["path"])
    ensure_version_content(context.providers, context.tree, record)
    return Content.from_json(recorded)
