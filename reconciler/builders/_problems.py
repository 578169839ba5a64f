"""What the builder `venv` cannot do with an environment, before anything is built."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from packaging.specifiers import SpecifierSet

from reconciler.builders._conda_file import find_conda_problems, python_requirements
from reconciler.builders._uv import run_uv
from reconciler.model.builder import BuildProblem


def find_problems(spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
    """Return everything in the spec of an environment that cannot be built here."""
    if spec.get("build"):
        message = "the venv builder cannot build a Docker context ('build')"
        hint = "declare a 'conda_file' instead, or use another builder"
        return (BuildProblem("/build", "builder-cannot", message, hint),)
    content = spec.get("conda_file")
    if not isinstance(content, Mapping):
        return ()
    problems = find_conda_problems("", content) or _find_missing_python(content)
    return tuple(replace(problem, pointer=f"/conda_file{problem.pointer}") for problem in problems)


def _find_missing_python(content: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
    """Return a problem if this machine has no Python of the required version."""
    required = python_requirements(content)
    specifiers = SpecifierSet(",".join(specifier for _, specifier in required))
    if specifiers.contains(platform.python_version(), prereleases=True):
        return ()
    if run_uv(["python", "find", "--no-project", "--system", str(specifiers)]).exit_code == 0:
        return ()
    message = f"there is no Python {specifiers} on this machine"
    hint = f"install one (uv python install), or require the one of this machine: {platform.python_version()}"
    return (BuildProblem(required[-1][0], "python-not-found", message, hint, is_certain=False),)
