"""The names that builds give to images which are in no registry, ``mlgit/base:ID``, so that a Dockerfile can have them.

The folder of the builder has a note of each that its builds have given: for which environments, and whether the image
had a name of its own then. mlgit owns the name, not the image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image
from filelock import FileLock, Timeout

from reconciler.builders._docker_find import FoundImage, is_local_name
from reconciler.builders._finished import read_json
from reconciler.builders._prefix_files import lock_path, write_json
from reconciler.diagnostics import user_error
from reconciler.docker_socket import LABELS
from reconciler.model.builder import BuildPlan, LocalBuild

_FOLDER = "bases"
_FINGERPRINTS, _HAD_NAME = "fingerprints", "had_name"


def name_base(client: docker.DockerClient, root: Path, image: FoundImage, plan: BuildPlan) -> None:
    """Give a name to an image that is in no registry, for a build that holds the lock of its fingerprint.

    Raises UserError ``image-not-found`` if it was removed meanwhile.
    """
    with FileLock(_lock(root, image.pinned)):
        try:
            tagged = client.images.get(image.id)
        except ImageNotFound as error:
            message = f"{plan.address}: the image {image.pinned} was removed from the engine while it was used"
            raise user_error("image-not-found", message, "run `mlgit apply` again") from error
        note = read_json(_note(root, image.pinned))
        had_name = bool(note.get(_HAD_NAME)) or _has_other_name(tagged, image.pinned)
        fingerprints = sorted({*note.get(_FINGERPRINTS, ()), plan.fingerprint})
        write_json(_note(root, image.pinned), {_FINGERPRINTS: fingerprints, _HAD_NAME: had_name})
        tagged.tag(image.pinned)


def list_bases(client: docker.DockerClient, root: Path, own: Iterable[LocalBuild]) -> Iterator[LocalBuild]:
    """Yield the names that builds of this folder have given and that can be removed; ``own`` are its images.

    A name stays while another user of the engine has built an image on it with mlgit, and if it is the only one of an
    image that never had another.
    """
    known = {build.id for build in own}
    others = [image for image in _built_images(client) if image.id not in known]
    for image in client.images.list():
        for name in filter(is_local_name, image.tags):
            note = read_json(_note(root, name))
            is_last = not _has_other_name(image, name)
            if note and (note.get(_HAD_NAME) or not is_last) and not _is_built_on(image, others):
                yield LocalBuild(
                    name,
                    frozenset(note[_FINGERPRINTS]),
                    int(image.attrs.get("Size") or 0) if is_last else 0,
                    _note(root, name).stat().st_mtime,
                    is_base=True,
                )


def remove_base(client: docker.DockerClient, root: Path, build: LocalBuild) -> bool:
    """Remove a name, and the image with its last name; return False if a build, an image or a container uses it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(_lock(root, build.id), timeout=0))
            for fingerprint in read_json(_note(root, build.id)).get(_FINGERPRINTS, ()):
                stack.enter_context(FileLock(lock_path(root, fingerprint), timeout=0))
            if _is_built_on(client.images.get(build.id), _built_images(client)):
                return False
            client.images.remove(build.id)
        except Timeout:
            return False
        except ImageNotFound:
            pass  # it has been removed already
        except APIError as error:
            if error.status_code == 409:  # noqa: PLR2004 - a conflict: a container or an image needs it
                return False
            raise
        _note(root, build.id).unlink(missing_ok=True)
    return True


def _has_other_name(image: Image, name: str) -> bool:
    return any(tag != name for tag in image.tags)


def _built_images(client: docker.DockerClient) -> list[Image]:
    """Return the images that mlgit has built, for this folder or another."""
    return list(client.images.list(filters={"label": f"{LABELS}identity"}))


def _is_built_on(base: Image, images: Iterable[Image]) -> bool:
    """Return True if one of the images begins with all layers of another."""
    layers = _layers(base)
    return any(image.id != base.id and _layers(image)[: len(layers)] == layers for image in images)


def _layers(image: Image) -> list[str]:
    return list((image.attrs.get("RootFS") or {}).get("Layers") or ())


def _note(root: Path, name: str) -> Path:
    return root / _FOLDER / f"{name.rpartition(':')[2]}.json"


def _lock(root: Path, name: str) -> Path:
    return lock_path(root, hashlib.sha256(name.encode()).hexdigest())
