"""The file MLTable in the folder of a table (reference, sections 1 and 8).

azure-ai-ml uploads the folder and does not read the file; the run fails when it reads the table with the package
mltable. So what is wrong in the file is a warning, also what its schema does not allow: a run may read it otherwise.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, Severity, Span, has_errors
from reconciler.format.divided_tables import find_undivided, has_reader, lists_files
from reconciler.format.dvc_pointers import find_dvc_tracked
from reconciler.format.included_file import parse_local_path
from reconciler.format.mltables import (
    MLTABLE_FILE,
    MLTABLE_TYPE,
    PARALLEL_READER,
    check_mltable,
    find_unsupported,
    is_uri,
    read_mltable,
)
from reconciler.format.path_content import is_folder
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, as_lower_text, as_mapping, executable_nodes
from reconciler.format.yaml import parse_yaml
from reconciler.model import Json

_WILDCARDS = frozenset("*?[")
_WILDCARD = re.compile(r"[*?\[]")
_EXACT_FIELDS, _PATTERN_FIELD = ("file", "folder"), "pattern"
_PATH_FIELDS = (*_EXACT_FIELDS, _PATTERN_FIELD)
_PARALLEL = "parallel"
_EVALUATING_MODES = {"eval_mount": "ro_mount", "eval_download": "download"}  # with what they are for anything else


def check_table_asset(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the table of a data asset."""
    yield from _check_table(context, SpecNode((), context.spec))


