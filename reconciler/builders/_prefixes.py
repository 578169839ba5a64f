"""The environments of a builder as folders of this machine: named by content, marked when finished, built once.

A prefix is used only if it has its marker, which is written last: a build that was killed leaves no usable prefix.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from reconciler.builders._finished import (
    MARKER,
    PREFIX_INDEX_FORMAT,
    PrefixKind,
    finished_prefix,
    index_path,
    is_finished,
    prefix_path,
    read_json,
    read_prefix_index,
)
from reconciler.builders._prefix_files import (
    cache_error,
    exclusive_lock,
    list_prefixes,
    remove_listed_prefix,
    remove_prefix,
    write_json,
)
from reconciler.diagnostics import user_error
from reconciler.model import EMPTY_MAPPING
from reconciler.model.builder import BuildPlan, Built, LocalBuild, ReportProgress
from reconciler.model.tasks import Prefix


class PrefixVariables(NamedTuple):
    """What a prefix needs to be used besides its ``bin``: variables, and folders of programs that come before it."""

    variables: Mapping[str, str] = EMPTY_MAPPING
    path_entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PrefixContent:
    """What a prefix is to have in it; ``choices`` are what the builder compares to know that it would choose the same.

    ``install`` makes the prefix, which does not exist when it is called, and returns what it needs to be used.
    """

    lock: str
    python: str
    platform: str
    install: Callable[[Path], PrefixVariables]
    choices: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)

    @property
    def identity(self) -> str:
        """The digest of the content."""
        return hashlib.sha256(json.dumps([self.lock, self.python, self.platform]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PrefixFolder:
    """The prefixes of a builder below a folder; several processes may build at once.

    ``variable`` is the environment variable that names the prefix.
    """

    path: Path
    kind: PrefixKind
    variable: str

    def find(self, fingerprint: str, is_current: Callable[[Mapping[str, Any]], bool]) -> Built | None:
        """Return the finished build of a fingerprint if its index, with the choices made, is current; else None."""
        index = self.read_index(fingerprint)
        if not index or not is_current(index):
            return None
        finished = finished_prefix(self.path, self.kind, index)
        if finished is None:
            return None
        prefix = finished.folder
        own = _own_variables(Path(prefix))
        variables = {**own.variables, **index["variables"], self.variable: prefix}
        return Built(
            environment=Prefix(prefix, platform.node(), variables, own.path_entries),
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
            raise cache_error(plan.address, self.path, error) from error
        if not built:
            message = f"{plan.address}: the environment was removed while it was built"
            raise user_error("environment-build-failed", message, f"do not remove files of {self.path} during a build")
        return built

    def read_index(self, fingerprint: str) -> dict[str, Any]:
        """Return the index file of an environment; empty if there is none, or if it is not one of this mlgit."""
        return read_prefix_index(self.path, self.kind, fingerprint)

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
        prefix = prefix_path(self.path, self.kind, identity)
        with exclusive_lock(self.path, identity, progress):
            if not is_finished(prefix, identity):
                remove_prefix(prefix)
                try:
                    own = content.install(prefix)
                except BaseException:
                    remove_prefix(prefix)
                    raise
                marker = {"identity": identity, "python": content.python, "lock": content.lock}
                needs = {"variables": dict(own.variables), "path_entries": own.path_entries}
                about = {"environment": plan.address}
                write_json(prefix / MARKER, {**marker, **needs, **about})
        index = {
            "format": PREFIX_INDEX_FORMAT,
            "identity": identity,
            "python": content.python,
            "platform": content.platform,
            "lock": content.lock,
            "variables": dict(plan.variables),
            "variant": plan.variant,
            **content.choices,
        }
        write_json(index_path(self.path, plan.fingerprint), index)


def _own_variables(prefix: Path) -> PrefixVariables:
    """Return what the marker of a prefix says that it needs; those of older builds say nothing."""
    marker = read_json(prefix / MARKER)
    return PrefixVariables(marker.get("variables", EMPTY_MAPPING), tuple(marker.get("path_entries", ())))


def environments_folder(root: Path | None) -> Path:
    """Return the folder with the environments of all builders; None is that of the user's cache."""
    return root or platformdirs.user_cache_path("mlgit") / "environments"
