"""The lock of an image: what each image that it starts from was resolved to, where it was pushed, and the lock for pip.

The lines about images are comments for pip, so that the rest is the lock that the builder `venv` makes as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.model import EMPTY_MAPPING

_BASE = re.compile(r"# base (?P<name>\S+) is (?P<pinned>\S+)")
_USER = re.compile(r"# user (?P<user>\S+)")
_IMAGE = re.compile(r"# pushed as (?P<pinned>\S+@sha256:[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class DockerLock:
    """What an image is built from, as its lock says it."""

    bases: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    """What each image is pinned to, by the name that the environment has for it."""
    packages: str = ""
    """The lock for pip; blank for none."""
    pushed: str = ""
    """The image itself in a registry, by digest; blank if it is in none."""
    user: str = ""
    """That of the image that packages are installed on; blank for root."""


def parse_docker_lock(text: str) -> DockerLock:
    """Return what a lock says."""
    lines = text.splitlines(keepends=True)
    bases = {match["name"]: match["pinned"] for line in lines if (match := _BASE.fullmatch(line.rstrip("\n")))}
    pushed = [match["pinned"] for line in lines if (match := _IMAGE.fullmatch(line.rstrip("\n")))]
    users = [match["user"] for line in lines if (match := _USER.fullmatch(line.rstrip("\n")))]
    rest = (line for line in lines if not any(pattern.match(line) for pattern in (_BASE, _IMAGE, _USER)))
    return DockerLock(bases, "".join(rest), (pushed or [""])[-1], (users or [""])[-1])


def format_docker_lock(lock: DockerLock) -> str:
    """Return a lock as it is recorded."""
    bases = "".join(f"# base {name} is {pinned}\n" for name, pinned in lock.bases.items())
    user = f"# user {lock.user}\n" if lock.user else ""
    return bases + user + (f"# pushed as {lock.pushed}\n" if lock.pushed else "") + lock.packages
