"""What the builder `docker` does with the SDK of Docker: all but planning, and finding what it has made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import docker

from reconciler.builders._docker_bases import list_bases, remove_base
from reconciler.builders._docker_find import INDEX_FORMAT
from reconciler.builders._docker_images import current_base, find_python, push_image, resolve_image, try_image_imports
from reconciler.builders._docker_listing import list_images, remove_image
from reconciler.builders._docker_lock import format_docker_lock, parse_docker_lock
from reconciler.builders._docker_make import ImageMaker, Made, identity_of
from reconciler.builders._docker_names import short_identity
from reconciler.builders._finished import index_path
from reconciler.builders._prefix_files import cache_error, exclusive_lock, write_json
from reconciler.diagnostics import user_error
from reconciler.docker_engine import open_engine
from reconciler.docker_socket import LABELS
from reconciler.model.builder import BuildPlan, Built, LocalBuild, ReportProgress
from reconciler.model.object_store import ObjectStore
from reconciler.model.tasks import Image


class EngineWork(NamedTuple):
    """What is done on one engine; ``root`` is the folder of the builder, ``registry`` where images are pushed to."""

    root: Path
    address: str
    registry: str

    def build(
        self, plan: BuildPlan, store: ObjectStore, progress: ReportProgress, find: Callable[[str], Built | None]
    ) -> Built:
        """Build an image, or reuse the one that `find` returns; raises UserError."""
        try:
            with exclusive_lock(self.root, plan.fingerprint, progress):
                built = find(plan.fingerprint)
                if built and plan.lock in {"", built.lock}:
                    return built
                with open_engine(self.address) as client:
                    maker = ImageMaker(client, self.address, self.root, plan, store, progress)
                    made = _pull_pushed(client, plan, progress) or maker.make()
                    self._write_index(plan, self._push(client, plan, made, progress))
                built = find(plan.fingerprint)
        except OSError as error:
            raise cache_error(plan.address, self.root, error) from error
        if built is None:
            message = f"{plan.address}: the image was removed from the engine while it was built"
            raise user_error("environment-build-failed", message, "do not remove images during a build")
        return built

    def try_imports(self, image: Image, modules: Sequence[str]) -> str:
        """Return what is wrong with the first of the modules that an image cannot import."""
        with open_engine(self.address) as client:
            return try_image_imports(client, image, modules)

    def find_base(self, spec: Mapping[str, Any]) -> str:
        """Return what the image of an environment is resolved to now."""
        name = str(spec.get("image") or "")
        if not name:
            return ""
        with open_engine(self.address) as client:
            return current_base(client, name)

    def list_builds(self) -> tuple[LocalBuild, ...]:
        """Return all images that the builder made on the engine, and then the names of bases that it gave there."""
        with open_engine(self.address) as client:
            images = list_images(client, self.root)
            return (*images, *list_bases(client, self.root, images))

    def remove(self, build: LocalBuild) -> bool:
        """Remove an image, or the name of a base; return False if it is in use."""
        with open_engine(self.address) as client:
            return (remove_base if build.is_base else remove_image)(client, self.root, build)

    def _push(self, client: docker.DockerClient, plan: BuildPlan, made: Made, progress: ReportProgress) -> Made:
        """Push an image that is in no registry to that of the settings, if they name one."""
        if not self.registry or not made.image.is_local:
            return made
        progress(f"pushing the image to {self.registry}")
        image = push_image(client, plan.address, made.image.id, self.registry, short_identity(made.identity))
        return made._replace(image=image, lock=replace(made.lock, pushed=image.pinned))

    def _write_index(self, plan: BuildPlan, made: Made) -> None:
        index = {
            "format": INDEX_FORMAT,
            "identity": made.identity,
            "image": made.image.id if made.image.is_local else made.image.pinned,
            "python": made.python.version if made.python else "",
            "platform": made.python.platform if made.python else made.image.platform,
            "lock": format_docker_lock(made.lock),
            "base": next(iter(made.lock.bases.values()), ""),
            "variables": dict(plan.variables),
        }
        write_json(index_path(self.root, plan.fingerprint), index)


def _pull_pushed(client: docker.DockerClient, plan: BuildPlan, progress: ReportProgress) -> Made | None:
    """Return the image of a recorded lock from the registry that it was pushed to; None if it was not."""
    locked = parse_docker_lock(plan.lock)
    if not locked.pushed:
        return None
    image = resolve_image(client, plan.address, locked.pushed, progress)
    identity = image.labels.get(f"{LABELS}identity") or identity_of(image.id)
    return Made(image, identity, locked, find_python(client, image.id))