def check_table_inputs(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield what is wrong with the tables that are inputs."""
    for node in executable_nodes(context):
        inputs = as_mapping(node.spec.get("inputs"))
        for name, value in inputs.items():
            type_ = as_lower_text(as_mapping(value).get("type"))
            is_divided = type_ == MLTABLE_TYPE and _is_divided(node, name)
            if type_ == MLTABLE_TYPE:
                yield from _check_table(context, node.child("inputs", name))
            if is_divided:
                yield from _check_divided(context, node.child("inputs", name))
            elif as_lower_text(as_mapping(value).get("mode")) in _EVALUATING_MODES:
                yield from _check_evaluated(context, node.child("inputs", name), type_ or "uri_folder")


def _is_divided(node: SpecNode, name: str) -> bool:
    """Return True for the table whose rows a parallel step divides; its component can be the one that says which."""
    data = node.spec.get("input_data")
    is_bound = data is None or "".join(str(data).split()) == f"${{{{inputs.{name}}}}}"
    return node.type == _PARALLEL and is_bound


def _check_divided(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    """Yield what of a table fails the step that divides it, or needs a package in its environment."""
    path = _find_table(context, node)
    if not path:
        return
    definition, _ = read_mltable(context.files.display_path(path), context.files.read_file(path))
    if definition is None:
        return  # reported with the file
    has_rows = has_reader(definition) and not lists_files(as_lower_text(node.spec.get("mode")))
    refused = [*find_undivided(definition, has_rows=has_rows)]
    needed = [*find_unsupported(definition, PARALLEL_READER)] if has_rows and not refused else []
    for diagnostic in refused:
        yield diagnostic._replace(severity=Severity.WARNING)
    for diagnostic in needed:
        yield diagnostic._replace(
            severity=Severity.WARNING, hint="add the package mltable to the environment of the task"
        )


def _check_evaluated(context: RuleContext, node: SpecNode, type_: str) -> Iterator[Diagnostic]:
    """Yield what an input that is to be evaluated does not get."""
    mode = as_lower_text(node.spec["mode"])
    span = context.document.value_span(join_pointer(*node.child_pointer("mode")))
    if type_ != MLTABLE_TYPE:
        plain = _EVALUATING_MODES[mode]
        message = f"mode: {mode} evaluates a table, and this is a {type_}: it is as {plain}"
        yield Diagnostic(
            "mltable-not-evaluated", message, span, f"write type: mltable, or mode: {plain}", Severity.WARNING
        )
        return
    table = _find_table(context, node)
    document, diagnostics = parse_yaml(table, context.files.read_file(table)) if table else (None, ())
    if document is None or has_errors(diagnostics):
        return
    definition = as_mapping(document.data)
    paths = [str(path) for entry in _as_list(definition.get("paths")) for path in as_mapping(entry).values()]
    remote = [path for path in paths if is_uri(path)]
    lacking = [f"{', '.join(remote)} is not brought"] if remote else []
    lacking += ["its transformations are not applied"] if definition.get("transformations") else []
    if lacking:
        message = f"mode: {mode}: the command gets the folder of the table as it is: {'; '.join(lacking)}"
        hint = "read it with the package mltable, or put the data into the folder"
        yield Diagnostic("mltable-not-evaluated", message, span, hint, Severity.WARNING)


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _find_table(context: RuleContext, node: SpecNode) -> str:
    """Return the file MLTable of an input with a local path, "" if it has none."""
    text = node.spec.get("path")
    path = parse_local_path(text) if isinstance(text, str) else None
    if not path:
        return ""
    folder = context.resolve_relative_path(path)
    table = folder if posixpath.basename(folder) == MLTABLE_FILE else posixpath.join(folder, MLTABLE_FILE)
    return table if context.files.exists(table) else ""


def _check_table(context: RuleContext, node: SpecNode) -> Iterator[Diagnostic]:
    text = node.spec.get("path")
    path = parse_local_path(text) if isinstance(text, str) else None
    if not path or as_lower_text(node.spec.get("type")) != MLTABLE_TYPE:
        return
    folder = context.resolve_relative_path(path)
    is_file = posixpath.basename(folder) == MLTABLE_FILE
    if table := _find_table(context, node):
        yield from _check_table_file(context, table)
    elif not node.pointer and is_folder(context.files, folder) is False:
        return  # reported with its type
    elif not is_file and (folder == "." or context.files.exists(folder)):
        yield from _missing_file(context, node.child_pointer("path"), str(text))


def _missing_file(context: RuleContext, pointer: Pointer, text: str) -> Iterator[Diagnostic]:
    message = f"{text} has no file {MLTABLE_FILE}, which type: mltable requires"
    yield Diagnostic(
        "mltable-missing", message, context.document.value_span(join_pointer(*pointer)), "", Severity.WARNING
    )


def _check_table_file(context: RuleContext, path: str) -> Iterator[Diagnostic]:
    """Yield what does not match the schema, paths that have a wildcard and are taken literally, and what is missing."""
    document, diagnostics = parse_yaml(context.files.display_path(path), context.files.read_file(path))
    is_readable = not has_errors(diagnostics)
    for diagnostic in (*diagnostics, *(check_mltable(document) if is_readable else ())):
        yield diagnostic._replace(severity=Severity.WARNING)
    paths = as_mapping(document.data).get("paths") if is_readable else None
    for index, entry in enumerate(_as_list(paths)):
        for field in _PATH_FIELDS:
            value = as_mapping(entry).get(field)
            if isinstance(value, str) and value:
                span = document.value_span(join_pointer("paths", index, field))
                yield from _check_entry(context, posixpath.dirname(path), field, value, span)


def _check_entry(context: RuleContext, folder: str, field: str, text: str, span: Span) -> Iterator[Diagnostic]:
    """Yield what is wrong with one path of a table in a folder."""
    if is_uri(text):
        return
    if field in _EXACT_FIELDS and _WILDCARDS & set(text):
        message = f"{field}: {text} is taken literally: a wildcard belongs under pattern:"
        yield Diagnostic("mltable-pattern", message, span, f"write pattern: {text}", Severity.WARNING)
        return
    exact = _WILDCARD.split(text)[0].rpartition("/")[0] if field == _PATTERN_FIELD else text  # the folder of a pattern
    within = posixpath.normpath(exact)
    if posixpath.isabs(within) or within.split("/")[0] == "..":
        message = f"{field}: {text} is outside of the folder of the table, which is all that a job gets"
        hint = "put the data into the folder, or name it by a URI"
        yield Diagnostic("mltable-path-outside", message, span, hint, Severity.WARNING)
        return
    found = posixpath.normpath(posixpath.join(folder, within))
    if found != "." and not context.files.exists(found) and find_dvc_tracked(context.files, found) is None:
        message = f"{field}: {text} not found: {context.files.display_path(found)} does not exist"
        hint = "paths are relative to the folder of the file MLTable; files that .gitignore excludes are not in Git"
        yield Diagnostic("mltable-path-missing", message, span, hint, Severity.WARNING)


DATA_RULES: tuple[Rule, ...] = (check_table_asset,)
EXECUTABLE_RULES: tuple[Rule, ...] = (check_table_inputs,)
