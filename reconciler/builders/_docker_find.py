"""Find a finished image of the builder `docker`: its index, and what the engine says of the image.

It imports nothing that builds, nor the SDK of Docker: a plan and an apply that use an image again need neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.builders._finished import read_index
from reconciler.docker_socket import engine_address, inspect_image
from reconciler.model.builds import FinishedBuild

FOLDER = "docker"
INDEX_FORMAT = 1
_PINNED_TAG = "mlgit/base"  # of images that are in no registry
_INDEX_TEXTS = frozenset({"identity", "image", "python", "platform", "lock", "base"})


class FoundImage(NamedTuple):
    """An image that the engine has.

    ``digest`` is that of its manifest in a registry, its id if it is in none, ``pinned`` a name that never means
    another image.
    """

    id: str
    digest: str
    pinned: str
    platform: str
    user: str
    labels: Mapping[str, str]

    @property
    def is_local(self) -> bool:
        """True if it is in no registry, as far as the engine knows."""
        return is_local_name(self.pinned)


def find_docker_image(
    settings: Mapping[str, Any], root: Path, _workspace: Path | None, fingerprint: str
) -> FinishedBuild | None:
    """Return the finished image of an environment, None if the engine has none."""
    index = read_docker_index(root / FOLDER, fingerprint)
    if not index or inspect_image(engine_address(str(settings.get("engine") or "")), index["image"]) is None:
        return None
    return FinishedBuild(index["python"] or index["platform"], index["lock"])


def read_docker_index(folder: Path, fingerprint: str) -> dict[str, Any]:
    """Return the index file of an environment; empty if there is none, or if it is not one of this mlgit."""
    return read_index(folder, fingerprint, INDEX_FORMAT, _INDEX_TEXTS)


def describe_image(name: str, attributes: Mapping[str, Any]) -> FoundImage:
    """Return an image from what the engine says of it, asked by that name."""
    image_id = str(attributes["Id"])
    digests = list(attributes.get("RepoDigests") or ())
    repository = image_repository(name)
    pinned = next((item for item in digests if image_repository(item) == repository), next(iter(digests), ""))
    config = attributes.get("Config") or {}
    return FoundImage(
        id=image_id,
        digest=pinned.partition("@")[2] or image_id,
        pinned=pinned or f"{_PINNED_TAG}:{image_id.partition(':')[2]}",
        platform=f"{attributes.get('Architecture')}-{attributes.get('Os')}",
        user=str(config.get("User") or ""),
        labels=dict(config.get("Labels") or {}),
    )


def is_local_name(name: str) -> bool:
    """Return True for the name that mlgit gives an image which is in no registry."""
    return name.startswith(f"{_PINNED_TAG}:")


def local_image_id(name: str) -> str:
    """Return the id of the image that mlgit gave a name, or another name as it is; the image may have lost its name."""
    return f"sha256:{name.rpartition(':')[2]}" if is_local_name(name) else name


def image_repository(name: str) -> str:
    """Return the name of an image without its tag and digest."""
    path = name.partition("@")[0]
    head, slash, last = path.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
