"""What the builder `docker` does: container images, resolved to a digest or built, once for each content.

An image is tagged with its identity by the engine when it is whole: a build that was killed leaves none. The index of
the builder tells which image a fingerprint has.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import platformdirs

from reconciler.builders._accepted_locks import require_pip_lock
from reconciler.builders._docker_images import (
    current_base,
    find_image,
    find_python,
    push_image,
    resolve_image,
    try_image_imports,
)
from reconciler.builders._docker_listing import list_images, remove_image
from reconciler.builders._docker_lock import format_docker_lock, parse_docker_lock
from reconciler.builders._docker_make import ImageMaker, Made, identity_of
from reconciler.builders._docker_spec import find_notes, find_problems, make_plan
from reconciler.builders._lock import parse_lock
from reconciler.builders._prefix_files import (
    exclusive_lock,
    index_path,
    read_json,
    write_json,
)
from reconciler.builders._programs import terminate_children
from reconciler.diagnostics import Diagnostic, UserError, user_error
from reconciler.docker_engine import LABELS, engine_address, open_engine
from reconciler.model.builder import BuildNote, BuildPlan, BuildProblem, Built, LocalBuild, LockFile, ReportProgress
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Image

_INDEX_FORMAT = 1
_INDEX_TEXTS = frozenset({"identity", "image", "python", "platform", "lock", "base"})


class DockerBuilder:
    """Makes images on one engine; several processes may build at once."""

    def __init__(self, root: Path | None = None, engine: str = "", registry: str = "") -> None:
        self._root = (root or platformdirs.user_cache_path("mlgit") / "environments") / "docker"
        self._engine = engine_address(engine)
        self._registry = registry

    def plan(self, address: str, fingerprint: str, spec: Mapping[str, Any], lock: str = "") -> BuildPlan:
        problems = find_problems(spec)
        if problems:
            raise UserError(*(Diagnostic(item.code, f"{address}: {item.message}", hint=item.hint) for item in problems))
        parse_lock(address, parse_docker_lock(lock).packages)
        return make_plan(address, fingerprint, spec, lock)

    def check(self, spec: Mapping[str, Any]) -> tuple[BuildProblem, ...]:
        return find_problems(spec)

    def notes(self, spec: Mapping[str, Any]) -> tuple[BuildNote, ...]:
        return find_notes(spec)

    def accept_lock(self, plan: BuildPlan, file: LockFile) -> str:
        return require_pip_lock(plan, file, f"linux-{'64' if platform.machine() == 'x86_64' else platform.machine()}")

    def find(self, fingerprint: str) -> Built | None:
        index = self._read_index(fingerprint)
        if not index:
            return None
        with open_engine(self._engine) as client:
            image = find_image(client, index["image"])
        if image is None:
            return None
        return Built(
            environment=Image(index["image"], image.digest, index["variables"]),
            identity=index["identity"],
            platform=index["platform"],
            lock=index["lock"],
            python_version=index["python"],
            base=index["base"],
        )

    def build(self, plan: BuildPlan, store: ObjectStore, progress: ReportProgress) -> Built:
        try:
            with exclusive_lock(self._root, plan.fingerprint, progress):
                built = self.find(plan.fingerprint)
                if built and plan.lock in {"", built.lock}:
                    return built
                with open_engine(self._engine) as client:
                    maker = ImageMaker(client, self._engine, self._root, plan, store, progress)
                    made = self._pull_pushed(client, plan, progress) or maker.make()
                    self._write_index(plan, self._push(client, plan, made, progress))
                built = self.find(plan.fingerprint)
        except OSError as error:
            message = f"{plan.address}: the environment cannot be written below {self._root}: {error.strerror}"
            hint = "make that folder writable, or set MLGIT_CACHE_DIR to another one"
            raise user_error("cache-not-writable", message, hint) from error
        if built is None:
            message = f"{plan.address}: the image was removed from the engine while it was built"
            raise user_error("environment-build-failed", message, "do not remove images during a build")
        return built

    def try_imports(self, built: Built, modules: Sequence[str]) -> str:
        if not isinstance(built.environment, Image):
            raise TypeError(built.environment)
        with open_engine(self._engine) as client:
            return try_image_imports(client, built.environment, modules)

    def find_base(self, spec: Mapping[str, Any]) -> str:
        name = str(spec.get("image") or "")
        if not name:
            return ""
        with open_engine(self._engine) as client:
            return current_base(client, name)

    def list_builds(self) -> tuple[LocalBuild, ...]:
        with open_engine(self._engine) as client:
            return list_images(client, self._root)

    def remove(self, build: LocalBuild) -> bool:
        with open_engine(self._engine) as client:
            return remove_image(client, self._root, build)

    def stop(self) -> None:
        terminate_children()

    def _pull_pushed(self, client: docker.DockerClient, plan: BuildPlan, progress: ReportProgress) -> Made | None:
        """Return the image of a recorded lock from the registry that it was pushed to; None if it was not."""
        locked = parse_docker_lock(plan.lock)
        if not locked.pushed:
            return None
        image = resolve_image(client, plan.address, locked.pushed, progress)
        identity = image.labels.get(f"{LABELS}identity") or identity_of(image.id)
        return Made(image, identity, locked, find_python(client, image.id))

    def _push(self, client: docker.DockerClient, plan: BuildPlan, made: Made, progress: ReportProgress) -> Made:
        """Push an image that is in no registry to that of the settings, if they name one."""
        if not self._registry or not made.image.is_local:
            return made
        progress(f"pushing the image to {self._registry}")
        image = push_image(client, plan.address, made.image.id, self._registry, made.identity[:16])
        return made._replace(image=image, lock=replace(made.lock, pushed=image.pinned))

    def _write_index(self, plan: BuildPlan, made: Made) -> None:
        index = {
            "format": _INDEX_FORMAT,
            "identity": made.identity,
            "image": made.image.id if made.image.is_local else made.image.pinned,
            "python": made.python.version if made.python else "",
            "platform": made.python.platform if made.python else made.image.platform,
            "lock": format_docker_lock(made.lock),
            "base": next(iter(made.lock.bases.values()), ""),
            "variables": dict(plan.variables),
        }
        write_json(index_path(self._root, plan.fingerprint), index)

    def _read_index(self, fingerprint: str) -> dict[str, Any]:
        index = read_json(index_path(self._root, fingerprint))
        is_complete = isinstance(index.get("variables"), dict) and index.keys() >= _INDEX_TEXTS
        return index if index.get("format") == _INDEX_FORMAT and is_complete else {}


def make_docker_builder(settings: Mapping[str, Any], root: Path | None, _workspace: Path | None) -> DockerBuilder:
    """Return the builder that a block of mlgit.yml describes."""
    return DockerBuilder(root, str(settings.get("engine") or ""), str(settings.get("registry") or ""))
