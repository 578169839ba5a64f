"""What the builder `docker` makes of an environment, what of it it cannot do, and what it does otherwise; pure."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from packaging.specifiers import SpecifierSet

from reconciler.builders._accepted_locks import require_pip_lock
from reconciler.builders._conda_file import CondaFile, read_conda_file
from reconciler.builders._docker_lock import parse_docker_lock
from reconciler.builders._dockerfile import make_dockerfile
from reconciler.builders._dockerfile_images import pin_bases
from reconciler.builders._image import is_reference, parse_image
from reconciler.builders._lock import parse_lock
from reconciler.builders._notes import package_notes
from reconciler.builders._problems import conda_content, image_name
from reconciler.builders._pypi_names import CONDA_BUILDER
from reconciler.builders._python import format_python
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.builder import BuildNote, BuildPlan, BuildProblem, LockFile

DEFAULT_DOCKERFILE = "Dockerfile"
_CANNOT = "builder-cannot"
_MAX_PATCH = 100
# The builder conda makes folders, which no backend takes that runs images.
_IN_AN_IMAGE = (
    "install it with conda in a Dockerfile of your own (build:), or run the jobs on a backend that takes folders, with "
    "the builder conda"
)


def plan_build(address: str, fingerprint: str, spec: Mapping[str, Any], lock: str) -> BuildPlan:
    """Return what would be built; raises UserError with everything that the builder cannot do, or for a wrong lock."""
    problems = find_problems(spec)
    if problems:
        raise UserError(*(Diagnostic(item.code, f"{address}: {item.message}", hint=item.hint) for item in problems))
    parse_lock(address, parse_docker_lock(lock).packages)
    return make_plan(address, fingerprint, spec, lock)


def accept_lock(plan: BuildPlan, file: LockFile) -> str:
    """Return a lock that another tool wrote, for images of the architecture of this machine."""
    return require_pip_lock(plan, file, f"linux-{'64' if platform.machine() == 'x86_64' else platform.machine()}")


def make_plan(address: str, fingerprint: str, spec: Mapping[str, Any], lock: str) -> BuildPlan:
    """Return what would be built of an environment that has no problems."""
    conda_file = read_conda_file(conda_content(spec))
    return BuildPlan(
        address=address,
        fingerprint=fingerprint,
        requires_python=conda_file.requires_python,
        packages=conda_file.packages,
        lock=lock,
        variables=dict(conda_file.variables),
        image=image_name(spec),
        dockerfile=_dockerfile_path(spec) if spec.get("build") else "",
    )


def show_dockerfile(address: str, spec: Mapping[str, Any], lock: str, read: Callable[[str], str]) -> str:
    """Return the Dockerfile of an environment: with the images of its lock, or else as they are declared."""
    locked = parse_docker_lock(lock)
    if spec.get("build"):
        return pin_bases(read(_dockerfile_path(spec)), locked.bases)
    plan = make_plan(address, "", spec, lock)
    base = locked.bases.get(plan.image, plan.image)
    if not plan.packages and not plan.requires_python:
        return f"FROM {base}\n"
    return make_dockerfile(address, base, plan.variables, locked.user)


def find_problems(spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
    """Return everything in the spec of an environment that the builder cannot do."""
    conda_file = read_conda_file(conda_content(spec))
    problems = [
        replace(
            problem,
            pointer=f"/conda_file{problem.pointer}",
            message=problem.message.replace("the venv builder", "the docker builder"),
            hint=problem.hint.replace("the venv builder", "the docker builder").replace(CONDA_BUILDER, _IN_AN_IMAGE),
        )
        for problem in conda_file.problems
    ]
    return (*problems, *_image_problems(spec, conda_file), *_context_problems(spec))


def find_notes(spec: Mapping[str, Any]) -> tuple[BuildNote, ...]:
    """Return the notes about an environment."""
    return tuple(package_notes(read_conda_file(conda_content(spec))))


def _image_problems(spec: Mapping[str, Any], conda_file: CondaFile) -> Iterator[BuildProblem]:
    name = image_name(spec)
    image = parse_image(name)
    if name and not is_reference(name):
        hint = "write it as repository:tag or repository@sha256:DIGEST, in lower case but for the tag"
        yield BuildProblem("/image", _CANNOT, f"{name!r} is not the name of an image", hint)
    elif image.is_windows:
        yield BuildProblem("/image", _CANNOT, f"{name} is an image of Windows", "name an image of Linux")
    elif not name and not spec.get("build"):
        yield BuildProblem("", _CANNOT, "the environment names no image", "add image:, or build: with a Dockerfile")
    elif "." in image.python and conda_file.requires_python and not _admits(conda_file, image.python):
        message = f"the image {name} has Python {image.python}; the conda file requires "
        hint = "name an image with that Python, or require the Python of the image"
        message += format_python(conda_file.requires_python)
        yield BuildProblem(f"/conda_file{conda_file.python_pointer}", "python-not-found", message, hint)


def _admits(conda_file: CondaFile, series: str) -> bool:
    specifiers = SpecifierSet(conda_file.requires_python)
    return any(specifiers.contains(f"{series}.{patch}", prereleases=True) for patch in range(_MAX_PATCH))


def _context_problems(spec: Mapping[str, Any]) -> Iterator[BuildProblem]:
    build = spec.get("build")
    if not build:
        return
    if not isinstance(build, Mapping) or not build.get("path"):
        yield BuildProblem("/build", _CANNOT, "the build context has no path", "write path: and a folder below build:")
        return
    if "://" in str(build["path"]):
        message = f"the build context {build['path']} is not a folder of the repository"
        yield BuildProblem("/build/path", _CANNOT, message, "put its files into the repository and name their folder")
    path = PurePosixPath(_dockerfile_path(spec))
    if path.is_absolute() or ".." in path.parts:
        message = f"the Dockerfile {path} is outside of its build context {build['path']}"
        hint = "move it into the context, or name a folder above both in build: path:"
        yield BuildProblem("/build/dockerfile_path", "dockerfile-outside", message, hint)


def _dockerfile_path(spec: Mapping[str, Any]) -> str:
    return str((spec.get("build") or {}).get("dockerfile_path") or DEFAULT_DOCKERFILE)
