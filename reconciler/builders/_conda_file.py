"""Conda files for a builder without conda: the Python version and the packages from pip; all else is an error.

Only names and versions are accepted. With an option, a path or a URL, the author of the file could choose what is
executed while the environment is built, so they are refused before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.builder import BuildProblem
from reconciler.secrets.urls import mask_url_secrets

_PYTHON = "python"
_SAME_NAME_ON_PYPI = frozenset({"pip", "setuptools", "wheel"})  # the same project in conda and on PyPI

_CONDA_ENTRY = re.compile(r"(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<version>.*)")
_BRACKETED_VERSION = re.compile(r"\[\s*version\s*=\s*['\"]?([^'\"\]]*)['\"]?\s*\]")
_VERSION_CLAUSE = re.compile(
    r"(?P<operator>==|=|!=|>=|<=|~=|>|<)?\s*(?P<number>\d[\w.!+]*?)(?P<any>\.?\*)?(?:[=\s]\s*[\w*]+)?"
)
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PIP_OPTION = re.compile(r"(?:^|\s)(--[\w-]+|-\w?)")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_PATH_OR_URL = re.compile(r"^[.~]|[/\\]|\.(?:whl|zip|tar\.\w+|tgz|txt)$")
_URL_CREDENTIALS = re.compile(r"//[^/\s]*@|\?\S+")


@dataclass(frozen=True, slots=True)
class CondaFile:
    """What a conda file declares that can be installed without conda."""

    requires_python: str = ""
    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _ParseResult:
    """What was parsed so far; all diagnostics are reported together."""

    address: str
    python_specifiers: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    problems: list[BuildProblem] = field(default_factory=list)
    pointer: str = ""
    """Of the entry that is parsed."""
    declared: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, version specifier and pointer of each package, and of Python."""

    def add_diagnostic(self, message: str, hint: str, code: str = "builder-cannot") -> None:
        self.problems.append(
            BuildProblem(self.pointer, code, f"{self.address}: {message}" if self.address else message, hint)
        )


def parse_conda_file(address: str, content: Any) -> CondaFile:
    """Return what a conda file (as JSON) declares; raises UserError with every entry that cannot be used."""
    result, variables = _parse_content(address, content)
    if result.problems:
        raise UserError(*(Diagnostic(problem.code, problem.message, hint=problem.hint) for problem in result.problems))
    requires_python = str(SpecifierSet(",".join(result.python_specifiers)))
    return CondaFile(requires_python, tuple(dict.fromkeys(result.packages)), variables)


def find_conda_problems(address: str, content: Any) -> tuple[BuildProblem, ...]:
    """Return every entry of a conda file that cannot be used, by pointers relative to the file."""
    return tuple(_parse_content(address, content)[0].problems)


def python_requirements(content: Any) -> tuple[tuple[str, str], ...]:
    """Return the pointers and the version specifiers of the entries of a conda file that name Python."""
    declared = _parse_content("", content)[0].declared
    return tuple((pointer, specifier) for name, specifier, pointer in declared if name == _PYTHON)


def _parse_content(address: str, content: Any) -> tuple[_ParseResult, tuple[tuple[str, str], ...]]:
    result = _ParseResult(address)
    if not isinstance(content, Mapping):
        result.add_diagnostic("its conda file is not a mapping of fields", "write 'dependencies:' and a list")
        return result, ()
    for index, entry in enumerate(_list_in_field(content, "dependencies", result)):
        _parse_dependency(entry, f"/dependencies/{index}", result)
    result.pointer = "/variables"
    variables = content.get("variables") or {}
    if not isinstance(variables, Mapping):
        result.add_diagnostic("'variables' of its conda file is not a mapping", "write 'NAME: value' below it")
        variables = {}
    parsed_variables = tuple(_parse_variables(variables, result))
    _find_contradictions(result)
    return result, parsed_variables


def _list_in_field(content: Mapping[str, Any], name: str, result: _ParseResult) -> Sequence[Any]:
    """Return the list in a field of the entry that is parsed, empty if there is none; anything else is a problem."""
    value = content.get(name)
    if value is None or isinstance(value, list | tuple):
        return value or ()
    outer, result.pointer = result.pointer, f"{result.pointer}/{name}"
    result.add_diagnostic(f"'{name}' of its conda file is not a list but '{value}'", f"write '{name}:' and a list")
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
            result.add_diagnostic(f"'{entry}' is not a dependency of a conda file", hint)


