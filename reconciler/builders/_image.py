"""What the name of a container image says of the Python in it, and of what is lost where the image is not used.

The builder `venv` uses no image: it takes from the name which Python to use, and says what will be missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_REGISTRY_HOST = re.compile(r"[^/]*[.:][^/]*|localhost")
# python:3.11.6-slim, devcontainers/python:1-3.12-bookworm; not the 3.18 of alpine3.18
_TAG_VERSION = re.compile(r"(?:^|-)v?(?P<major>[23])\.(?P<minor>\d{1,2})(?=$|[.\-+_]|a\d|b\d|rc\d)")
_TAG_MAJOR = re.compile(r"[23](?=$|-)")
# minimal-py312-inference, python-311, python3.11-bookworm
_NAMED_VERSION = re.compile(r"(?:^|[-_./:])(?:py|python)-?(?P<major>[23])\.?(?P<minor>\d{1,2})(?=$|[-_./:])")
# As the reference implementation of registries has it (github.com/distribution/reference).
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@[A-Za-z0-9_+.-]+:[0-9a-fA-F]{{32,}})?"
)
_WINDOWS = re.compile(r"windows|nanoserver", re.IGNORECASE)
_PYTHON_NAMES = frozenset({"python", "pypy"})

# Images of which nothing is missed but the operating system, by the last part of the name.
_BASE_NAMES = """
    almalinux alpine amazonlinux archlinux base buildpack-deps busybox centos debian fedora mambaforge micromamba
    miniconda miniconda3 miniforge miniforge3 opensuse oraclelinux rockylinux ubuntu ubi8 ubi9 uv
"""
_BASES = frozenset(_BASE_NAMES.split())
_BASE_PREFIXES = ("openmpi", "intelmpi", "base-", "python-3", "ubi8-", "ubi9-")
# What an image is known to bring, by a word in its name; the first match counts.
_CONTENTS = (
    ("pytorch", "torch"),
    ("torch", "torch"),
    ("acpt", "torch"),
    ("tensorflow", "tensorflow"),
    ("sklearn", "scikit-learn"),
    ("scikit", "scikit-learn"),
    ("lightgbm", "lightgbm"),
    ("xgboost", "xgboost"),
    ("transformers", "transformers"),
    ("mlflow", "mlflow"),
    ("anaconda", "Anaconda's packages"),
    ("inference", "azureml-inference-server-http"),
    ("cuda", "CUDA"),
    ("pypy", "PyPy"),
    ("rocker", "R"),
    ("r-base", "R"),
    ("spark", "Spark"),
    ("rapids", "RAPIDS"),
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image by its name."""

    name: str
    """As it is written."""
    python: str = ""
    """The series of its Python, such as ``3.11`` or ``3``; "" if the name does not say."""
    contents: str = ""
    """What it is known to bring besides an operating system and Python, "" if that is not known."""
    is_base: bool = False
    """True if it is known to bring nothing else."""
    is_windows: bool = False


def is_reference(name: str) -> bool:
    """Return True if a text is what a container engine takes for the name of an image."""
    return bool(_REFERENCE.fullmatch(name))


def parse_image(text: str) -> Image:
    """Return what the name of an image says; a name without a meaning here says nothing."""
    name = text.strip()
    path, tag = _split_name(name)
    last = path.rpartition("/")[2]
    contents = next((contents for word, contents in _CONTENTS if word in path), "")
    is_plain = last in _PYTHON_NAMES or last in _BASES or last.startswith(_BASE_PREFIXES)
    return Image(
        name=name,
        python=_find_python(path, last, tag),
        contents=contents,
        is_base=is_plain and not contents,
        is_windows=bool(_WINDOWS.search(path) or _WINDOWS.search(tag)),
    )


def _split_name(name: str) -> tuple[str, str]:
    """Return the path of an image, without the host of its registry, and the tag."""
    name = name.partition("@")[0].lower()
    host, slash, rest = name.partition("/")
    path = rest if slash and _REGISTRY_HOST.fullmatch(host) else name
    path, _, tag = path.partition(":")
    return path, tag


def _find_python(path: str, last: str, tag: str) -> str:
    """Return the series of Python that a path or a tag names."""
    if last in _PYTHON_NAMES:
        if version := _TAG_VERSION.search(tag):
            return _format_series(version)
        if major := _TAG_MAJOR.match(tag):
            return major[0]
    version = _NAMED_VERSION.search(f"{path}:{tag}")
    return _format_series(version) if version else ""


def _format_series(version: re.Match[str]) -> str:
    return f"{version['major']}.{int(version['minor'])}"
