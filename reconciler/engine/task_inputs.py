"""The inputs of a task: literals, URIs that its command opens, and contents of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.format.mirrors import Mirrors, find_mirror
from reconciler.format.pointers import join_pointer
from reconciler.model import ResolvedAsset, ResolvedReference
from reconciler.model.content import Content
from reconciler.model.tasks import TaskContent, TaskInput, TaskLiteral, TaskUri

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


def lower_word(declared: Mapping[str, Any], name: str, default: str) -> str:
    """Return a type or a mode in lower case; Azure ML reads them in any case."""
    return str(declared.get(name) or default).lower()
