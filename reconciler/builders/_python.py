"""Which Python an environment is built with: its conda file says it, else the name of its image, else any will do.

``pythons`` of the builder's settings in mlgit.yml lets it use another series than the one that is required. That is
decided without a look at the machine, so that plans and builds are the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import SpecifierSet

from reconciler.builders._conda_file import CondaFile
from reconciler.builders._image import parse_image

_MAX_PATCH = 100
_SERIES = re.compile(r"[23]\.\d{1,2}")
_Series = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RequiredPython:
    """The Python of an environment as a version specifier, and the JSON pointer of what requires it."""

    specifier: str = ""
    """With what mlgit.yml lets the build use; "" for any."""
    declared: str = ""
    """As the environment requires it."""
    pointer: str = ""
    instead_of: str = ""
    """The series in the place of which mlgit.yml names another, such as ``3.8``; "" for none."""


def require_python(spec: Mapping[str, Any], conda_file: CondaFile, pythons: Mapping[str, str]) -> RequiredPython:
    """Return the Python that an environment is built with."""
    if conda_file.requires_python:
        declared, pointer = conda_file.requires_python, f"/conda_file{conda_file.python_pointer}"
    else:
        series = parse_image(str(spec.get("image") or "")).python
        declared, pointer = (f"=={series}.*", "/image") if series else ("", "")
    specifier, instead_of = replace_python(declared, pythons)
    return RequiredPython(specifier, declared, pointer, instead_of)


def replace_python(declared: str, pythons: Mapping[str, str]) -> tuple[str, str]:
    """Return the specifier that the settings make of a declared one, and the series that is replaced, "" for none."""
    specifiers = SpecifierSet(declared)
    for series in sorted(pythons, key=parse_series, reverse=True):
        if _admits(specifiers, series) and not _admits(specifiers, pythons[series]):
            return f"=={pythons[series]}.*", series
    return declared, ""


def valid_replacements(pythons: Any) -> dict[str, str]:
    """Return the entries of a setting that name two series; the check of mlgit.yml reports the others."""
    entries = pythons.items() if isinstance(pythons, Mapping) else ()
    return {str(name): series for name, series in entries if _is_series(name) and _is_series(series)}


def replacement_text(specifier: str, instead_of: str) -> str:
    """Return which Python is used in the place of which: ``Python 3.11 instead of 3.8``; "" without a replacement."""
    return f"Python {format_python(specifier)} instead of {instead_of}" if instead_of else ""


def format_python(specifier: str) -> str:
    """Return a specifier as a person reads it: ``3.11`` for any version of that series."""
    series = specifier.removeprefix("==").removesuffix(".*")
    return series if specifier == f"=={series}.*" else specifier


def wanted_series(specifier: str) -> str:
    """Return the newest series that a specifier admits, of those at the bounds that it names."""
    specifiers = SpecifierSet(specifier)
    named = {parse_series(clause.version) for clause in specifiers}
    near = {(major, minor + step) for major, minor in named for step in (-1, 0, 1) if minor + step >= 0}
    admitted = [series for series in near if _admits(specifiers, _format_series(series))]
    return _format_series(max(admitted or named or {(3, 0)}))


def nearest_series(wanted: str, available: Iterable[str]) -> str:
    """Return the series that is nearest to the wanted one, of two the older one; "" if none is available."""
    major, minor = parse_series(wanted)
    series = sorted(parse_series(item) for item in available)
    nearest = min(series, key=lambda item: (abs(item[0] - major), abs(item[1] - minor)), default=None)
    return _format_series(nearest) if nearest else ""


def parse_series(version: str) -> _Series:
    """Return the major and the minor number of a version."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return int(major), int(minor) if minor.isdigit() else 0


def _is_series(value: Any) -> bool:
    return isinstance(value, str) and bool(_SERIES.fullmatch(value))


def _format_series(series: _Series) -> str:
    return f"{series[0]}.{series[1]}"


def _admits(specifiers: SpecifierSet, series: str) -> bool:
    return any(specifiers.contains(f"{series}.{patch}", prereleases=True) for patch in range(_MAX_PATCH))
