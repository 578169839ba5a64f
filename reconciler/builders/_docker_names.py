"""What belongs to the identity of an image of the builder `docker`: its tag, and the log of its build."""

from __future__ import annotations

from pathlib import Path

_REPOSITORY = "mlgit/environment"


def short_identity(identity: str) -> str:
    """Return the part of an identity that names have."""
    return identity[:16]


def image_tag(identity: str) -> str:
    """Return the tag that the engine gives to the image when it is whole."""
    return f"{_REPOSITORY}:{short_identity(identity)}"


def log_path(root: Path, identity: str) -> Path:
    """Return the file with the log of the build below the folder of the builder."""
    return root / "logs" / f"{short_identity(identity)}.log"
