"""What the builder `venv` does otherwise than an environment says: for plans, which say it at the lines concerned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.abbreviation import join_some
from reconciler.builders._conda_file import CondaFile, read_conda_file
from reconciler.builders._conda_version import PYTHON
from reconciler.builders._image import Image, parse_image
from reconciler.builders._problems import conda_content, image_name
from reconciler.builders._python import RequiredPython, format_python, replacement_text, require_python
from reconciler.model.builder import BuildNote

_FROM_PYPI_ANYWAY = {PYTHON, "pip", "setuptools", "wheel"}
_MAX_NAMES = 10


def find_notes(spec: Mapping[str, Any], pythons: Mapping[str, str]) -> tuple[BuildNote, ...]:
    """Return the notes about an environment."""
    conda_file = read_conda_file(conda_content(spec))
    python = require_python(spec, conda_file, pythons)
    return (
        *_image_notes(parse_image(image_name(spec)), bool(spec.get("conda_file")), python),
        *_python_notes(python),
        *package_notes(conda_file),
    )


def _image_notes(image: Image, has_conda_file: bool, python: RequiredPython) -> Iterator[BuildNote]:  # noqa: FBT001 - private
    used = f"Python {format_python(python.specifier)}" if python.specifier else "a Python"
    if not image.name:
        return
    if has_conda_file and python.pointer != "/image":
        if image.python and python.specifier and not format_python(python.specifier).startswith(image.python):
            yield BuildNote(("/image",), f"{used} of this machine is used, as the conda file says")
        return
    text = f"{used} of this machine is used, not the image {image.name}"
    if python.instead_of:
        text = f"{text} ({_replacement_note(python)})"
    if has_conda_file or image.is_base:
        yield BuildNote(("/image",), text)
    else:
        yield BuildNote(("/image",), f"{text}; {missing_text(image)}", is_usual=False)


def missing_text(image: Image) -> str:
    """Return what is lost with an image that is not used."""
    if image.contents:
        return f"{image.contents} and what else the image brings will be missing: list what is needed in a conda_file"
    return "what the image brings will be missing: list what is needed in a conda_file"


def _python_notes(python: RequiredPython) -> Iterator[BuildNote]:
    if python.instead_of and python.pointer != "/image":  # the note on the image has it
        yield BuildNote((python.pointer,), _replacement_note(python))


def _replacement_note(python: RequiredPython) -> str:
    return f"{replacement_text(python.specifier, python.instead_of)}, as mlgit.yml says"


def package_notes(conda_file: CondaFile) -> Iterator[BuildNote]:
    """Yield the notes about packages of conda, which come from PyPI."""
    packages = [package for package in conda_file.conda_packages if package.name not in _FROM_PYPI_ANYWAY]
    if packages:
        names = join_some([package.name for package in packages], _MAX_NAMES)
        pointers = tuple(f"/conda_file{package.pointer}" for package in packages)
        yield BuildNote(pointers, f"{names}: from PyPI, not from conda")
    for package in conda_file.conda_packages:
        if package.build:
            text = f"{package.entry}: any build of that version, not {package.build}"
            yield BuildNote((f"/conda_file{package.pointer}",), text)
