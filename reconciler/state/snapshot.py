"""One commit of the live state as a value: what is in it is read when it is looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from reconciler.diagnostics import UserError, user_error
from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import (
    Address,
    Builds,
    Json,
    Pin,
    Record,
    Run,
    State,
    TreeEntry,
    lookup_under_former_names,
    parse_address,
)
from reconciler.model.step_runs import StepRun
from reconciler.state import codec, paths
from reconciler.state.current_records import NOT_A_RECORD, CurrentRecords
from reconciler.state.experiments import read_experiment, read_open_experiments

_S = TypeVar("_S")

STATE_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The live state at one commit; ``ref`` is the ref that it was read from, for messages."""

    repository: Repository
    ref: str
    commit: str
    prefetched_files: dict[str, bytes] = field(
        default_factory=dict, compare=False
    )  # files that were read before they are asked
    history_listings: dict[str, frozenset[str]] = field(
        default_factory=dict, compare=False
    )  # what is in folders of histories

    def load_state(self, meta: Mapping[str, Json]) -> State:
        """Return the state as a value, given its meta data."""
        applied, store = meta.get("applied", ""), meta.get("store", "")
        rollback = codec.decode_rollback(meta.get("rollback"))
        current = CurrentRecords(self)
        run, version = (
            lookup_under_former_names(current, self.read_run),
            lookup_under_former_names(current, self.read_version),
        )
        rewritten = codec.decode_rewritten(meta.get("rewritten"))
        experiments = partial(read_open_experiments, self, run)
        return State(
            meta["lineage"],
            current,
            run,
            version,
            self.commit,
            applied,
            store,
            rollback,
            rewritten,
            self.read_builds,
            self.read_pin,
            experiments,
            find_steps=self.read_steps,
        )

    def read_meta(self, lineage: str) -> dict[str, Json]:
        """Return the meta data.

        Raises UserError ``state-corrupt``, ``state-foreign`` for another lineage, ``state-newer`` for a newer format.
        """
        raw = trees.read_file_at(self.repository, self.commit, paths.META_PATH)
        if raw is None:
            message = f"{self.ref} has no {paths.META_PATH}: it is not a live state of mlgit"
            raise user_error("state-corrupt", message, f"look at it with `git log {self.ref}`")
        try:
            meta = codec.decode_meta(raw)
        except codec.DECODE_ERRORS as error:
            raise self.corrupt_error(paths.META_PATH, "it is not meta data of mlgit") from error
        if meta["lineage"] != lineage:
            message = f"{self.ref} has the lineage {meta['lineage']}, mlgit.yml has {lineage}"
            raise user_error("state-foreign", message, "another workspace uses this state name: choose a different one")
        if meta["format"] > STATE_FORMAT:
            message = f"{self.ref} has format {meta['format']}; this mlgit knows {STATE_FORMAT}"
            raise user_error("state-newer", message, "install a newer mlgit")
        return meta

    def read_run(self, address: Address, run_id: str) -> Run | None:
        """Return one run of a job, or an experiment; None if the state has none of that name."""
        path, folder = paths.history_record_path(address, run_id), paths.history_folder(address)
        listing = self.history_listings.get(folder)
        is_absent = listing is not None and path.removeprefix(folder).partition("/")[0] not in listing
        raw = self.prefetched_files.get(path) or (None if is_absent else self.read_file(path))
        return self.parse_file(path, raw, codec.decode_run) if raw else read_experiment(self, address, run_id)

    def read_file(self, path: str) -> bytes | None:
        """Return the content of a file of the state; None if there is no such file."""
        return trees.read_file_at(self.repository, self.commit, path)

    def read_version(self, address: Address, number: str) -> Record | None:
        """Return one version of an asset; None if the state has none of that number."""
        path = paths.history_record_path(address, number)
        raw = trees.read_file_at(self.repository, self.commit, path)
        return self.parse_file(path, raw, codec.decode_record) if raw else None

    def read_builds(self, fingerprint: str) -> Builds:
        """Return the builds of an environment by the name of the builder; none if it was not built."""
        path = paths.builds_path(fingerprint)
        raw = trees.read_file_at(self.repository, self.commit, path)
        return self.parse_file(path, raw, codec.decode_builds) if raw else {}

    def read_pin(self, name: str) -> Pin | None:
        """Return the recipe that is pinned for an environment of a registry; None if none is."""
        path = paths.pin_path(name)
        raw = trees.read_file_at(self.repository, self.commit, path)
        return self.parse_file(path, raw, codec.decode_pin) if raw else None

    def read_steps(self, run_id: str) -> tuple[StepRun, ...]:
        """Return the steps of a pipeline or a sweep that has ended; none for any other run."""
        path = paths.steps_path(run_id)
        raw = self.read_file(path)
        return self.parse_file(path, raw, codec.decode_steps) if raw else ()

    def list_files(self, *folders: str) -> Mapping[str, TreeEntry]:
        """Return the files below folders of the state."""
        try:
            return trees.list_files(self.repository, self.commit, *folders)
        except trees.MissingObjectError as error:
            raise self.corrupt_error(", ".join(folders), "Git does not have all of it") from error

    def list_folder(self, path: str) -> Mapping[str, TreeEntry]:
        """Return the entries of a folder of the state; none if there is no such folder."""
        try:
            entries = trees.list_folder(self.repository, f"{self.commit}^{{tree}}")
            for name in path.split("/"):
                entry = entries.get(name)
                if entry is None or entry.mode != trees.FOLDER_MODE:
                    return {}
                entries = trees.list_folder(self.repository, entry.oid)
        except trees.MissingObjectError as error:
            raise self.corrupt_error(f"{path}/", "Git does not have all of it") from error
        return entries

    def read_files(self, entries: Mapping[str, TreeEntry], read: Callable[[bytes], _S]) -> list[_S]:
        """Return the decoded content of listed files, read in one batch."""
        raws = self._read_blobs(entries) if entries else {}
        return [self.parse_file(path, raws[entry.oid], read) for path, entry in entries.items()]

    def prefetch_runs(self, records: Iterable[Record]) -> None:
        """Read the current runs of many jobs, and list their histories, because they are about to be looked up."""
        jobs = [record for record in records if record.run and not record.formerly]
        run_paths = [paths.history_record_path(record.address, record.run) for record in jobs]
        folders = [paths.history_folder(record.address) for record in jobs]
        with suppress(trees.MissingObjectError):
            raws = trees.read_blobs(self.repository, [f"{self.commit}:{path}" for path in run_paths])
            self.prefetched_files.update(zip(run_paths, raws.values(), strict=True))
            listings = trees.list_folders(self.repository, self.commit, folders)
            self.history_listings.update({folder: frozenset(names) for folder, names in listings.items()})

    def parse_file(self, path: str, raw: bytes, read: Callable[[bytes], _S]) -> _S:
        """Return the decoded content of a file of the state. Raises UserError ``state-corrupt``."""
        try:
            return read(raw)
        except codec.DECODE_ERRORS as error:
            raise self.corrupt_error(path, NOT_A_RECORD) from error

    def corrupt_error(self, path: str, why: str) -> UserError:
        """Return the error for a file of the state that mlgit cannot have written."""
        message = f"{path} of the live state cannot be read: {why}"
        hint = f"run `mlgit state repair` to restore a good copy; `git log {self.ref} -- {path}` shows who wrote it"
        return user_error("state-corrupt", message, hint)

    def _read_blobs(self, entries: Mapping[str, TreeEntry]) -> Mapping[str, bytes]:
        try:
            return trees.read_blobs(self.repository, [entry.oid for entry in entries.values()])
        except trees.MissingObjectError as error:
            path = next(path for path, entry in entries.items() if entry.oid == error.oid)
            raise self.corrupt_error(path, "Git has no such object") from error


def former_and_current_names(record: Record) -> tuple[Address, ...]:
    """Return the addresses that a record had, oldest first, and the one that it has."""
    return (*map(parse_address, reversed(record.formerly)), record.address)


def changed_addresses(repository: Repository, before: str, after: str) -> frozenset[Address]:
    """Return the addresses whose records, versions or runs differ between two trees of live states.

    Raises MissingObjectError if Git does not have all of both.
    """
    addresses = (paths.record_address(path) for path in trees.changed_modes(repository, before, after))
    return frozenset(address for address in addresses if address is not None)
