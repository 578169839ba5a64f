"""The images that the builder `docker` made, by their labels: to list and to remove them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image
from filelock import FileLock, Timeout

from reconciler.builders._docker_names import image_tag, log_path, short_identity
from reconciler.builders._finished import INDEX_FOLDER, index_path, read_json
from reconciler.builders._prefix_files import lock_path
from reconciler.docker_socket import LABELS
from reconciler.model.builder import LocalBuild

_CONFLICT = 409


def list_images(client: docker.DockerClient, root: Path) -> tuple[LocalBuild, ...]:
    """Return the images that were built or pulled for a folder of builds, each with the fingerprints of its index.

    The label alone says nothing: images that others build on one of mlgit inherit it, and another user of the engine
    has a folder of his own.
    """
    fingerprints: dict[str, set[str]] = {}
    folder = root / INDEX_FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        index = read_json(path)
        for name in (index.get("identity"), index.get("image")):
            fingerprints.setdefault(str(name), set()).add(path.stem)
    return tuple(
        LocalBuild(
            str(image.id),
            frozenset[str]().union(*(fingerprints.get(name, ()) for name in (_identity(image), *_pinned_names(image)))),
            int(image.attrs.get("Size") or 0),
            _seconds(str(image.attrs.get("Created") or "")),
            str(image.labels.get(f"{LABELS}environment", "")),
        )
        for image in client.images.list(filters={"label": f"{LABELS}identity"})
        if not fingerprints.keys().isdisjoint(_pinned_names(image)) or _is_built_here(image, root)
    )


def _identity(image: Image) -> str:
    return str(image.labels.get(f"{LABELS}identity", ""))


def _pinned_names(image: Image) -> tuple[str, ...]:
    """Return the id of an image, and its digests in registries."""
    return (*(image.attrs.get("RepoDigests") or ()), str(image.id))


def _is_built_here(image: Image, root: Path) -> bool:
    """Return True if an image has the tag of its identity, and the folder the log of its build."""
    return image_tag(_identity(image)) in image.tags and log_path(root, _identity(image)).exists()


def _has_other_names(image: Image) -> bool:
    """Return True if an image has a name that is not of mlgit: of the builder, or of its pushes."""
    own = (image_tag(_identity(image)), f"/environment:{short_identity(_identity(image))}")
    return any(name != own[0] and not name.endswith(own[1]) for name in image.tags)


def remove_image(client: docker.DockerClient, root: Path, build: LocalBuild) -> bool:
    """Remove an image with all its tags, and its entries in the index; return False if it is built or used just now.

    One that has another name is in use.
    """
    image = _find(client, build.id)
    if image is None:
        return _forget(root, build)
    with ExitStack() as stack:
        try:
            for key in (*sorted(build.fingerprints), image.labels[f"{LABELS}identity"]):  # in the order of builds
                stack.enter_context(FileLock(lock_path(root, key), timeout=0))
        except Timeout:
            return False
        _remove_probes(client)
        if _has_other_names(image) or _containers(client, {"ancestor": build.id}):
            return False
        try:
            for name in (*image.tags, *_pinned_names(image)):
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


def _containers(client: docker.DockerClient, filters: Mapping[str, str]) -> list[Container]:
    """Return the containers that match; one that is removed while the engine is asked is none."""
    found: list[Container] = client.containers.list(all=True, filters=dict(filters), ignore_removed=True)
    return found


def _remove_probes(client: docker.DockerClient) -> None:
    """Remove the containers that have tried an image for an mlgit that was killed."""
    for container in _containers(client, {"label": f"{LABELS}probe", "status": "exited"}):
        with suppress(APIError):  # who has started it removes it
            container.remove(v=True)


def _forget(root: Path, build: LocalBuild) -> bool:
    """Remove the entries of a build in the index."""
    for fingerprint in build.fingerprints:
        index_path(root, fingerprint).unlink(missing_ok=True)
    return True


def _seconds(created: str) -> float:
    """Return a time of the engine in seconds; it has nanoseconds, of which Python reads six digits."""
    head, _, fraction = created.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6] or '0'}+00:00").timestamp() if head else 0.0
