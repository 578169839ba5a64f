"""Files and folders that a file names: reference, section 2 (local path) and its quirks.

azure-ai-ml wants code, build contexts, conda files and included YAML files to be there when it reads a file: so is
it here. Paths of data and models it takes as they are until it uploads them: here they are warnings.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.components import parse_local_path
from reconciler.format.rules.spec_nodes import Pointer, SpecNode, as_lower_text, executable_nodes, has_placeholder
from reconciler.model import Json

_FILE_PREFIX = "file:"
_DOCKERFILE = "Dockerfile"
_MLTABLE_FILE = "MLTable"
_SPARK_FILE_FIELDS = ("py_files", "jars", "files", "archives")
_INCLUDE_FIELDS = (("component", "component file"), ("trial", "component file"), ("create_job", "job file"))
_DATA_FIELDS = ("training_data", "validation_data", "test_data", "model", "specification")


@dataclass(frozen=True, slots=True)
class PathMention:
    """A path in a file: where, the text there, the folder below this file's that it counts from, how much it matters.

    ``sort`` says what is meant, for the message.
    """

    pointer: Pointer
    text: str
    description: str
    base_folder: str = ""
    severity: Severity = Severity.ERROR


def _field_paths(part: SpecNode, field: str, sort: str, severity: Severity = Severity.ERROR) -> tuple[PathMention, ...]:
    """Return the path that a field holds, if it does."""
    return _path_mentions(part.child_pointer(field), part.spec[field], sort, severity) if field in part.spec else ()


def _path_mentions(
    pointer: Pointer, value: Json, sort: str, severity: Severity = Severity.ERROR
) -> tuple[PathMention, ...]:
    if isinstance(value, str) and value.strip() and (path := parse_local_path(value)):
        return (PathMention(pointer, path, sort, severity=severity),)
    return ()


def _environment_definition_paths(part: SpecNode) -> Iterator[PathMention]:
    yield from _field_paths(part, "conda_file", "conda file")
    if "build" not in part.spec:
        return
    build = part.child("build")
    yield from _field_paths(build, "path", "build context")
    context = build.spec.get("path")
    if isinstance(context, str) and (folder := parse_local_path(context)):
        named = build.spec.get("dockerfile_path")
        pointer = build.child_pointer("dockerfile_path" if isinstance(named, str) else "path")
        name = named if isinstance(named, str) else _DOCKERFILE
        yield PathMention(pointer, name, "Dockerfile", folder, Severity.WARNING)


def _environment_field_paths(part: SpecNode) -> Iterator[PathMention]:
    value = part.spec.get("environment")
    if isinstance(value, str):
        if value.lower().startswith(_FILE_PREFIX):
            yield from _field_paths(part, "environment", "environment file")
    elif value is not None:
        yield from _environment_definition_paths(part.child("environment"))


def _code_paths(part: SpecNode) -> Iterator[PathMention]:
    yield from _field_paths(part, "code", "code")
    yield from _environment_field_paths(part)
    if "task" in part.spec:
        task = part.child("task")
        yield from _field_paths(task, "code", "code")
        yield from _environment_field_paths(task)
        yield from _script_paths(task, "entry_script")
    if "code_configuration" in part.spec:
        scoring = part.child("code_configuration")  # of a deployment, whose code is looked for when it is uploaded
        yield from _field_paths(scoring, "code", "code", Severity.WARNING)
        yield from _script_paths(scoring, "scoring_script")
    if "entry" in part.spec:
        yield from _spark_paths(part)


def _spark_paths(part: SpecNode) -> Iterator[PathMention]:
    code, entry = part.spec.get("code"), part.child("entry")
    if isinstance(code, str) and (folder := parse_local_path(code)):
        if isinstance(entry.spec.get("file"), str):
            yield PathMention(entry.child_pointer("file"), entry.spec["file"], "entry file", folder)
        for field in _SPARK_FILE_FIELDS:
            for index, name in _indexed_strings(part.spec.get(field)):
                yield PathMention(part.child_pointer(field, index), name, "file", folder, Severity.WARNING)


def _script_paths(part: SpecNode, field: str) -> Iterator[PathMention]:
    code, script = part.spec.get("code"), part.spec.get(field)
    if isinstance(code, str) and isinstance(script, str) and (folder := parse_local_path(code)):
        yield PathMention(part.child_pointer(field), script, "script", folder, Severity.WARNING)


def _indexed_strings(value: Json) -> Iterator[tuple[int, str]]:
    if isinstance(value, list):
        yield from ((index, each) for index, each in enumerate(value) if isinstance(each, str))


def _include_paths(part: SpecNode) -> Iterator[PathMention]:
    for field, sort in _INCLUDE_FIELDS:
        yield from _field_paths(part, field, sort)
    if part.pointer[-1:] == ("create_job",):
        yield from _field_paths(part, "job", "job file")
    for index, string in _indexed_strings(part.spec.get("additional_includes")):
        # A .zip that is not there is made of the folder of that name.
        yield from _path_mentions(part.child_pointer("additional_includes", index), string, "additional include")


def _data_paths(part: SpecNode) -> Iterator[PathMention]:
    held = [part.child(field) for field in _DATA_FIELDS if isinstance(part.spec.get(field), dict)]
    if isinstance(part.spec.get("inputs"), dict):
        held += [node for _, node in part.child("inputs").child_nodes()]
    for node in held:
        # A model without a name is named by its content: azure-ai-ml reads it at load.
        nameless = node.pointer[-1:] == ("model",) and "name" not in node.spec
        severity = Severity.ERROR if nameless else Severity.WARNING
        yield from _field_paths(node, "path", "path", severity)


def _executable_paths(part: SpecNode) -> Iterator[PathMention]:
    yield from _code_paths(part)
    yield from _include_paths(part)
    yield from _data_paths(part)


def _check_path(subject: RuleContext, named: PathMention) -> Iterator[Diagnostic]:
    """Yield what is wrong with one path."""
    text = named.text
    if named.severity is Severity.WARNING and ("*" in text or has_placeholder(text) or "${{" in text):
        return
    if named.base_folder and not _path_exists(subject, subject.resolve_relative_path(named.base_folder)):
        return  # the folder is what is wrong, and it has been said
    path = subject.resolve_relative_path(posixpath.join(named.base_folder, text))
    if _path_exists(subject, path) or _is_zipped_folder(subject, named, path):
        return
    place = subject.document.value_span(join_pointer(*named.pointer))
    if posixpath.isabs(path) or path.split("/")[0] == "..":
        hint = "move it into the repository, and write the path from the folder of this file"
        yield Diagnostic("path-outside", f"{text} leads out of the repository", place, hint, named.severity)
        return
    where = subject.files.display_path(path)
    message = f"{named.description} {text}: there is no {where}"
    yield Diagnostic("path-missing", message, place, _missing_path_hint(named), named.severity)


def _missing_path_hint(named: PathMention) -> str:
    if "\\" in named.text:
        return "write / instead of \\"
    if named.description == "component file" and "/" not in named.text and "." not in named.text:
        return f"a component that is registered is azureml:{named.text}:VERSION"
    base = f"the folder {named.base_folder}" if named.base_folder else "the folder of this file"
    return f"paths count from {base}; a file that .gitignore leaves out is not in Git"


def _path_exists(subject: RuleContext, path: str) -> bool:
    return path == "." or subject.files.exists(path)


def _is_zipped_folder(subject: RuleContext, named: PathMention, path: str) -> bool:
    return (
        named.description == "additional include"
        and path.endswith(".zip")
        and _path_exists(subject, path[: -len(".zip")])
    )


def _path_rule(
    parts: Callable[[RuleContext], tuple[SpecNode, ...]], paths: Callable[[SpecNode], Iterator[PathMention]]
) -> Rule:
    """Make a rule: of some parts of a file, all paths of some sorts exist."""

    def exist(subject: RuleContext) -> Iterator[Diagnostic]:
        for part in parts(subject):
            for named in paths(part):
                yield from _check_path(subject, named)

    return exist


def _root_node(subject: RuleContext) -> tuple[SpecNode, ...]:
    return (SpecNode((), subject.spec),)


def _content_paths(part: SpecNode) -> Iterator[PathMention]:
    yield from _field_paths(part, "path", "path", Severity.WARNING)


def check_mltable_file(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield folders of type mltable without their MLTable file (section 8; section 1 gives its name)."""
    text = subject.spec.get("path")
    path = parse_local_path(text) if isinstance(text, str) else None
    if not path or as_lower_text(subject.spec.get("type")) != "mltable":
        return
    folder = subject.resolve_relative_path(path)
    table = posixpath.join(folder, _MLTABLE_FILE)
    if (
        posixpath.basename(folder) != _MLTABLE_FILE
        and _path_exists(subject, folder)
        and not subject.files.exists(table)
    ):
        message = f"{text} has no file {_MLTABLE_FILE}, which is what makes a folder a table"
        yield Diagnostic("mltable-missing", message, subject.document.value_span("/path"), "", Severity.WARNING)


def check_duplicate_includes(subject: RuleContext) -> Iterator[Diagnostic]:
    """Yield additional includes that are in the code already, as azure-ai-ml does: a file would be there twice."""
    for part in executable_nodes(subject):
        code = part.spec.get("code")
        folder = parse_local_path(code) if isinstance(code, str) else None
        for index, string in _indexed_strings(part.spec.get("additional_includes")) if folder else ():
            name = posixpath.basename(posixpath.normpath(string))
            if name not in {"", ".", ".."} and subject.files.exists(
                subject.resolve_relative_path(posixpath.join(folder or "", name))
            ):
                message = f"{string} is in the code folder already"
                yield subject.value_diagnostic(
                    "include-twice", message, *part.child_pointer("additional_includes", index)
                )


EXECUTABLE_RULES: tuple[Rule, ...] = (_path_rule(executable_nodes, _executable_paths), check_duplicate_includes)
ENVIRONMENT_RULES: tuple[Rule, ...] = (_path_rule(_root_node, _environment_definition_paths),)
CONTENT_RULES: tuple[Rule, ...] = (_path_rule(_root_node, _content_paths), check_mltable_file)
