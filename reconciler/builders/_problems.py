"""What a builder of prefixes, `venv` above all, cannot do with an environment, before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.builders._conda_file import CondaFile, read_conda_file
from reconciler.builders._image import parse_image
from reconciler.builders._interpreter import has_interpreter, missing_python
from reconciler.builders._python import require_python
from reconciler.model.builder import BuildProblem


def find_problems(spec: Mapping[str, Any], pythons: Mapping[str, str]) -> tuple[BuildProblem, ...]:
    """Return everything in the spec of an environment that cannot be built here."""
    certain = find_certain_problems(spec)
    if certain:
        return certain
    python = require_python(spec, read_conda_file(conda_content(spec)), pythons)
    if has_interpreter(python.specifier):
        return ()
    missing = missing_python(python.specifier, python.instead_of)
    return (
        BuildProblem(
            python.pointer,
            "python-not-found",
            missing.message,
            missing.hint,
            is_certain=False,
            settings={"pythons": missing.pythons},
        ),
    )


def find_certain_problems(spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
    """Return everything in the spec of an environment that cannot be built anywhere by the builder `venv`."""
    return find_general_problems(spec, "venv", read_conda_file(conda_content(spec)))


def find_general_problems(spec: Mapping[str, Any], builder: str, conda_file: CondaFile) -> tuple[BuildProblem, ...]:
    """Return everything in the spec of an environment that cannot be built anywhere by a builder of prefixes."""
    if spec.get("build"):
        message = f"the {builder} builder cannot build a Docker context ('build')"
        hint = "declare a 'conda_file' instead, or use another builder"
        return (BuildProblem("/build", "builder-cannot", message, hint),)
    problems = [replace(problem, pointer=f"/conda_file{problem.pointer}") for problem in conda_file.problems]
    if parse_image(image_name(spec)).is_windows:
        message = f"the {builder} builder cannot stand in for a Windows image: {image_name(spec)}"
        problems.append(BuildProblem("/image", "builder-cannot", message, "name an image of Linux"))
    return tuple(problems)


def conda_content(spec: Mapping[str, Any]) -> Any:
    """Return the conda file of an environment; the name of the file is left where the file is empty."""
    content = spec.get("conda_file") or {}
    return {} if isinstance(content, str) else content


def image_name(spec: Mapping[str, Any]) -> str:
    """Return the name of the image of an environment, "" for none."""
    return str(spec.get("image") or "")
