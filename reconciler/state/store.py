"""The live state in its Git ref: read as a value, written by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reconciler.diagnostics import UserError, user_error
from reconciler.git.refs import Commit, NewCommit, RefUpdate, create_commits, ref_history
from reconciler.git.remotes import fetch_refs
from reconciler.git.repository import Repository
from reconciler.git.trees import changed_paths, list_files, read_file_at
from reconciler.model import Address, Json, Record, ReuseTarget, Run, State
from reconciler.model.builds import merge_builds
from reconciler.state import codec, paths
from reconciler.state.downloads import encode_download, read_download
from reconciler.state.experiments import list_experiments, read_experiments
from reconciler.state.record_history import read_runs, read_runs_of, read_versions
from reconciler.state.refs import LocalRefStore, RefStore, RemoteRefStore
from reconciler.state.retry import RetryAttempts
from reconciler.state.run_list import FolderMemory, ListedJob, list_jobs
from reconciler.state.snapshot import STATE_FORMAT as STATE_FORMAT
from reconciler.state.snapshot import Snapshot, former_and_current_names
from reconciler.state.write_batch import WriteBatch as WriteBatch
from reconciler.state.write_batch import merge_write_batches as merge_write_batches
from reconciler.state.write_batch import run_files

if TYPE_CHECKING:
    from reconciler.state.lease import HeldLock  # only an apply holds a lock

_R = TypeVar("_R", Run, codec.RunSummary)

LIVE_REF = "live"
SOURCES_PREFIX = "sources/"
_INDEX_PREFIX = "index/"
_INDEX_EXPORT_FILE = "index"


@dataclass(frozen=True, slots=True)
class StateStore:
    """The live state of one target: its refs, in a repository or at a ``remote`` of it, and the expected lineage.

    ``reuse_from`` are the targets whose runs may be adopted.
    """

    repository: Repository
    name: str
    lineage: str
    target: str = "default"
    remote: str = ""
    reuse_from: tuple[ReuseTarget, ...] = ()

    @property
    def ref_store(self) -> RefStore:
        """The refs of the state."""
        name = f"{self.name}/{self.target}"
        if not self.remote:
            return LocalRefStore(self.repository, name)
        return RemoteRefStore(self.repository, name, self.remote, self.local_folder)

    @property
    def local_folder(self) -> Path:
        """The folder for files of this clone that are no part of the state."""
        return self.repository.common / "mlgit"

    @property
    def live_ref(self) -> str:
        """The ref of this repository that has the live state, or the copy of the remote's."""
        return self.ref_store.ref_name(LIVE_REF)

    def head_commit(self) -> str:
        """Return the newest commit of the live state known here; "" for none."""
        return self.ref_store.read_ref(LIVE_REF) or self.ref_store.commit_before_sharing()

    def read(self, commit: str = "") -> State:
        """Return the state, now or at one of its commits; records are read when they are looked up."""
        snapshot = self._open_snapshot(commit)
        reuse_states = cache(self._read_reuse_states)
        if snapshot is None:
            return State(self.lineage, {}, lambda *_: None, lambda *_: None, read_reuse_states=reuse_states)
        state = snapshot.load_state(self._read_meta(snapshot))
        return state._replace(find_download=partial(read_download, snapshot), read_reuse_states=reuse_states)

    def _read_reuse_states(self) -> Mapping[str, State]:
        """Return the live states of the targets whose runs may be adopted."""
        stores = {
            source.target: StateStore(self.repository, source.state, source.lineage, source.target, source.remote)
            for source in self.reuse_from
        }
        for store in stores.values():
            if store.remote and (store.remote, store.name) != (self.remote, self.name):
                store.ref_store.fetch()  # the own fetch has brought the others
        return {target: store.read() for target, store in stores.items()}

    def check_format(self, commit: str = "") -> None:
        """Raise UserError ``state-older`` if an older mlgit wrote the state; a damaged state passes."""
        try:
            self.read(commit)
        except UserError as error:
            if error.diagnostics[0].code == "state-older":
                raise

    def write(self, writes: WriteBatch, message: str, *, since: str | None = None, held: HeldLock | None = None) -> str:
        """Commit records to the state and return the commit.

        After a lost race the write is made again on top of the winner's, unless that changed the same records:
        ``since`` is the commit at which they were read, "" for none. With a lock ``held``, the write fails if the lock
        is lost. Raises UserError ``state-conflict``, ``lock-lost``, ``state-busy``, and what a remote may raise.
        """
        ref_store = self.ref_store
        for _ in RetryAttempts("the records"):
            head = ref_store.read_ref(LIVE_REF)
            base = head or ref_store.commit_before_sharing()
            new_commit = NewCommit(
                base, self._file_changes(base, self._drop_stale_applied(since, base, writes)), message
            )
            if since is not None and base != since:
                if held:
                    held.raise_if_lost()
                self._check_no_conflict(since, base, new_commit)
            with held.fenced() if held else nullcontext() as fence:
                heartbeats = [held.next_heartbeat_commit()] if held else []
                commit, *written = create_commits(self.repository, [new_commit, *heartbeats])
                fences = [fence(heartbeat) for heartbeat in written] if fence else []
                if ref_store.compare_and_swap(RefUpdate(LIVE_REF, commit, head), *fences):
                    if held:
                        held.commit_token(written[0])
                    return commit
            ref_store.fetch()
            if held:
                held.raise_if_lost()
        raise AssertionError

    def initial_meta_bytes(self) -> bytes:
        """Return the encoded meta data of a new state."""
        return codec.encode_json(self._initial_meta)

    @property
    def _initial_meta(self) -> dict[str, Json]:
        return {"format": STATE_FORMAT, "lineage": self.lineage, "name": self.name}

    def read_meta(self) -> Mapping[str, Json]:
        """Return the meta data of the state; empty without a state."""
        snapshot = self._open_snapshot()
        return self._read_meta(snapshot) if snapshot else {}

    def runs_of(self, address: Address) -> Iterator[Run]:
        """Yield every run of a job, oldest first."""
        snapshot = self._open_snapshot()
        yield from read_runs_of(snapshot, address) if snapshot else ()

    def runs_by_job(
        self, current: Mapping[Address, Record], addresses: Iterable[Address], read: Callable[[bytes], _R]
    ) -> dict[Address, list[_R]]:
        """Return every run of jobs, oldest first, decoded with ``read``; those without a record have experiments."""
        records = {address: current.get(address) for address in addresses}
        jobs = {
            address: former_and_current_names(record) if record else (address,) for address, record in records.items()
        }
        snapshot = self._open_snapshot()
        return read_runs(snapshot, jobs, read) if snapshot else {}

    def list_experiments(self, kind: str) -> Mapping[Address, tuple[str, ...]]:
        """Return the jobs that have experiments, with the ids of these."""
        snapshot = self._open_snapshot()
        return list_experiments(snapshot, kind) if snapshot else {}

    def read_experiments(self, kind: str) -> list[Run]:
        """Return all experiments."""
        snapshot = self._open_snapshot()
        return read_experiments(snapshot, kind) if snapshot else []

    def list_jobs(self, kind: str, memory: FolderMemory) -> list[ListedJob]:
        """Return all jobs with what a list shows of their runs; ``memory`` remembers what was read before."""
        snapshot = self._open_snapshot()
        return list_jobs(snapshot, kind, memory) if snapshot else []

    def versions_by_asset(self, records: Iterable[Record]) -> dict[Address, list[Record]]:
        """Return every version of the assets with these records, newest first; empty lists for kinds without any."""
        assets = {record.address: former_and_current_names(record) for record in records}
        snapshot = self._open_snapshot()
        return read_versions(snapshot, assets) if snapshot else {}

    def history(self, limit: int) -> Iterator[Commit]:
        """Yield the commits of the state, newest first."""
        if commit := self.head_commit():
            yield from ref_history(self.repository, commit, limit)

    def pin_source_commit(self, commit: str) -> None:
        """Keep an applied commit reachable, also when its branch is deleted."""
        self.ref_store.compare_and_swap(RefUpdate(f"{SOURCES_PREFIX}{commit}", commit, None))

    def fetch_source_commit(self, commit: str) -> None:
        """Fetch an applied commit that this clone lacks from the remote, which keeps it; raise UserError as a fetch."""
        if self.remote and not self.repository.resolve(commit):
            fetch_refs(self.repository, self.remote, [f"refs/mlgit/{self.name}/{self.target}/{SOURCES_PREFIX}{commit}"])

    def publish_index(self, index: bytes, source: str) -> None:
        """Publish the index that a plan of all files of a source tree made, in place of an older one.

        It makes the first plan of a fresh clone quicker and is no part of the state: its loss costs only time. The
        source tree goes with it, for shallow clones. Raises UserError if a remote rejects it.
        """
        new_commit = NewCommit("", {_INDEX_EXPORT_FILE: index}, "What a plan found out\n", {"source": source})
        (commit,) = create_commits(self.repository, [new_commit])
        before = self.ref_store.refs_below(_INDEX_PREFIX)  # one name each: many remotes refuse to rewind a ref
        removals = (RefUpdate(f"{_INDEX_PREFIX}{name}", "", older) for name, older in before.items() if name != commit)
        self.ref_store.compare_and_swap(
            RefUpdate(f"{_INDEX_PREFIX}{commit}", commit, before.get(commit, "")), *removals
        )

    def read_published_index(self) -> bytes:
        """Return the index that was published last, as of the last fetch; b"" for none."""
        commit = next(iter(self.ref_store.refs_below(_INDEX_PREFIX).values()), "")
        return (read_file_at(self.repository, commit, _INDEX_EXPORT_FILE) or b"") if commit else b""

    def _drop_stale_applied(self, since: str | None, base: str, writes: WriteBatch) -> WriteBatch:
        """Keep the applied commit that another apply has written since, unless ours certainly follows it."""
        ours = (writes.meta or {}).get("applied", "")
        if not ours or not since or base == since:
            return writes
        before, after = (self._read_meta(self._snapshot_at(commit)) for commit in (since, base))
        theirs, is_rolled_back = after.get("applied", ""), after.get("rollback") != before.get("rollback")
        follows = theirs in {before.get("applied", ""), ours} or self.repository.is_ancestor(theirs, ours)
        if follows and not is_rolled_back:
            return writes
        return writes._replace(meta={name: value for name, value in (writes.meta or {}).items() if name != "applied"})

    def _check_no_conflict(self, since: str, base: str, new_commit: NewCommit) -> None:
        """Raise UserError ``state-conflict`` if another writer changed the same records since they were read."""
        changed = changed_paths(self.repository, since, base) if since else list_files(self.repository, base)
        touched = {path for path in changed if path in new_commit.files and not paths.is_merged(path)}
        conflicts = [path for path in touched if read_file_at(self.repository, base, path) != new_commit.files[path]]
        if conflicts:
            names = ", ".join(sorted(str(paths.record_address(path) or path) for path in conflicts)[:3])
            message = f"{names}: changed by another command since it was read"
            raise user_error("state-conflict", message, "run the command again; it continues from the newest state")

    def _open_snapshot(self, commit: str = "") -> Snapshot | None:
        commit = commit or self.head_commit()
        return self._snapshot_at(commit) if commit else None

    def _read_meta(self, snapshot: Snapshot) -> Mapping[str, Json]:
        """Return meta data. Raises UserError as `Snapshot.read_meta`, and ``state-older`` for an older format."""
        meta = snapshot.read_meta(self.lineage)
        if meta["format"] < STATE_FORMAT:
            message = f"{self.live_ref} has format {meta['format']}, which this mlgit does not read"
            commands = ", then ".join(f"`{command}`" for command in self.ref_store.discard_commands())
            raise user_error("state-older", message, f"start with a fresh live state: run {commands}")
        return meta

    def _snapshot_at(self, commit: str) -> Snapshot:
        return Snapshot(self.repository, self.live_ref, commit)

    def _file_changes(self, base: str, writes: WriteBatch) -> dict[str, bytes | None]:
        meta = self._read_meta(self._snapshot_at(base)) if base else self._initial_meta
        files: dict[str, bytes | None] = {}
        if not base or writes.meta:
            files[paths.META_PATH] = codec.encode_json({**meta, **(writes.meta or {})})
        records = {id(record): record for record in (*writes.current, *writes.versions)}  # most stand in both
        raws = {key: codec.encode_record(record) for key, record in records.items()}
        files |= {paths.current_record_path(record.address): raws[id(record)] for record in writes.current}
        files |= {paths.current_record_path(address): None for address in writes.removed}
        files |= {
            paths.history_record_path(record.address, record.version): raws[id(record)] for record in writes.versions
        }
        for run in writes.removed_experiments:
            files |= {paths.experiment_path(run.address, run.id): None, paths.unfinished_path(run.id): None}
            if run.id not in {adopted.id for adopted in writes.runs}:
                files[paths.steps_path(run.id)] = None
        for run in writes.runs:
            files |= run_files(run)
        before = self.read(base) if base and (writes.builds or writes.pins) else None
        for fingerprint, builds in writes.builds.items():
            recorded = before.find_builds(fingerprint) if before else {}
            files[paths.builds_path(fingerprint)] = codec.encode_json(merge_builds(builds, recorded))
        for name, pin in writes.pins.items():
            files[paths.pin_path(name)] = codec.encode_pin((before and before.find_pin(name)) or pin)
        files |= {paths.pin_path(name): None for name in writes.removed_pins}
        for url, download in writes.downloads.items():
            snapshot = self._snapshot_at(base) if base else None
            files[paths.download_path(url)] = encode_download(snapshot, url, download)
        files |= {paths.steps_path(run_id): codec.encode_steps(steps) for run_id, steps in writes.steps.items()}
        return files
