"""The images that the builder `docker` made, by their labels: to list and to remove them."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image
from filelock import FileLock, Timeout

from reconciler.builders._prefix_files import INDEX_FOLDER, index_path, lock_path, read_json
from reconciler.docker_engine import LABELS
from reconciler.model.builder import LocalBuild

_CONFLICT = 409


def list_images(client: docker.DockerClient, root: Path) -> tuple[LocalBuild, ...]:
    """Return the images with the label of the builder, each with the fingerprints whose index names its identity."""
    fingerprints: dict[str, set[str]] = {}
    folder = root / INDEX_FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        fingerprints.setdefault(str(read_json(path).get("identity")), set()).add(path.stem)
    return tuple(
        LocalBuild(
            str(image.id),
            frozenset(fingerprints.get(image.labels[f"{LABELS}identity"], ())),
            int(image.attrs.get("Size") or 0),
            _seconds(str(image.attrs.get("Created") or "")),
        )
        for image in client.images.list(filters={"label": f"{LABELS}identity"})
    )


def remove_image(client: docker.DockerClient, root: Path, build: LocalBuild) -> bool:
    """Remove an image with all its tags, and its entries in the index; return False if it is built or used just now."""
    image = _find(client, build.id)
    if image is None:
        return _forget(root, build)
    with ExitStack() as stack:
        try:
            for key in (*sorted(build.fingerprints), image.labels[f"{LABELS}identity"]):  # in the order of builds
                stack.enter_context(FileLock(lock_path(root, key), timeout=0))
        except Timeout:
            return False
        if client.containers.list(all=True, filters={"ancestor": build.id}):
            return False
        try:
            for name in (*image.tags, *image.attrs.get("RepoDigests", ()), build.id):
                with suppress(ImageNotFound):  # a digest goes with its tag, and the image with the last one
                    client.images.remove(name)
        except APIError as error:
            if error.status_code == _CONFLICT:
                return False
            raise
        return _forget(root, build)


def _find(client: docker.DockerClient, image_id: str) -> Image | None:
    try:
        return client.images.get(image_id)
    except ImageNotFound:
        return None


def _forget(root: Path, build: LocalBuild) -> bool:
    """Remove the entries of a build in the index."""
    for fingerprint in build.fingerprints:
        index_path(root, fingerprint).unlink(missing_ok=True)
    return True


def _seconds(created: str) -> float:
    """Return a time of the engine in seconds; it has nanoseconds, of which Python reads six digits."""
    head, _, fraction = created.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6] or '0'}+00:00").timestamp() if head else 0.0
