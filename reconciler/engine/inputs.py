"""The inputs of a run: literals, URIs that its command opens, and contents of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.diagnostics import user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.contents import ensure_version_content
from reconciler.format.mirrors import Mirrors, find_mirror
from reconciler.format.pointers import join_pointer
from reconciler.model import ResolvedAsset, ResolvedReference
from reconciler.model.content import Content
from reconciler.model.tasks import TaskContent, TaskInput, TaskLiteral, TaskUri
from reconciler.planning.uri_inputs import find_location, is_stored_model

DEFAULT_TYPE, _FILE_TYPE = "uri_folder", "uri_file"
DEFAULT_MODE = "ro_mount"


def make_inputs(
    declared: Mapping[str, Any], mirrors: Mirrors, contents: Mapping[str, Content | str]
) -> dict[str, TaskInput]:
    """Return the inputs of a job by name; ``contents`` are those of paths and references, or URIs, by JSON pointer."""
    return {name: _make_input(name, value, mirrors, contents) for name, value in declared.items()}


def _make_input(name: str, declared: Any, mirrors: Mirrors, contents: Mapping[str, Content | str]) -> TaskInput:
    if not isinstance(declared, Mapping):
        return _make_literal(declared, mirrors, contents.get(join_pointer("inputs", name)))
    if "path" not in declared:
        return _make_literal(declared.get("value"), mirrors, contents.get(join_pointer("inputs", name, "value")))
    content = contents.get(join_pointer("inputs", name, "path"), declared["path"])
    if not isinstance(content, Content):
        return TaskUri(find_mirror(mirrors, content).url or content)
    return TaskContent(lower_word(declared, "type", DEFAULT_TYPE), lower_word(declared, "mode", DEFAULT_MODE), content)


def _make_literal(value: Any, mirrors: Mirrors, mirrored: Content | str | None) -> TaskInput:
    """Return a literal; one that is a URI with a mirror becomes the path of the local copy, or the other URL."""
    if isinstance(mirrored, Content):
        return TaskContent(DEFAULT_TYPE if mirrored.is_folder else _FILE_TYPE, DEFAULT_MODE, mirrored)
    mirror = find_mirror(mirrors, value) if isinstance(value, str) else None
    return TaskLiteral(mirror.url if mirror and mirror.url else value)


def input_references(resolved: ResolvedAsset) -> dict[str, tuple[str, ResolvedReference]]:
    """Return the versions that the inputs of a job refer to, with the names of the inputs, by JSON pointer."""
    pointers = {join_pointer("inputs", name, "path"): name for name in resolved.asset.spec.get("inputs") or {}}
    references = ((pointer, resolved.references.get(pointer)) for pointer in pointers)
    return {
        pointer: (pointers[pointer], reference)
        for pointer, reference in references
        if reference is not None and not reference.output
    }


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


def lower_word(declared: Mapping[str, Any], name: str, default: str) -> str:
    """Return a type or a mode in lower case; Azure ML reads them in any case."""
    return str(declared.get(name) or default).lower()
