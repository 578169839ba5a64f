"""The environments of a builder as folders of this machine: named by content, marked when finished, built once.

A prefix is used only if it has its marker, which is written last: a build that was killed leaves no usable prefix.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from reconciler.builders._prefix_files import (
    MARKER,
    exclusive_lock,
    index_path,
    list_prefixes,
    read_json,
    remove_listed_prefix,
    remove_prefix,
    write_json,
)
from reconciler.diagnostics import user_error
from reconciler.model import EMPTY_MAPPING
from reconciler.model.builder import BuildPlan, Built, LocalBuild, ReportProgress
from reconciler.model.tasks import Prefix

_INDEX_FORMAT = 2  # of the index files; an environment whose index has another format is built again
_INDEX_TEXTS = frozenset({"identity", "python", "platform", "lock", "variant"})


@dataclass(frozen=True, slots=True)
class PrefixContent:
    """What a prefix is to have in it; ``choices`` are what the builder compares to know that it would choose the same.

    ``install`` makes the prefix, which does not exist when it is called.
    """

    lock: str
    python: str
    platform: str
    install: Callable[[Path], None]
    choices: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)

    @property
    def identity(self) -> str:
        """The digest of the content."""
        return hashlib.sha256(json.dumps([self.lock, self.python, self.platform]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PrefixFolder:
    """The prefixes of a builder below a folder; several processes may build at once.

    ``version`` is that of what is in a prefix besides its packages, ``variable`` the environment variable that names
    the prefix, ``choices`` are the names of the choices of each `PrefixContent`.
    """

    path: Path
    version: int
    variable: str
    choices: frozenset[str] = frozenset()

    def find(self, fingerprint: str, is_current: Callable[[Mapping[str, Any]], bool]) -> Built | None:
        """Return the finished build of a fingerprint if its index, with the choices made, is current; else None."""
        index = self.read_index(fingerprint)
        if not index or not is_current(index):
            return None
        prefix = self._prefix_path(index["identity"])
        if not _is_finished(prefix, index["identity"]):
            return None
        return Built(
            environment=Prefix(str(prefix), platform.node(), {**index["variables"], self.variable: str(prefix)}),
            identity=index["identity"],
            platform=index["platform"],
            lock=index["lock"],
            python_version=index["python"],
            variant=index["variant"],
        )

    def build(
        self,
        plan: BuildPlan,
        progress: ReportProgress,
        find: Callable[[str], Built | None],
        resolve: Callable[[], PrefixContent],
    ) -> Built:
        """Return the finished build of a plan; if there is none, make what `resolve` returns. Raise UserError."""
        try:
            with exclusive_lock(self.path, plan.fingerprint, progress):
                built = find(plan.fingerprint)
                if built and plan.lock in {"", built.lock}:
                    return built
                self._make(plan, resolve(), progress)
                built = find(plan.fingerprint)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                message = f"{plan.address}: the disk with {self.path} is full"
                hint = "free some space, or set MLGIT_CACHE_DIR to a folder on a larger disk"
                raise user_error("disk-full", message, hint) from error
            message = f"{plan.address}: the environment cannot be written below {self.path}: {error.strerror}"
            hint = "make that folder writable, or set MLGIT_CACHE_DIR to another one"
            raise user_error("cache-not-writable", message, hint) from error
        if not built:
            message = f"{plan.address}: the environment was removed while it was built"
            raise user_error("environment-build-failed", message, f"do not remove files of {self.path} during a build")
        return built

    def read_index(self, fingerprint: str) -> dict[str, Any]:
        """Return the index file of an environment; empty if there is none, or if it is not one of this mlgit."""
        index = read_json(index_path(self.path, fingerprint))
        is_complete = isinstance(index.get("variables"), dict) and index.keys() >= _INDEX_TEXTS | self.choices
        return index if index.get("format") == _INDEX_FORMAT and is_complete else {}

    def list_builds(self) -> tuple[LocalBuild, ...]:
        """Return the prefixes of this machine."""
        return list_prefixes(self.path)

    def remove(self, build: LocalBuild) -> bool:
        """Remove a prefix; return False if it is in use."""
        return remove_listed_prefix(self.path, build)

    @contextmanager
    def temporary_prefix(self, fingerprint: str) -> Iterator[Path]:
        """Give the path of a prefix for a build, which does not exist yet and is removed at the end."""
        prefix = self.path / f"temporary-{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}"
        remove_prefix(prefix)  # left by a build that was killed
        try:
            yield prefix
        finally:
            remove_prefix(prefix)

    def _make(self, plan: BuildPlan, content: PrefixContent, progress: ReportProgress) -> None:
        identity = content.identity
        prefix = self._prefix_path(identity)
        with exclusive_lock(self.path, identity, progress):
            if not _is_finished(prefix, identity):
                remove_prefix(prefix)
                try:
                    content.install(prefix)
                except BaseException:
                    remove_prefix(prefix)
                    raise
                write_json(prefix / MARKER, {"identity": identity, "python": content.python, "lock": content.lock})
        index = {
            "format": _INDEX_FORMAT,
            "identity": identity,
            "python": content.python,
            "platform": content.platform,
            "lock": content.lock,
            "variables": dict(plan.variables),
            "variant": plan.variant,
            **content.choices,
        }
        write_json(index_path(self.path, plan.fingerprint), index)

    def _prefix_path(self, identity: str) -> Path:
        return self.path / f"{identity[:16]}-{self.version}"


def environments_folder(root: Path | None) -> Path:
    """Return the folder with the environments of all builders; None is that of the user's cache."""
    return root or platformdirs.user_cache_path("mlgit") / "environments"


def python_path(prefix: Path) -> Path:
    """Return the path of the Python of a prefix."""
    if os.name != "nt":
        return prefix / "bin" / "python"
    in_scripts = prefix / "Scripts" / "python.exe"
    return in_scripts if in_scripts.exists() else prefix / "python.exe"


def _is_finished(prefix: Path, identity: str) -> bool:
    marker = read_json(prefix / MARKER)
    return bool(marker) and marker.get("identity") == identity and python_path(prefix).exists()
