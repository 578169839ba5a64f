"""The file MLTable in the folder of a table (reference, sections 1 and 8).

azure-ai-ml uploads the folder and does not read the file; the run fails when it reads the table.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity, has_errors
from reconciler.format.included_file import parse_local_path
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_lower_text, as_mapping, executable_nodes
from reconciler.format.yaml import parse_yaml

_MLTABLE_FILE = "MLTable"
_MLTABLE_TYPE = "mltable"
_WILDCARDS = frozenset("*?[")
_EXACT_FIELDS = ("file", "folder")


def check_table_asset(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the table of a data asset."""
    yield from _check_table(context, SpecNode((), context.spec))


def check_table_inputs(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the tables that are inputs."""
    for node in executable_nodes(context):
        inputs = as_mapping(node.spec.get("inputs"))
        for name, value in inputs.items():
            if as_lower_text(as_mapping(value).get("type")) == _MLTABLE_TYPE:
                yield from _check_table(context, node.child("inputs", name))


def _check_table(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    text = node.spec.get("path")
    path = parse_local_path(text) if isinstance(text, str) else None
    if not path or as_lower_text(node.spec.get("type")) != _MLTABLE_TYPE:
        return
    folder = context.resolve_relative_path(path)
    is_file = posixpath.basename(folder) == _MLTABLE_FILE
    table = folder if is_file else posixpath.join(folder, _MLTABLE_FILE)
    if context.files.exists(table):
        yield from _check_table_file(context, table)
    elif not is_file and (folder == "." or context.files.exists(folder)):
        yield from _missing_file(context, node.child_pointer("path"), str(text))


def _missing_file(context: RuleContext, pointer: Pointer, text: str) -> Iterator[Diagnostic]:
    message = f"{text} has no file {_MLTABLE_FILE}, which type: mltable requires"
    yield Diagnostic(
        "mltable-missing", message, context.document.value_span(join_pointer(*pointer)), "", Severity.WARNING
    )


def _check_table_file(context: RuleContext, path: str) -> Iterator[Diagnostic]:
    """Yield the paths of a file MLTable that have a wildcard and are taken literally."""
    document, diagnostics = parse_yaml(context.files.display_path(path), context.files.read_file(path))
    paths = None if has_errors(diagnostics) else as_mapping(document.data).get("paths")
    for index, entry in enumerate(paths if isinstance(paths, list) else ()):
        for field in _EXACT_FIELDS:
            value = as_mapping(entry).get(field)
            if isinstance(value, str) and _WILDCARDS & set(value):
                message = f"{field}: {value} is taken literally: a wildcard belongs under pattern:"
                span = document.value_span(join_pointer("paths", index, field))
                yield Diagnostic("mltable-pattern", message, span, f"write pattern: {value}", Severity.WARNING)


DATA_RULES: tuple[Rule, ...] = (check_table_asset,)
EXECUTABLE_RULES: tuple[Rule, ...] = (check_table_inputs,)
