"""Files and folders that a file names: reference, section 2 (local path) and its quirks.

azure-ai-ml wants code, build contexts, conda files and included YAML files to be there when it reads a file: so is
it here. Paths of data and models it takes as they are until it uploads them: here they are warnings.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.pointers import join
from reconciler.format.rules.components import local
from reconciler.format.rules.parts import Part, Pointer, lower, placeholder, works
from reconciler.format.subject import Rule, Subject
from reconciler.model import Json

_FILE = "file:"
_DOCKERFILE = "Dockerfile"
_TABLE = "MLTable"
_FILES_OF_SPARK = ("py_files", "jars", "files", "archives")
_INCLUSIONS = (("component", "component file"), ("trial", "component file"), ("create_job", "job file"))
_DATA = ("training_data", "validation_data", "test_data", "model", "specification")


@dataclass(frozen=True, slots=True)
class Named:
    """A path in a file: where, the text there, the folder below this file's that it counts from, how much it matters.

    ``sort`` says what is meant, for the message.
    """

    pointer: Pointer
    text: str
    sort: str
    folder: str = ""
    severity: Severity = Severity.ERROR


def _path(part: Part, field: str, sort: str, severity: Severity = Severity.ERROR) -> tuple[Named, ...]:
    """Return the path that a field holds, if it does."""
    return _named(part.below(field), part.spec[field], sort, severity) if field in part.spec else ()


def _named(pointer: Pointer, value: Json, sort: str, severity: Severity = Severity.ERROR) -> tuple[Named, ...]:
    if isinstance(value, str) and value.strip() and (path := local(value)):
        return (Named(pointer, path, sort, severity=severity),)
    return ()


def _of_environment(part: Part) -> Iterator[Named]:
    yield from _path(part, "conda_file", "conda file")
    if "build" not in part.spec:
        return
    build = part.inner("build")
    yield from _path(build, "path", "build context")
    context = build.spec.get("path")
    if isinstance(context, str) and (folder := local(context)):
        named = build.spec.get("dockerfile_path")
        pointer = build.below("dockerfile_path" if isinstance(named, str) else "path")
        name = named if isinstance(named, str) else _DOCKERFILE
        yield Named(pointer, name, "Dockerfile", folder, Severity.WARNING)


def _of_environments(part: Part) -> Iterator[Named]:
    value = part.spec.get("environment")
    if isinstance(value, str):
        if value.lower().startswith(_FILE):
            yield from _path(part, "environment", "environment file")
    elif value is not None:
        yield from _of_environment(part.inner("environment"))


def _of_code(part: Part) -> Iterator[Named]:
    yield from _path(part, "code", "code")
    yield from _of_environments(part)
    if "task" in part.spec:
        task = part.inner("task")
        yield from _path(task, "code", "code")
        yield from _of_environments(task)
        yield from _of_script(task, "entry_script")
    if "code_configuration" in part.spec:
        scoring = part.inner("code_configuration")  # of a deployment, whose code is looked for when it is uploaded
        yield from _path(scoring, "code", "code", Severity.WARNING)
        yield from _of_script(scoring, "scoring_script")
    if "entry" in part.spec:
        yield from _of_spark(part)


def _of_spark(part: Part) -> Iterator[Named]:
    code, entry = part.spec.get("code"), part.inner("entry")
    if isinstance(code, str) and (folder := local(code)):
        if isinstance(entry.spec.get("file"), str):
            yield Named(entry.below("file"), entry.spec["file"], "entry file", folder)
        for field in _FILES_OF_SPARK:
            for index, name in _texts(part.spec.get(field)):
                yield Named(part.below(field, index), name, "file", folder, Severity.WARNING)


def _of_script(part: Part, field: str) -> Iterator[Named]:
    code, script = part.spec.get("code"), part.spec.get(field)
    if isinstance(code, str) and isinstance(script, str) and (folder := local(code)):
        yield Named(part.below(field), script, "script", folder, Severity.WARNING)


def _texts(value: Json) -> Iterator[tuple[int, str]]:
    if isinstance(value, list):
        yield from ((index, each) for index, each in enumerate(value) if isinstance(each, str))


def _of_inclusions(part: Part) -> Iterator[Named]:
    for field, sort in _INCLUSIONS:
        yield from _path(part, field, sort)
    if part.pointer[-1:] == ("create_job",):
        yield from _path(part, "job", "job file")
    for index, each in _texts(part.spec.get("additional_includes")):
        # A .zip that is not there is made of the folder of that name.
        yield from _named(part.below("additional_includes", index), each, "additional include")


def _of_data(part: Part) -> Iterator[Named]:
    held = [part.inner(field) for field in _DATA if isinstance(part.spec.get(field), dict)]
    if isinstance(part.spec.get("inputs"), dict):
        held += [each for _, each in part.inner("inputs").mappings()]
    for each in held:
        # A model without a name is named by its content: azure-ai-ml reads it at load.
        nameless = each.pointer[-1:] == ("model",) and "name" not in each.spec
        severity = Severity.ERROR if nameless else Severity.WARNING
        yield from _path(each, "path", "path", severity)


def _of_work(part: Part) -> Iterator[Named]:
    yield from _of_code(part)
    yield from _of_inclusions(part)
    yield from _of_data(part)


def _missing(subject: Subject, named: Named) -> Iterator[Diagnostic]:
    """Yield what is wrong with one path."""
    text = named.text
    if named.severity is Severity.WARNING and ("*" in text or placeholder(text) or "${{" in text):
        return
    if named.folder and not _exists(subject, subject.beside(named.folder)):
        return  # the folder is what is wrong, and it has been said
    path = subject.beside(posixpath.join(named.folder, text))
    if _exists(subject, path) or _zipped(subject, named, path):
        return
    place = subject.document.value(join(*named.pointer))
    if posixpath.isabs(path) or path.split("/")[0] == "..":
        hint = "move it into the repository, and write the path from the folder of this file"
        yield Diagnostic("path-outside", f"{text} leads out of the repository", place, hint, named.severity)
        return
    where = subject.files.shown(path)
    message = f"{named.sort} {text}: there is no {where}"
    yield Diagnostic("path-missing", message, place, _advice(named), named.severity)


def _advice(named: Named) -> str:
    if "\\" in named.text:
        return "write / instead of \\"
    if named.sort == "component file" and "/" not in named.text and "." not in named.text:
        return f"a component that is registered is azureml:{named.text}:VERSION"
    base = f"the folder {named.folder}" if named.folder else "the folder of this file"
    return f"paths count from {base}; a file that .gitignore leaves out is not in Git"


def _exists(subject: Subject, path: str) -> bool:
    return path == "." or subject.files.exists(path)


def _zipped(subject: Subject, named: Named, path: str) -> bool:
    return named.sort == "additional include" and path.endswith(".zip") and _exists(subject, path[: -len(".zip")])


def _rule(parts: Callable[[Subject], tuple[Part, ...]], paths: Callable[[Part], Iterator[Named]]) -> Rule:
    """Make a rule: of some parts of a file, all paths of some sorts exist."""

    def exist(subject: Subject) -> Iterator[Diagnostic]:
        for part in parts(subject):
            for named in paths(part):
                yield from _missing(subject, named)

    return exist


def _whole(subject: Subject) -> tuple[Part, ...]:
    return (Part((), subject.spec),)


def _itself(part: Part) -> Iterator[Named]:
    yield from _path(part, "path", "path", Severity.WARNING)


def tabled(subject: Subject) -> Iterator[Diagnostic]:
    """Yield folders of type mltable without their MLTable file (section 8; section 1 gives its name)."""
    text = subject.spec.get("path")
    path = local(text) if isinstance(text, str) else None
    if not path or lower(subject.spec.get("type")) != "mltable":
        return
    folder = subject.beside(path)
    table = posixpath.join(folder, _TABLE)
    if posixpath.basename(folder) != _TABLE and _exists(subject, folder) and not subject.files.exists(table):
        message = f"{text} has no file {_TABLE}, which is what makes a folder a table"
        yield Diagnostic("mltable-missing", message, subject.document.value("/path"), "", Severity.WARNING)


def code_needed(subject: Subject) -> Iterator[Diagnostic]:
    """Yield additional includes that are in the code already, as azure-ai-ml does: a file would be there twice."""
    for part in works(subject):
        code = part.spec.get("code")
        folder = local(code) if isinstance(code, str) else None
        for index, each in _texts(part.spec.get("additional_includes")) if folder else ():
            name = posixpath.basename(posixpath.normpath(each))
            if name not in {"", ".", ".."} and subject.files.exists(subject.beside(posixpath.join(folder or "", name))):
                message = f"{each} is in the code folder already"
                yield subject.at_value("include-twice", message, *part.below("additional_includes", index))


WORK_RULES: tuple[Rule, ...] = (_rule(works, _of_work), code_needed)
ENVIRONMENT_RULES: tuple[Rule, ...] = (_rule(_whole, _of_environment),)
CONTENT_RULES: tuple[Rule, ...] = (_rule(_whole, _itself), tabled)
