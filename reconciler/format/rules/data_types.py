"""Whether the local path of data is what its type says: a folder, or one file.

azure-ai-ml refuses data of another type when it is created (`_validate` of its data operations), so this is an error.
It uploads an input of a job without a look, and the run does not find its data, so that is a warning.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.dvc_pointers import find_dvc_tracked
from reconciler.format.included_file import parse_local_path
from reconciler.format.mltables import MLTABLE_TYPE
from reconciler.format.path_content import is_folder
from reconciler.format.pointers import join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_lower_text, as_mapping, executable_nodes
from reconciler.model import FileReader

_FILE, _FOLDER = "uri_file", "uri_folder"
_FOLDER_TYPES = frozenset({_FOLDER, MLTABLE_TYPE})


def check_data_type(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield that the path of a data asset is not what its type says."""
    node = SpecNode((), context.spec)
    yield from _check_node(context, node, as_lower_text(node.spec.get("type")) or _FOLDER, Severity.ERROR)


def check_input_types(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield that the path of an input is not what the type beside it says; a table has a warning of its own."""
    for node in executable_nodes(context):
        for name, value in as_mapping(node.spec.get("inputs")).items():
            type_ = as_lower_text(as_mapping(value).get("type"))
            if type_ in {_FILE, _FOLDER}:
                yield from _check_node(context, node.child("inputs", name), type_, Severity.WARNING)


def _check_node(context: RuleContext, node: SpecNode, type_: str, severity: Severity) -> Iterator[Diagnostic]:
    text = node.spec.get("path")
    path = parse_local_path(text) if isinstance(text, str) and "*" not in text and "${{" not in text else None
    found = _is_folder(context.files, context.resolve_relative_path(path)) if path else None
    span = context.document.value_span(join_pointer(*node.child_pointer("path")))
    if found is False and type_ in _FOLDER_TYPES:
        message = f"{text} is a file, and type: {type_} takes a folder"
        folder = posixpath.dirname(posixpath.normpath(str(path))) or "."
        hint = f"write the folder, path: {folder}" + ("" if type_ == MLTABLE_TYPE else f", or type: {_FILE}")
        yield Diagnostic("data-not-a-folder", message, span, hint, severity)
    elif found and type_ == _FILE:
        hint = f"name a file of it, or write type: {_FOLDER}"
        message = f"{text} is a folder, and type: {_FILE} takes one file"
        yield Diagnostic("data-not-a-file", message, span, hint, severity)


def _is_folder(files: FileReader, path: str) -> bool | None:
    """Return whether a folder is at a path, or one is tracked there by DVC; None if that is not known."""
    if path == "." or files.exists(path):
        return is_folder(files, path)
    tracked = find_dvc_tracked(files, path)
    return tracked.pointer.is_folder if tracked and tracked.pointer and not tracked.pointer.within else None


DATA_RULES: tuple[Rule, ...] = (check_data_type,)
EXECUTABLE_RULES: tuple[Rule, ...] = (check_input_types,)
