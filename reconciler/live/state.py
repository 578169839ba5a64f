"""The live state in its Git ref: read as a value, written by compare-and-swap, its history told."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from reconciler.diagnostics import UserError, failure
from reconciler.git import refs, trees
from reconciler.git.repository import Repository
from reconciler.live import codec, layout
from reconciler.model import Address, Entry, Json, Live, Record, Run

_T = TypeVar("_T", Record, Run)

FORMAT = 1
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Writes:
    """What one write puts into the state: current records, versions and runs for the history, and the meta data."""

    current: tuple[Record, ...] = ()
    removed: tuple[Address, ...] = ()
    versions: tuple[Record, ...] = ()
    runs: tuple[Run, ...] = ()
    meta: Mapping[str, Json] | None = None

    def __bool__(self) -> bool:
        return any((self.current, self.removed, self.versions, self.runs, self.meta))

    def __add__(self, other: Writes) -> Writes:
        return Writes(
            self.current + other.current,
            self.removed + other.removed,
            self.versions + other.versions,
            self.runs + other.runs,
            {**(self.meta or {}), **(other.meta or {})},
        )


@dataclass(frozen=True, slots=True)
class State:
    """The live state of one target: a ref in a repository, and the lineage it must have."""

    repository: Repository
    name: str
    lineage: str
    target: str = "default"

    @property
    def ref(self) -> str:
        """The ref that holds the live state."""
        return f"refs/mlgit/{self.name}/{self.target}/live"

    @property
    def sources(self) -> str:
        """The ref prefix that keeps applied commits reachable."""
        return f"refs/mlgit/{self.name}/{self.target}/sources"

    def read(self, commit: str = "") -> Live:
        """Read the state as it is, or as it was at one of its commits."""
        commit = commit or refs.read(self.repository, self.ref)
        if not commit:
            return Live(self.lineage, {}, lambda *_: None, lambda *_: None)
        meta = self._meta(commit)
        records = self._all(commit, layout.CURRENT, codec.record)

        def older(address: Address, version: str) -> bytes | None:
            return trees.file_at(self.repository, commit, layout.history(address, version))

        def run(address: Address, run_id: str) -> Run | None:
            raw = older(address, run_id)
            return self._parsed(layout.history(address, run_id), raw, codec.run) if raw else None

        def version(address: Address, number: str) -> Record | None:
            raw = older(address, number)
            return self._parsed(layout.history(address, number), raw, codec.record) if raw else None

        current = {each.address: each for each in sorted(records, key=lambda each: each.address)}
        return Live(self.lineage, current, run, version, commit, meta.get("applied", ""), meta.get("store", ""))

    def write(self, writes: Writes, message: str) -> None:
        """Put records into the state; on a lost race the write is made again on what the winner wrote."""
        for attempt in range(_TRIES):
            base = refs.read(self.repository, self.ref)
            files = self._files(base, writes)
            commit = refs.commit_files(self.repository, base, files, message)
            if refs.swap(self.repository, self.ref, commit, base):
                return
            time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))  # noqa: S311 - spreads writers, no secret
        message = f"{self.ref} kept changing under {_TRIES} tries to write it"
        raise failure("state-busy", message, "run the command again")

    def runs_of(self, address: Address) -> Iterator[Run]:
        """Yield every run of a job, oldest first."""
        commit = refs.read(self.repository, self.ref)
        found = self._all(commit, layout.history_of(address), codec.run) if commit else []
        yield from sorted(found, key=lambda run: (run.submitted_at, run.attempt))

    def history(self, limit: int) -> Iterator[refs.Moment]:
        """Yield who changed the state, when and how, newest first."""
        if refs.read(self.repository, self.ref):
            yield from refs.history(self.repository, self.ref, limit)

    def keep_source(self, commit: str) -> None:
        """Keep an applied commit reachable, whatever becomes of its branch."""
        refs.swap(self.repository, f"{self.sources}/{commit}", commit, "")

    def _files(self, base: str, writes: Writes) -> dict[str, bytes | None]:
        meta = self._meta(base) if base else {"format": FORMAT, "lineage": self.lineage, "name": self.name}
        files: dict[str, bytes | None] = {}
        if not base or writes.meta:
            files[layout.META] = codec.encode({**meta, **(writes.meta or {})})
        files |= {layout.current(each.address): codec.dump(each) for each in writes.current}
        files |= {layout.current(each): None for each in writes.removed}
        files |= {layout.history(each.address, each.version): codec.dump(each) for each in writes.versions}
        files |= {layout.history(each.address, each.id): codec.dump(each) for each in writes.runs}
        return files

    def _all(self, commit: str, folder: str, read: Callable[[bytes], _T]) -> list[_T]:
        """Read everything below a folder of the state."""
        try:
            entries = trees.entries(self.repository, commit, folder)
        except trees.MissingObjectError as error:
            raise self._corrupt(folder, "Git has not all of it") from error
        raws = self._blobs(entries) if entries else {}
        return [self._parsed(path, raws[entry.oid], read) for path, entry in entries.items()]

    def _blobs(self, entries: Mapping[str, Entry]) -> Mapping[str, bytes]:
        try:
            return trees.blobs(self.repository, [each.oid for each in entries.values()])
        except trees.MissingObjectError as error:
            path = next(path for path, each in entries.items() if each.oid == error.oid)
            raise self._corrupt(path, "Git has no such object") from error

    def _parsed(self, path: str, raw: bytes, read: Callable[[bytes], _T]) -> _T:
        try:
            return read(raw)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise self._corrupt(path, "it is no record of mlgit") from error

    def _corrupt(self, path: str, why: str) -> UserError:
        message = f"{path} of the live state cannot be read: {why}"
        hint = f"see who wrote it with `git log {self.ref} -- {path}`; `git update-ref {self.ref} COMMIT` goes back"
        return failure("state-corrupt", message, hint)

    def _meta(self, commit: str) -> dict[str, Json]:
        raw = trees.file_at(self.repository, commit, layout.META)
        if raw is None:
            message = f"{self.ref} has no {layout.META}: it is not a live state of mlgit"
            raise failure("state-corrupt", message, f"look at it with `git log {self.ref}`")
        try:
            meta: dict[str, Json] = json.loads(raw)
            lineage, written = str(meta["lineage"]), int(meta["format"])
        except (ValueError, LookupError, TypeError) as error:
            raise self._corrupt(layout.META, "it is no meta data of mlgit") from error
        if lineage != self.lineage:
            message = f"{self.ref} has the lineage {lineage}, mlgit.yml has {self.lineage}"
            raise failure("state-foreign", message, "another workspace has this state name: give this one another")
        if written > FORMAT:
            message = f"{self.ref} has format {written}; this mlgit knows {FORMAT}"
            raise failure("state-newer", message, "install a newer mlgit")
        return meta
