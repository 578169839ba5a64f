"""One entry of a conda file, in the syntax of conda: ``conda-forge::numpy=1.21``, as a requirement of PEP 508."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

PYTHON = "python"
_LONG_NUMBER = re.compile(r"\d{19}")  # no part of a version has so many digits, and Python refuses to read thousands

_ENTRY = re.compile(r"(?:(?P<channel>\S+)::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<version>.*)")
_BRACKETED_VERSION = re.compile(r"\[\s*version\s*=\s*['\"]?([^'\"\]]*)['\"]?\s*\]")
_VERSION_CLAUSE = re.compile(
    r"(?P<operator>==|=|!=|>=|<=|~=|>|<)?\s*(?P<number>\d[\w.!+]*?)(?P<any>\.?\*)?(?:[=\s]\s*(?P<build>[\w*]+))?"
)


@dataclass(frozen=True, slots=True)
class CondaEntry:
    """A package that an entry names; a version that cannot be parsed is None."""

    name: str
    specifier: str | None
    """In the syntax of PEP 440, "" for any version."""
    build: str = ""
    """The build of the version that the entry names, such as ``py38_0``."""
    channel: str = ""
    """The channel that the entry names, "" for none."""


def parse_conda_entry(text: str) -> CondaEntry | None:
    """Return what an entry of a conda file names; None if it names no package."""
    match = _ENTRY.fullmatch(text.strip())
    if not match:
        return None
    name, version, channel = match["name"].lower(), match["version"].strip(), match["channel"] or ""
    if bracketed := _BRACKETED_VERSION.fullmatch(version):
        version = bracketed[1]
    if version in {"", "*"}:
        return CondaEntry(name, "", channel=channel)
    if _LONG_NUMBER.search(version):
        return CondaEntry(name, None, channel=channel)
    clauses = [_VERSION_CLAUSE.fullmatch(part.strip()) for part in version.split(",")]
    try:
        specifiers = SpecifierSet(",".join(_to_pep440(clause, is_python=name == PYTHON) for clause in clauses))
    except InvalidSpecifier:
        return CondaEntry(name, None, channel=channel)
    builds = (clause["build"] for clause in clauses if clause and clause["build"])
    return CondaEntry(name, str(specifiers), next(builds, "").strip("*"), channel)


def _to_pep440(match: re.Match[str] | None, *, is_python: bool) -> str:
    if not match:
        raise InvalidSpecifier
    operator, number = match["operator"] or "==", match["number"]
    # Conda's "=" means any version of the series, and so does python==3.11 to its author.
    is_series = is_python and number.count(".") < 2  # noqa: PLR2004  -- major.minor has one dot
    if operator == "=" or (operator == "==" and (match["any"] or is_series)):
        return f"=={number}.*"
    return operator + number + (".*" if operator == "!=" and match["any"] else "")