def _find_contradictions(result: _ParseResult) -> None:
    """Report the packages, and Python, of which no version satisfies all that the file requires."""
    for name in dict.fromkeys(name for name, _, _ in result.declared):
        required = [(specifier, pointer) for other, specifier, pointer in result.declared if other == name]
        specifiers = list(dict.fromkeys(specifier for specifier, _ in required if specifier))
        if len(specifiers) > 1 and not _is_satisfiable(specifiers):
            result.pointer = required[-1][1]
            requirements = " and ".join(f"{name}{specifier}" for specifier in specifiers)
            result.add_diagnostic(f"{requirements} contradict each other", f"require {name} once")


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


def _parse_conda_entry(entry: str, result: _ParseResult) -> None:
    match = _CONDA_ENTRY.fullmatch(entry.strip())
    name = match["name"].lower() if match else entry
    if not match or name not in {_PYTHON, *_SAME_NAME_ON_PYPI}:
        hint = "move it under 'pip:', or build this environment with another builder"
        result.add_diagnostic(f"the venv builder cannot install the conda package '{entry}'", hint)
        return
    try:
        version = _to_pep440_specifier(match["version"].strip(), exact_means_series=name == _PYTHON)
    except ValueError:
        hint = f"write it as {name}=3.11, or {name}>=3.11,<3.13" if name == _PYTHON else f"write it as {name}>=1.0"
        result.add_diagnostic(f"the version in '{entry}' cannot be parsed", hint)
        return
    result.declared.append((name, version, result.pointer))
    if name == _PYTHON:
        result.python_specifiers.append(version)
    else:
        result.packages.append(name + version)


def _to_pep440_specifier(version: str, *, exact_means_series: bool) -> str:
    """Return the PEP 440 specifier of a conda version; raises ValueError, of which InvalidSpecifier is a subclass."""
    if bracketed := _BRACKETED_VERSION.fullmatch(version):
        version = bracketed[1]
    if version in {"", "*"}:
        return ""
    return str(
        SpecifierSet(",".join(_to_pep440_clause(part.strip(), exact_means_series) for part in version.split(",")))
    )


def _to_pep440_clause(text: str, exact_means_series: bool) -> str:  # noqa: FBT001  -- private, and a keyword of its caller
    match = _VERSION_CLAUSE.fullmatch(text)
    if not match:
        raise InvalidSpecifier(text)
    operator, number = match["operator"] or "==", match["number"]
    # Conda's "=" means any version of the series, and so does python==3.11 to its author.
    is_series = exact_means_series and number.count(".") < 2  # noqa: PLR2004  -- major.minor has one dot
    if operator == "=" or (operator == "==" and (match["any"] or is_series)):
        return f"=={number}.*"
    return operator + number + (".*" if operator == "!=" and match["any"] else "")


def _parse_pip_entry(entry: str, result: _ParseResult) -> None:
    text = _COMMENT.sub("", entry).strip()
    if not text:
        return
    if option := _PIP_OPTION.search(text):
        hint = "list only packages; configure an index on the machine that builds (UV_DEFAULT_INDEX)"
        message = f"the pip option '{option[1]}' is not allowed in a conda file"
        result.add_diagnostic(message, hint, "requirement-refused")
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
        result.add_diagnostic(message, hint, "requirement-refused")
    elif requirement:
        result.packages.append(str(requirement))
        if requirement.marker is None:
            name = canonicalize_name(requirement.name)
            result.declared.append((name, str(requirement.specifier), result.pointer))
    else:
        hint = "write it as pip does, such as pandas>=2.0"
        result.add_diagnostic(f"'{redacted}' is not a package requirement", hint, "requirement-refused")


def _parse_variables(declared: Mapping[str, Any], result: _ParseResult) -> Iterator[tuple[str, str]]:
    for name, value in declared.items():
        if not _VARIABLE_NAME.fullmatch(str(name)):
            message = f"'{name}' is not a valid name of an environment variable"
            result.add_diagnostic(message, "use letters, digits and underscores")
        elif value is not None:
            yield str(name), str(value)
