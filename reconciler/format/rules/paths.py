"""The local paths in a file (reference, section 2, local path and its quirks).

azure-ai-ml requires that code, build contexts, conda files and included YAML files exist when it reads a file; these
are errors. It checks the paths of data and models only at upload; these are warnings.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.dvc_pointers import find_dvc_tracked
from reconciler.format.included_file import has_file_prefix, parse_local_path
from reconciler.format.path_content import find_path_problem
from reconciler.format.pointers import Pointer, join_pointer
from reconciler.format.rule_context import Rule, RuleContext
from reconciler.format.rules.spec_nodes import SpecNode, executable_nodes, has_placeholder
from reconciler.model import Json, PathProblem

_DOCKERFILE = "Dockerfile"
_DATA_PATH = "path"  # the noun for the path of data
_SPARK_FILE_FIELDS = ("py_files", "jars", "files", "archives")
_INCLUDE_FIELDS = (("component", "component file"), ("trial", "component file"), ("create_job", "job file"))
_FILE_DESCRIPTIONS = frozenset({"conda file", "component file", "job file", "environment file"})
_DATA_FIELDS = ("training_data", "validation_data", "test_data", "model", "specification")


class PathMention(NamedTuple):
    """A local path in a file.

    It is relative to ``base_folder``, which is relative to the folder of the file. ``description`` is the noun for
    the message, ``severity`` that of the diagnostic.
    """

    pointer: Pointer
    text: str
    description: str
    base_folder: str = ""
    severity: Severity = Severity.ERROR

    @property
    def must_be_file(self) -> bool:
        """Return True if a folder cannot be meant."""
        return self.description in _FILE_DESCRIPTIONS

    @property
    def is_data(self) -> bool:
        """Return True for the path of data or of a model, which DVC may track."""
        return self.description == _DATA_PATH


def _field_paths(
    node: SpecNode, field: str, description: str, severity: Severity = Severity.ERROR
) -> tuple[PathMention, ...]:
    """Return the path in a field, if it has one."""
    if field not in node.spec:
        return ()
    return _path_mentions(node.child_pointer(field), node.spec[field], description, severity)


def _path_mentions(
    pointer: Pointer, value: Json, description: str, severity: Severity = Severity.ERROR
) -> tuple[PathMention, ...]:
    if isinstance(value, str) and value.strip() and (path := parse_local_path(value)):
        return (PathMention(pointer, path, description, severity=severity),)
    return ()


def _environment_definition_paths(node: SpecNode) -> Iterator[PathMention]:
    yield from _field_paths(node, "conda_file", "conda file")
    if "build" not in node.spec:
        return
    build = node.child("build")
    yield from _field_paths(build, "path", "build context")
    build_path = build.spec.get("path")
    if isinstance(build_path, str) and (folder := parse_local_path(build_path)):
        dockerfile = build.spec.get("dockerfile_path")
        pointer = build.child_pointer("dockerfile_path" if isinstance(dockerfile, str) else "path")
        name = dockerfile if isinstance(dockerfile, str) else _DOCKERFILE
        yield PathMention(pointer, name, "Dockerfile", folder, Severity.WARNING)


def _environment_field_paths(node: SpecNode) -> Iterator[PathMention]:
    value = node.spec.get("environment")
    if isinstance(value, str):
        if has_file_prefix(value):
            yield from _field_paths(node, "environment", "environment file")
    elif value is not None:
        yield from _environment_definition_paths(node.child("environment"))


def _code_paths(node: SpecNode) -> Iterator[PathMention]:
    yield from _field_paths(node, "code", "code")
    yield from _environment_field_paths(node)
    if "task" in node.spec:
        task = node.child("task")
        yield from _field_paths(task, "code", "code")
        yield from _environment_field_paths(task)
        yield from _script_paths(task, "entry_script")
    if "code_configuration" in node.spec:
        scoring = node.child("code_configuration")  # of a deployment; its code is checked at upload
        yield from _field_paths(scoring, "code", "code", Severity.WARNING)
        yield from _script_paths(scoring, "scoring_script")
    if "entry" in node.spec:
        yield from _spark_paths(node)


def _spark_paths(node: SpecNode) -> Iterator[PathMention]:
    code, entry = node.spec.get("code"), node.child("entry")
    if isinstance(code, str) and (folder := parse_local_path(code)):
        if isinstance(entry.spec.get("file"), str):
            yield PathMention(entry.child_pointer("file"), entry.spec["file"], "entry file", folder)
        for field in _SPARK_FILE_FIELDS:
            for index, name in _indexed_strings(node.spec.get(field)):
                yield PathMention(node.child_pointer(field, index), name, "file", folder, Severity.WARNING)


def _script_paths(node: SpecNode, field: str) -> Iterator[PathMention]:
    code, script = node.spec.get("code"), node.spec.get(field)
    if isinstance(code, str) and isinstance(script, str) and (folder := parse_local_path(code)):
        yield PathMention(node.child_pointer(field), script, "script", folder, Severity.WARNING)


def _indexed_strings(value: Json) -> Iterator[tuple[int, str]]:
    if isinstance(value, list):
        yield from ((index, item) for index, item in enumerate(value) if isinstance(item, str))


def _include_paths(node: SpecNode) -> Iterator[PathMention]:
    for field, description in _INCLUDE_FIELDS:
        yield from _field_paths(node, field, description)
    if node.pointer[-1:] == ("create_job",):
        yield from _field_paths(node, "job", "job file")
    for index, string in _indexed_strings(node.spec.get("additional_includes")):
        # A missing .zip is made from the folder of the same name.
        yield from _path_mentions(node.child_pointer("additional_includes", index), string, "additional include")


def _data_paths(node: SpecNode) -> Iterator[PathMention]:
    data_nodes = [node.child(field) for field in _DATA_FIELDS if isinstance(node.spec.get(field), dict)]
    if isinstance(node.spec.get("inputs"), dict):
        data_nodes += [data_node for _, data_node in node.child("inputs").child_nodes()]
    for data_node in data_nodes:
        # A model without a name is named after its content, so azure-ai-ml reads it when it loads the file.
        nameless = data_node.pointer[-1:] == ("model",) and "name" not in data_node.spec
        severity = Severity.ERROR if nameless else Severity.WARNING
        yield from _field_paths(data_node, "path", _DATA_PATH, severity)


def _executable_paths(node: SpecNode) -> Iterator[PathMention]:
    yield from _code_paths(node)
    yield from _include_paths(node)
    yield from _data_paths(node)


def _check_path(context: RuleContext, mention: PathMention) -> Iterator[Diagnostic]:
    """Yield a path that does not exist or is outside the repository."""
    text = mention.text
    is_expression = "${{" in text and (mention.base_folder != "" or mention.severity is Severity.WARNING)
    if is_expression or (mention.severity is Severity.WARNING and ("*" in text or has_placeholder(text))):
        return
    if mention.is_data and text.startswith("///"):  # file:///PATH, which a plan refuses
        return
    if mention.base_folder and not _path_exists(context, context.resolve_relative_path(mention.base_folder)):
        return  # reported for the folder
    relative = posixpath.join(mention.base_folder, text) if mention.base_folder else text
    path = context.resolve_relative_path(relative)
    if _path_exists(context, path) or _is_zipped_folder(context, mention, path):
        problem = find_path_problem(context.files, path, must_be_file=True) if mention.must_be_file else None
        if problem is not None and problem.code == "not-a-file":  # a link is reported for its asset
            yield _path_diagnostic(context, mention, problem._replace(subject=f"{mention.description} {text}"))
    elif mention.is_data and (tracked := find_dvc_tracked(context.files, path)):
        yield from tracked.problems
    else:
        yield _path_diagnostic(context, mention, _absence_problem(context, mention, path))


def _absence_problem(context: RuleContext, mention: PathMention, path: str) -> PathProblem:
    """Return why there is nothing at a path that could be used."""
    problem = find_path_problem(context.files, path)
    if problem is not None and problem.code != "path-outside":
        return problem
    is_above = path.split("/", maxsplit=1)[0] == ".." and not hasattr(context.files, "path_problem")
    if problem is not None or is_above or posixpath.isabs(path):
        predicate = problem.predicate if problem else "is outside the repository"
        hint = "move it into the repository; paths are relative to the folder of this file"
        return PathProblem("path-outside", mention.text, predicate, hint)
    is_named_so = mention.description == mention.text  # Dockerfile
    subject = f"{mention.text} not found:" if is_named_so else f"{mention.description} {mention.text} not found:"
    predicate = f"{context.files.display_path(path)} does not exist"
    return PathProblem("path-missing", subject, predicate, _missing_path_hint(mention))


def _path_diagnostic(context: RuleContext, mention: PathMention, problem: PathProblem) -> Diagnostic:
    """Return the diagnostic of a path; what cannot be stored is an error, as it is for a tree."""
    span = context.document.value_span(join_pointer(*mention.pointer))
    severity = mention.severity if problem.code in {"path-outside", "path-missing"} else Severity.ERROR
    return Diagnostic(problem.code, str(problem), span, problem.hint, severity)


def _missing_path_hint(mention: PathMention) -> str:
    if "\\" in mention.text:
        return "use / instead of \\"
    if mention.description == "component file" and "/" not in mention.text and "." not in mention.text:
        return f"for a registered component, write azureml:{mention.text}:VERSION"
    base = f"the folder {mention.base_folder}" if mention.base_folder else "the folder of this file"
    return f"paths are relative to {base}; files that .gitignore excludes are not in Git"


def _path_exists(context: RuleContext, path: str) -> bool:
    return path == "." or context.files.exists(path)


def _is_zipped_folder(context: RuleContext, mention: PathMention, path: str) -> bool:
    return (
        mention.description == "additional include"
        and path.endswith(".zip")
        and _path_exists(context, path[: -len(".zip")])
    )


def _path_rule(
    select_nodes: Callable[[RuleContext], tuple[SpecNode, ...]], find_paths: Callable[[SpecNode], Iterator[PathMention]]
) -> Rule:
    """Return the rule that the paths which ``find_paths`` yields for the selected nodes exist."""

    def check_paths(context: RuleContext) -> Iterator[Diagnostic]:
        for node in select_nodes(context):
            for mention in find_paths(node):
                yield from _check_path(context, mention)

    return check_paths


def _root_node(context: RuleContext) -> tuple[SpecNode, ...]:
    return (SpecNode((), context.spec),)


def _content_paths(node: SpecNode) -> Iterator[PathMention]:
    yield from _field_paths(node, "path", _DATA_PATH, Severity.WARNING)


def check_duplicate_includes(context: RuleContext) -> Iterator[Diagnostic]:
    """Yield additional includes that exist in the code folder, as azure-ai-ml does."""
    for node in executable_nodes(context):
        code = node.spec.get("code")
        folder = parse_local_path(code) if isinstance(code, str) else None
        for index, string in _indexed_strings(node.spec.get("additional_includes")) if folder else ():
            name = posixpath.basename(posixpath.normpath(string))
            if name not in {"", ".", ".."} and context.files.exists(
                context.resolve_relative_path(posixpath.join(folder or "", name))
            ):
                message = f"{string} already exists in the code folder"
                yield context.value_diagnostic(
                    "include-twice", message, *node.child_pointer("additional_includes", index)
                )


EXECUTABLE_RULES: tuple[Rule, ...] = (_path_rule(executable_nodes, _executable_paths), check_duplicate_includes)
ENVIRONMENT_RULES: tuple[Rule, ...] = (_path_rule(_root_node, _environment_definition_paths),)
CONTENT_RULES: tuple[Rule, ...] = (_path_rule(_root_node, _content_paths),)
