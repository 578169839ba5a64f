"""Which workspaces of this machine use which built environments: a file for each, beside the environments.

A workspace that is gone uses nothing any more. A workspace writes the file when it uses an environment; `mlgit env
prune` in it removes those of what it needs no longer.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from reconciler.project.state_session import StateSession

_OWNER_FILE = "workspace.json"
_HEX = frozenset("0123456789abcdef")


def environments_folder() -> Path:
    """Return where this machine keeps built environments."""
    cache = os.environ.get("MLGIT_CACHE_DIR")
    return (Path(cache) if cache else platformdirs.user_cache_path("mlgit")) / "environments"


@dataclass(frozen=True, slots=True)
class EnvironmentUses:
    """The uses of one target of one workspace, and how to find those of the others."""

    root: Path
    owner: str
    """The folder of the workspace."""
    target: str

    @property
    def _own(self) -> Path:
        digest = hashlib.sha256(f"{self.owner}\n{self.target}".encode()).hexdigest()
        return self.root / digest[:24]

    def note(self, fingerprint: str) -> None:
        """Note that the workspace uses an environment now."""
        self._own.mkdir(parents=True, exist_ok=True)
        (self._own / _OWNER_FILE).write_text(json.dumps({"folder": self.owner, "target": self.target}), "utf-8")
        (self._own / fingerprint).touch()

    def last_used(self, fingerprint: str) -> float:
        """Return when the workspace used an environment last, 0 if it never did."""
        path = self._own / fingerprint
        return path.stat().st_mtime if path.exists() else 0.0

    def used_by_others(self) -> Iterator[str]:
        """Yield the fingerprints of all environments that other workspaces and targets use, as far as they exist."""
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            if folder != self._own and _has_owner(folder):
                yield from (path.name for path in folder.iterdir() if _HEX.issuperset(path.name))

    def forget(self, fingerprint: str) -> None:
        """Forget that the workspace uses an environment."""
        (self._own / fingerprint).unlink(missing_ok=True)


def open_uses(session: StateSession) -> EnvironmentUses:
    """Return the uses of a workspace."""
    return EnvironmentUses(environments_folder() / "uses", str(session.shared_folder), session.config.target)


def _has_owner(folder: Path) -> bool:
    """Return True if the workspace of a folder of uses still exists; what cannot be read counts as if it did."""
    try:
        owner = json.loads((folder / _OWNER_FILE).read_text("utf-8"))["folder"]
    except (OSError, ValueError, KeyError):
        return True
    return Path(str(owner)).is_dir()


def days_ago(days: float) -> float:
    """Return the time so many days ago."""
    return time.time() - days * 86400
