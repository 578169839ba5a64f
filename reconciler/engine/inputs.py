"""The inputs of a run: literals, URIs that its command opens, and contents of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.diagnostics import user_error
from reconciler.engine.action_context import ActionContext
from reconciler.engine.contents import ensure_version_content
from reconciler.format.mirrors import find_mirror
from reconciler.format.pointers import join_pointer
from reconciler.model import ResolvedAsset, ResolvedReference
from reconciler.model.content import Content
from reconciler.model.tasks import TaskContent, TaskInput, TaskLiteral, TaskUri

DEFAULT_TYPE, _FILE_TYPE = "uri_folder", "uri_file"
DEFAULT_MODE = "ro_mount"


def make_inputs(
    context: ActionContext, resolved: ResolvedAsset, contents: Mapping[str, Content]
) -> dict[str, TaskInput]:
    """Return the inputs of a job by name; ``contents`` are those of its paths and references, by JSON pointer."""
    inputs = resolved.asset.spec.get("inputs") or {}
    return {name: _make_input(context, resolved, contents, name, declared) for name, declared in inputs.items()}


def _make_input(
    context: ActionContext, resolved: ResolvedAsset, contents: Mapping[str, Content], name: str, declared: Any
) -> TaskInput:
    if not isinstance(declared, Mapping):
        return _make_literal(context, contents.get(join_pointer("inputs", name)), declared)
    if "path" not in declared:
        mirrored = contents.get(join_pointer("inputs", name, "value"))
        return _make_literal(context, mirrored, declared.get("value"))
    pointer = join_pointer("inputs", name, "path")
    if pointer in contents:
        content: Content | str = contents[pointer]
    elif pointer in resolved.references:
        content = referenced_content(context, resolved.references[pointer], name)
    else:
        content = declared["path"]
    if isinstance(content, str):
        return TaskUri(find_mirror(context.providers.config.mirrors, content).url or content)
    return TaskContent(lower_word(declared, "type", DEFAULT_TYPE), lower_word(declared, "mode", DEFAULT_MODE), content)


def _make_literal(context: ActionContext, mirrored: Content | None, value: Any) -> TaskInput:
    """Return a literal; one that is a URI with a mirror becomes the path of the local copy, or the other URL."""
    if mirrored is not None:
        return TaskContent(DEFAULT_TYPE if mirrored.is_folder else _FILE_TYPE, DEFAULT_MODE, mirrored)
    mirror = find_mirror(context.providers.config.mirrors, value) if isinstance(value, str) else None
    return TaskLiteral(mirror.url if mirror and mirror.url else value)


def referenced_content(context: ActionContext, reference: ResolvedReference, name: str) -> Content | str:
    """Return the content of a referenced version, restored from Git if need be; or its URI."""
    record = context.state.find_version(reference.address, reference.version)
    record = record or context.state.current.get(reference.address)
    if record is None:
        raise user_error("reference-unresolved", f"input {name} needs {reference}, which is not registered")
    recorded = record.realised.get("contents", {}).get("/path")
    if not recorded:
        return str(record.spec["path"])
    ensure_version_content(context.providers, context.tree, record)
    return Content.from_json(recorded)


def lower_word(declared: Mapping[str, Any], name: str, default: str) -> str:
    """Return a type or a mode in lower case; Azure ML reads them in any case."""
    return str(declared.get(name) or default).lower()
