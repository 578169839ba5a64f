"""The images that the builder `docker` made, by their labels: to list and to remove them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound

from reconciler.builders._prefix_files import INDEX_FOLDER, index_path, read_json
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
    """Remove an image with all its tags, and its entries in the index; return False if a container uses it."""
    try:
        image = client.images.get(build.id)
        if client.containers.list(all=True, filters={"ancestor": build.id}):
            return False
        for name in image.tags:
            client.images.remove(name)
        client.images.remove(build.id, force=True)
    except ImageNotFound:
        pass  # its last tag was removed, and the image with it
    except APIError as error:
        if error.status_code == _CONFLICT:
            return False
        raise
    for fingerprint in build.fingerprints:
        index_path(root, fingerprint).unlink(missing_ok=True)
    return True


def _seconds(created: str) -> float:
    """Return a time of the engine in seconds; it has nanoseconds, of which Python reads six digits."""
    head, _, fraction = created.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{head}.{fraction[:6] or '0'}+00:00").timestamp() if head else 0.0
