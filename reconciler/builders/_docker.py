"""What the builder `docker` does: container images, resolved to a digest or built, once for each content.

An image is tagged with its identity by the engine when it is whole: a build that was killed leaves none. The index of
the builder tells which image a fingerprint has. Imported by name: what plans a build, and ``_docker_work`` with the SDK
of Docker, so that an image that is used again needs neither.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from reconciler.builders._docker_find import FOLDER, describe_image, read_docker_index
from reconciler.docker_socket import engine_address, inspect_image
from reconciler.model.builder import BuildNote, BuildPlan, BuildProblem, Built, LocalBuild, LockFile, ReportProgress
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Image


class DockerBuilder:
    """Makes images on one engine; several processes may build at once. ``root`` is the folder of all builders."""

    def __init__(self, root: Path | None = None, engine: str = "", registry: str = "") -> None:
        self._root = (root or platformdirs.user_cache_path("mlgit") / "environments") / FOLDER
        self._engine = engine_address(engine)
        self._registry = registry

    def plan(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildPlan:
        plan: BuildPlan = _load("_docker_spec").plan_build(address, fingerprint, spec, lock)
        return plan

    def check(self, spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
        problems: tuple[BuildProblem, ...] = _load("_docker_spec").find_problems(spec)
        return problems

    def notes(self, spec: Mapping[str, Any]) -> tuple[BuildNote, ...]:
        notes: tuple[BuildNote, ...] = _load("_docker_spec").find_notes(spec)
        return notes

    def accept_lock(self, plan: BuildPlan, file: LockFile) -> str:
        return str(_load("_docker_spec").accept_lock(plan, file))

    def find(self, fingerprint: str) -> Built | None:
        index = read_docker_index(self._root, fingerprint)
        attributes = inspect_image(self._engine, index["image"]) if index else None
        if attributes is None:
            return None
        return Built(
            environment=Image(index["image"], describe_image(index["image"], attributes).digest, index["variables"]),
            identity=index["identity"],
            platform=index["platform"],
            lock=index["lock"],
            python_version=index["python"],
            base=index["base"],
        )

    def build(self, plan: BuildPlan, store: ObjectStore, progress: ReportProgress) -> Built:
        built: Built = self._work().build(plan, store, progress, self.find)
        return built

    def try_imports(self, built: Built, modules: Sequence[str]) -> str:
        if not isinstance(built.environment, Image):
            raise TypeError(built.environment)
        return str(self._work().try_imports(built.environment, modules))

    def find_base(self, spec: Mapping[str, Any]) -> str:
        return str(self._work().find_base(spec))

    def list_builds(self) -> tuple[LocalBuild, ...]:
        builds: tuple[LocalBuild, ...] = self._work().list_builds()
        return builds

    def remove(self, build: LocalBuild) -> bool:
        return bool(self._work().remove(build))

    def stop(self) -> None:
        _load("_programs").terminate_children()

    def _work(self) -> Any:
        return _load("_docker_work").EngineWork(self._root, self._engine, self._registry)


def _load(module: str) -> Any:
    return importlib.import_module(f"reconciler.builders.{module}")


def make_docker_builder(settings: Mapping[str, Any], root: Path | None, _workspace: Path | None) -> DockerBuilder:
    """Return the builder that a block of mlgit.yml describes."""
    return DockerBuilder(root, str(settings.get("engine") or ""), str(settings.get("registry") or ""))
