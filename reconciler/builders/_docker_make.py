"""Makes one image of the builder `docker`: as it is named, with packages of a lock, or from a build context."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import docker
from packaging.specifiers import SpecifierSet

from reconciler.builders._docker_bases import name_base
from reconciler.builders._docker_build import ImageBuild, build_image
from reconciler.builders._docker_context import context_digest, read_dockerfile, remove_ignored, stage_context
from reconciler.builders._docker_find import FoundImage
from reconciler.builders._docker_images import ImagePython, find_image, find_python, resolve_image
from reconciler.builders._docker_lock import DockerLock, parse_docker_lock
from reconciler.builders._docker_names import image_tag, log_path
from reconciler.builders._docker_spec import DEFAULT_DOCKERFILE
from reconciler.builders._docker_staging import Staging, open_staging
from reconciler.builders._dockerfile import REQUIREMENTS, make_classic_dockerfile, make_dockerfile
from reconciler.builders._dockerfile_images import find_bases, find_floating, pin_bases
from reconciler.builders._prefix_files import exclusive_lock, format_package_count
from reconciler.builders._python import format_python
from reconciler.builders._uv import compile_lock
from reconciler.diagnostics import user_error
from reconciler.docker_socket import LABELS
from reconciler.model.builder import BuildPlan, ReportProgress
from reconciler.model.object_store import ObjectStore


class Made(NamedTuple):
    """An image that is whole, and what is recorded of it."""

    image: FoundImage
    identity: str
    lock: DockerLock
    python: ImagePython | None


@dataclass(frozen=True, slots=True)
class ImageMaker:
    """What one build uses: the engine, by its client and its address, the folder of the builder, plan and store."""

    client: docker.DockerClient
    engine: str
    root: Path
    plan: BuildPlan
    store: ObjectStore
    progress: ReportProgress

    def make(self) -> Made:
        """Return the image of the plan, whole; raises UserError."""
        client, plan, progress = self.client, self.plan, self.progress
        if plan.dockerfile:
            return self._build_context()
        locked = parse_docker_lock(plan.lock)
        base = self._resolve(locked.bases.get(plan.image, plan.image))
        lock = DockerLock({plan.image: base.pinned})
        python = find_python(client, base.id)
        if not plan.packages and not plan.requires_python:
            return Made(base, identity_of(base.digest), lock, python)
        python = _require_python(plan, python)
        if plan.packages and not locked.packages:
            progress(f"resolving {format_package_count(len(plan.packages))}")
        packages = locked.packages or compile_lock(plan.address, plan.packages, python.target, progress)
        dockerfile = make_dockerfile(plan.address, base.pinned, plan.variables, base.user)
        recipe = make_dockerfile("", base.pinned, plan.variables, base.user)
        identity = identity_of(recipe, base.digest, packages, python.version, python.platform)
        with open_staging(self.root, plan.fingerprint) as staging:
            (staging.context / REQUIREMENTS).write_text(packages, encoding="utf-8")
            classic = make_classic_dockerfile(plan.address, base.pinned, plan.variables)
            image = self._build_once(identity, staging, dockerfile, classic)
        return Made(image, identity, replace(lock, packages=packages, user=base.user), python)

    def _resolve(self, name: str) -> FoundImage:
        """Return an image by its name; one that is in no registry gets a name that a Dockerfile can have."""
        found = resolve_image(self.client, self.plan.address, name, self.progress)
        if found.is_local:
            name_base(self.client, self.root, found, self.plan)
        return found

    def _build_context(self) -> Made:
        client, plan, progress = self.client, self.plan, self.progress
        if plan.context is None:
            message = f"{plan.address}: a build context needs an environment with a file of its own"
            raise user_error("builder-cannot", message, "declare the environment in a file, and name it in the job")
        with open_staging(self.root, plan.fingerprint) as staging:
            folder = staging.context
            stage_context(self.store, plan.context, folder)
            text = read_dockerfile(plan.address, folder, plan.dockerfile)
            remove_ignored(plan.address, folder, plan.dockerfile)
            locked, bases = parse_docker_lock(plan.lock), {}
            for base in find_bases(text):
                bases[base] = self._resolve(locked.bases.get(base, base)).pinned
            if floating := find_floating(text):
                progress(f"not pinned, because their arguments have no defaults: {', '.join(floating)}")
            digest = context_digest(folder)
            identity = identity_of(pin_bases(text, bases), digest)
            image = self._build_once(identity, staging, pin_bases(text, bases))
            if context_digest(folder) != digest:
                client.images.remove(image_tag(identity), force=True)
                message = f"{plan.address}: a file of the build context changed during the build"
                raise user_error("file-changed", message, "run `mlgit apply` again")
        return Made(image, identity, DockerLock(bases), find_python(client, image.id))

    def _build_once(self, identity: str, staging: Staging, dockerfile: str, classic: str | None = None) -> FoundImage:
        """Return the image of an identity, built unless the engine has it; ``classic`` is as of ``ImageBuild``."""
        plan, progress, tag = self.plan, self.progress, image_tag(identity)
        with exclusive_lock(self.root, identity, progress):
            if found := _find_finished(self.client, identity):
                return found
            progress(f"building the image {tag}")
            labels = {f"{LABELS}identity": identity, f"{LABELS}environment": plan.address}
            log = log_path(self.root, identity)
            build = ImageBuild(
                *(plan.address, self.engine, staging, dockerfile, tag, log, labels),
                path=plan.dockerfile or DEFAULT_DOCKERFILE,
                classic=classic,
            )
            build_image(self.client, build, progress)
            found = _find_finished(self.client, identity)
        if found is None:
            message = f"{plan.address}: the engine does not have the image {tag} after it was built"
            raise user_error("environment-build-failed", message, f"the whole log is in {log}")
        return found


def _require_python(plan: BuildPlan, python: ImagePython | None) -> ImagePython:
    """Return the Python of an image if the environment can use it; raises UserError ``python-not-found``."""
    if python is None:
        message = f"{plan.address}: the image {plan.image} has no Python in which the packages could be installed"
        hint = "name an image with Python, such as python:3.11, or build one from a Dockerfile (build:)"
        raise user_error("python-not-found", message, hint)
    if not SpecifierSet(plan.requires_python).contains(python.version, prereleases=True):
        wanted = format_python(plan.requires_python)
        message = (
            f"{plan.address}: the image {plan.image} has Python {python.version}; the conda file requires {wanted}"
        )
        hint = "name an image with that Python, or require the Python of the image"
        raise user_error("python-not-found", message, hint)
    return python


def _find_finished(client: docker.DockerClient, identity: str) -> FoundImage | None:
    """Return the image of an identity; None if the engine has none, or another under its tag."""
    image = find_image(client, image_tag(identity))
    return image if image and image.labels.get(f"{LABELS}identity") == identity else None


def identity_of(*parts: str) -> str:
    """Return the digest of what an image is made of."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
