"""Conda files: packages of conda and of pip, and variables.

A builder without conda takes the Python version, packages from pip, and those that PyPI has as well; all else is an
error. Only names and versions are accepted: with an option, a path or a URL, the author of the file
could choose what is executed while the environment is built, so they are refused before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from reconciler.builders._conda_version import PYTHON, CondaEntry, parse_conda_entry
from reconciler.builders._pypi_names import is_on_pypi, missing_package_hint
from reconciler.model.builder import BuildProblem
from reconciler.secrets.urls import mask_url_secrets

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PIP_OPTION = re.compile(r"(?:^|\s)(--[\w-]+|-\w?)")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_PATH_OR_URL = re.compile(r"^[.~]|[/\\]|\.(?:whl|zip|tar\.\w+|tgz|txt)$")
_CONDA_ARCHIVE = re.compile(r"\.(?:conda|tar\.bz2)\b|\[[^]]*\b(?:url|channel)\s*=|[\x00-\x1f]")
_URL_CREDENTIALS = re.compile(r"//[^/\s]*@|\?\S+")


class CondaPackage(NamedTuple):
    """An entry of a conda file that is a package of conda, and not of pip."""

    name: str
    pointer: str
    """Relative to the conda file."""
    entry: str
    build: str
    """The build that the entry names, "" for none."""


@dataclass(frozen=True, slots=True)
class CondaFile:
    """What a conda file declares that can be installed, and every entry that cannot be used.

    ``conda_packages`` are packages of PyPI as well, and in ``packages``, unless the builder runs conda.
    """

    requires_python: str = ""
    python_pointer: str = ""
    """Of the last entry that names Python."""
    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    conda_packages: tuple[CondaPackage, ...] = ()
    problems: tuple[BuildProblem, ...] = ()
    """By pointers relative to the file."""


@dataclass(slots=True)
class _ParseResult:
    """What was parsed so far; all problems are reported together."""

    runs_conda: bool
    packages: list[str] = field(default_factory=list)
    conda_packages: list[CondaPackage] = field(default_factory=list)
    problems: list[BuildProblem] = field(default_factory=list)
    pointer: str = ""
    """Of the entry that is parsed."""
    declared: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, version specifier and pointer of each package, and of Python."""

    def add_problem(self, message: str, hint: str, code: str = "builder-cannot") -> None:
        self.problems.append(BuildProblem(self.pointer, code, message, hint))


def read_conda_file(content: Any, *, runs_conda: bool = False) -> CondaFile:
    """Return what a conda file (as JSON) declares, with its problems for a builder that runs conda, or does not."""
    result = _ParseResult(runs_conda)
    variables = _parse_content(content, result)
    python = [(specifier, pointer) for name, specifier, pointer in result.declared if name == PYTHON]
    return CondaFile(
        requires_python=str(SpecifierSet(",".join(specifier for specifier, _ in python))),
        python_pointer=python[-1][1] if python else "",
        packages=tuple(dict.fromkeys(result.packages)),
        variables=variables,
        conda_packages=tuple(result.conda_packages),
        problems=tuple(result.problems),
    )


def _parse_content(content: Any, result: _ParseResult) -> tuple[tuple[str, str], ...]:
    """Parse a conda file into a result; return its variables."""
    if not isinstance(content, Mapping):
        result.add_problem("its conda file is not a mapping of fields", "write 'dependencies:' and a list")
        return ()
    for index, entry in enumerate(_list_in_field(content, "dependencies", result)):
        _parse_dependency(entry, f"/dependencies/{index}", result)
    result.pointer = "/variables"
    variables = content.get("variables") or {}
    if not isinstance(variables, Mapping):
        result.add_problem("'variables' of its conda file is not a mapping", "write 'NAME: value' below it")
        variables = {}
    parsed_variables = tuple(_parse_variables(variables, result))
    _find_contradictions(result)
    return parsed_variables


def _list_in_field(content: Mapping[str, Any], name: str, result: _ParseResult) -> Sequence[Any]:
    """Return the list in a field of the entry that is parsed, empty if there is none; anything else is a problem."""
    value = content.get(name)
    if value is None or isinstance(value, list | tuple):
        return value or ()
    outer, result.pointer = result.pointer, f"{result.pointer}/{name}"
    result.add_problem(f"'{name}' of its conda file is not a list but '{value}'", f"write '{name}:' and a list")
    result.pointer = outer
    return ()


def _parse_dependency(entry: Any, pointer: str, result: _ParseResult) -> None:
    result.pointer = pointer
    match entry:
        case str():
            _parse_conda_entry(entry, result)
        case {"pip": _, **rest} if not rest:
            for index, pip_entry in enumerate(_list_in_field(entry, "pip", result)):
                result.pointer = f"{pointer}/pip/{index}"
                _parse_pip_entry(str(pip_entry), result)
        case _:
            hint = "write 'name=version', or 'pip:' and a list"
            result.add_problem(f"'{entry}' is not a dependency of a conda file", hint)


