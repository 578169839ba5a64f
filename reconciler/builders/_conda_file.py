"""A conda file read for a builder without conda: which Python, which packages from pip, and what is out of reach.

Only names and versions get through. An option, a path or a URL would let a file written by a stranger choose what
is executed while the environment is built, so they are refused here, before anything runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from reconciler.diagnostics import Diagnostic, UserError

_PYTHON = "python"
_SAME_NAME_ON_PYPI = frozenset({"pip", "setuptools", "wheel"})  # the same project under the same name in both worlds

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
    """What an environment without conda can be made of."""

    requires_python: str = ""
    packages: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _ParseResult:
    """What reading collects; all problems are reported together."""

    address: str
    python_specifiers: list[str]
    packages: list[str]
    diagnostics: list[Diagnostic]

    def add_problem(self, what: str, hint: str, code: str = "builder-cannot") -> None:
        self.diagnostics.append(Diagnostic(code, f"{self.address}: {what}", hint=hint))


def parse_conda_file(address: str, content: Mapping[str, Any]) -> CondaFile:
    """Read a parsed conda file; raises UserError with every entry that cannot be used."""
    found = _ParseResult(address, [], [], [])
    for entry in content.get("dependencies") or ():
        match entry:
            case str():
                _parse_conda_entry(entry, found)
            case {"pip": entries, **rest} if not rest:
                for each in entries or ():
                    _parse_pip_entry(str(each), found)
            case _:
                found.add_problem(
                    f"'{entry}' is no dependency of a conda file", "write 'name=version', or 'pip:' and a list"
                )
    variables = tuple(_parse_variables(content.get("variables") or {}, found))
    if found.diagnostics:
        raise UserError(*found.diagnostics)
    return CondaFile(
        str(SpecifierSet(",".join(found.python_specifiers))), tuple(dict.fromkeys(found.packages)), variables
    )


def _parse_conda_entry(entry: str, found: _ParseResult) -> None:
    parsed = _CONDA_ENTRY.fullmatch(entry.strip())
    name = parsed["name"].lower() if parsed else entry
    if not parsed or name not in {_PYTHON, *_SAME_NAME_ON_PYPI}:
        hint = "move it under 'pip:', or build this environment with another builder"
        found.add_problem(f"the venv builder cannot install the conda package '{entry}'", hint)
        return
    try:
        version = _to_pep440_specifier(parsed["version"].strip(), exact_means_series=name == _PYTHON)
    except ValueError:
        hint = f"write it as {name}=3.11, or {name}>=3.11,<3.13" if name == _PYTHON else f"write it as {name}>=1.0"
        found.add_problem(f"the version in '{entry}' is not understood", hint)
        return
    if name == _PYTHON:
        found.python_specifiers.append(version)
    else:
        found.packages.append(name + version)


def _to_pep440_specifier(version: str, *, exact_means_series: bool) -> str:
    """Turn a version as conda writes it into PEP 440; raises ValueError (InvalidSpecifier is one)."""
    if bracketed := _BRACKETED_VERSION.fullmatch(version):
        version = bracketed[1]
    if version in {"", "*"}:
        return ""
    return str(
        SpecifierSet(",".join(_to_pep440_clause(part.strip(), exact_means_series) for part in version.split(",")))
    )


def _to_pep440_clause(text: str, exact_means_series: bool) -> str:  # noqa: FBT001  -- private, named where it comes from
    parsed = _VERSION_CLAUSE.fullmatch(text)
    if not parsed:
        raise InvalidSpecifier(text)
    operator, number = parsed["operator"] or "==", parsed["number"]
    # Conda's "=" means "this series"; and whoever writes python==3.11 does not mean 3.11.0.
    short = exact_means_series and number.count(".") < 2  # noqa: PLR2004  -- major.minor has one dot
    if operator == "=" or (operator == "==" and (parsed["any"] or short)):
        return f"=={number}.*"
    return operator + number + (".*" if operator == "!=" and parsed["any"] else "")


def _parse_pip_entry(entry: str, found: _ParseResult) -> None:
    text = _COMMENT.sub("", entry).strip()
    if not text:
        return
    if option := _PIP_OPTION.search(text):
        hint = "list the packages themselves; an index is configured where environments are built (UV_DEFAULT_INDEX)"
        found.add_problem(f"the pip option '{option[1]}' is not taken from a conda file", hint, "requirement-refused")
        return
    shown = _URL_CREDENTIALS.sub(lambda part: "//***@" if part[0].startswith("//") else "?***", text)
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        requirement = None
    if (requirement and requirement.url) or _PATH_OR_URL.search(text.partition(";")[0].strip()):
        hint = "name a package that is published; code from the repository belongs into the job's 'code'"
        found.add_problem(f"'{shown}' is a path or a URL, which would run code to build", hint, "requirement-refused")
    elif requirement:
        found.packages.append(str(requirement))
    else:
        hint = "write it as pip does, such as pandas>=2.0"
        found.add_problem(f"'{shown}' is not a package requirement", hint, "requirement-refused")


def _parse_variables(declared: Mapping[str, Any], found: _ParseResult) -> Iterator[tuple[str, str]]:
    for name, value in declared.items():
        if not _VARIABLE_NAME.fullmatch(str(name)):
            found.add_problem(f"'{name}' cannot be the name of a variable", "use letters, digits and underscores")
        elif value is not None:
            yield str(name), str(value)