def _find_contradictions(result: _ParseResult) -> None:
    """Report the packages, and Python, of which no version satisfies all that the file requires."""
    for name in dict.fromkeys(name for name, _, _ in result.declared):
        required = [(specifier, pointer) for other, specifier, pointer in result.declared if other == name]
        specifiers = list(dict.fromkeys(specifier for specifier, _ in required if specifier))
        if len(specifiers) > 1 and not _is_satisfiable(specifiers):
            result.pointer = required[-1][1]
            requirements = " and ".join(f"{name}{specifier}" for specifier in specifiers)
            result.add_problem(f"{requirements} contradict each other", f"require {name} once")


def _is_satisfiable(specifiers: list[str]) -> bool:
    """Return True if a version satisfies all specifiers; those at the bounds of each, and beside them, are tried."""
    merged = SpecifierSet(",".join(specifiers))
    candidates = {"0", "99999"}
    for clause in merged:
        number = clause.version.removesuffix(".*")
        head, _, last = number.rpartition(".")
        candidates |= {number, f"{number}.1", f"{number}.post1"}
        if last.isdigit() and int(last):
            candidates.add(f"{head}{'.' if head else ''}{int(last) - 1}.99999")
        if last.isdigit():
            candidates.add(f"{head}{'.' if head else ''}{int(last) + 1}")
    return any(merged.contains(candidate, prereleases=True) for candidate in candidates)


def _parse_conda_entry(text: str, result: _ParseResult) -> None:
    entry = parse_conda_entry(text)
    if result.runs_conda:
        _add_conda_package(text, entry, result)
        return
    if not entry or not (entry.name == PYTHON or is_on_pypi(entry.name)):
        hint = missing_package_hint(entry.name if entry else text)
        result.add_problem(f"the venv builder cannot install the conda package '{text}'", hint)
        return
    name = entry.name
    if entry.specifier is None:
        hint = f"write it as {name}=3.11, or {name}>=3.11,<3.13" if name == PYTHON else f"write it as {name}>=1.0"
        result.add_problem(f"the version in '{text}' cannot be parsed", hint)
        return
    result.declared.append((canonicalize_name(name), entry.specifier, result.pointer))
    result.conda_packages.append(CondaPackage(name, result.pointer, text, entry.build))
    if name != PYTHON:
        result.packages.append(name + entry.specifier)


def _add_conda_package(text: str, entry: CondaEntry | None, result: _ParseResult) -> None:
    """Add an entry as conda reads it: versions that conda alone understands are for its solver to judge."""
    if entry is None or _CONDA_ARCHIVE.search(text):
        message = f"'{mask_url_secrets(text)}' is not the name of a conda package"
        result.add_problem(message, "name a package of a channel, such as numpy=1.26", "requirement-refused")
        return
    result.conda_packages.append(CondaPackage(entry.name, result.pointer, text, entry.build))


def _parse_pip_entry(entry: str, result: _ParseResult) -> None:
    text = _COMMENT.sub("", entry).strip()
    if not text:
        return
    if option := _PIP_OPTION.search(text):
        message = f"the pip option '{option[1]}' is not allowed in a conda file"
        result.add_problem(message, _option_hint(option[1]), "requirement-refused")
        return
    masked = mask_url_secrets(text)
    redacted = _URL_CREDENTIALS.sub(lambda match: "//***@" if match[0].startswith("//") else "?***", masked)
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        requirement = None
    if (requirement and requirement.url) or _PATH_OR_URL.search(text.partition(";")[0].strip()):
        hint = "name a published package; put code of the repository into the job's 'code'"
        message = f"'{redacted}' is a path or a URL, and building it would run its code"
        result.add_problem(message, hint, "requirement-refused")
    elif requirement:
        result.packages.append(str(requirement))
        if requirement.marker is None:
            name = canonicalize_name(requirement.name)
            result.declared.append((name, str(requirement.specifier), result.pointer))
    else:
        hint = "write it as pip does, such as pandas>=2.0"
        result.add_problem(f"'{redacted}' is not a package requirement", hint, "requirement-refused")


def _option_hint(option: str) -> str:
    """Return what to write in the place of an option of pip."""
    if option in {"-r", "--requirement", "-c", "--constraint"}:
        return "write the packages of that file into this list: no other file is read"
    if option in {"-e", "--editable"}:
        return "name a published package; put code of the repository into the job's 'code'"
    return "list only packages; configure an index on the machine that builds (UV_INDEX, UV_DEFAULT_INDEX)"


def _parse_variables(declared: Mapping[str, Any], result: _ParseResult) -> Iterator[tuple[str, str]]:
    for name, value in declared.items():
        if not _VARIABLE_NAME.fullmatch(str(name)):
            message = f"'{name}' is not a valid name of an environment variable"
            result.add_problem(message, "use letters, digits and underscores")
        elif value is not None:
            yield str(name), str(value)
