"""The live state in its Git ref: read as a value, written by compare-and-swap, its history told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.diagnostics import user_error
from reconciler.git import refs, trees
from reconciler.git.refs import NewCommit, RefUpdate
from reconciler.git.repository import Repository
from reconciler.model import Address, Json, Record, Run, State
from reconciler.state import codec, paths
from reconciler.state.lease import HeldLock
from reconciler.state.refs import LocalRefStore, RefStore, RemoteRefStore
from reconciler.state.retry import RetryAttempts
from reconciler.state.snapshot import STATE_FORMAT as STATE_FORMAT
from reconciler.state.snapshot import Snapshot

LIVE_REF = "live"
SOURCES_PREFIX = "sources/"
_INDEX_PREFIX = "index/"
_INDEX_EXPORT_FILE = "findings"


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """What one write puts into the state: current records, versions and runs for the history, and the meta data."""

    current: tuple[Record, ...] = ()
    removed: tuple[Address, ...] = ()
    versions: tuple[Record, ...] = ()
    runs: tuple[Run, ...] = ()
    meta: Mapping[str, Json] | None = None

    def __bool__(self) -> bool:
        return any((self.current, self.removed, self.versions, self.runs, self.meta))


def merge_write_batches(writes: Iterable[WriteBatch]) -> WriteBatch:
    """Put several writes into one; of meta data the last word counts."""
    every = tuple(writes)
    return WriteBatch(
        tuple(record for batch in every for record in batch.current),
        tuple(address for batch in every for address in batch.removed),
        tuple(version for batch in every for version in batch.versions),
        tuple(run for batch in every for run in batch.runs),
        {name: value for batch in every for name, value in (batch.meta or {}).items()},
    )


@dataclass(frozen=True, slots=True)
class StateStore:
    """The live state of one target: refs in a repository or at a ``remote`` of it, and the lineage they must have."""

    repository: Repository
    name: str
    lineage: str
    target: str = "default"
    remote: str = ""

    @property
    def ref_store(self) -> RefStore:
        """Where the refs of the state are."""
        name = f"{self.name}/{self.target}"
        if not self.remote:
            return LocalRefStore(self.repository, name)
        return RemoteRefStore(self.repository, name, self.remote, self.local_folder)

    @property
    def local_folder(self) -> Path:
        """The folder of this clone for what helps with the state and is no part of it."""
        return self.repository.common / "mlgit"

    @property
    def live_ref(self) -> str:
        """The ref of this repository that holds the live state, or what is known of it here."""
        return self.ref_store.ref_name(LIVE_REF)

    def head_commit(self) -> str:
        """Return the commit of the live state as far as it is known here; "" where there is none."""
        home = self.ref_store
        return home.read_ref(LIVE_REF) or home.commit_before_sharing()

    def read(self, commit: str = "") -> State:
        """Read the state as it is, or as it was at one of its commits; records are read when they are looked up."""
        snapshot = self._open_snapshot(commit)
        return (
            snapshot.load_state(self.lineage) if snapshot else State(self.lineage, {}, lambda *_: None, lambda *_: None)
        )

    def write(self, writes: WriteBatch, message: str, *, since: str | None = None, held: HeldLock | None = None) -> str:
        """Put records into the state and return its commit.

        On a lost race the write is made again on what the winner wrote, unless that touches the same records:
        ``since`` is the commit at which they were read, "" where there was none. With a claim ``held``, a write
        without it fails. Raises UserError: ``state-conflict``, ``claim-lost``, ``state-busy``, and what a remote may
        answer.
        """
        home = self.ref_store
        for _ in RetryAttempts("the records"):
            there = home.read_ref(LIVE_REF)
            base = there or home.commit_before_sharing()
            draft = NewCommit(base, self._file_changes(base, self._drop_stale_applied(since, base, writes)), message)
            if since is not None and base != since:
                if held:
                    held.raise_if_lost()
                self._check_no_conflict(since, base, draft)
            with held.fenced() if held else nullcontext() as fence:
                beats = [held.next_heartbeat_commit()] if held else []
                commit, *beat = refs.create_commits(self.repository, [draft, *beats])
                if home.compare_and_swap(RefUpdate(LIVE_REF, commit, there), *(fence(each) for each in beat if fence)):
                    for each in beat if held else ():
                        held.commit_token(each)  # type: ignore[union-attr]
                    return commit
            home.fetch()
            if held:
                held.raise_if_lost()
        raise AssertionError

    def initial_meta_bytes(self) -> bytes:
        """Return the meta data of a state that has only begun, as the state keeps it."""
        return codec.encode_json(self._initial_meta)

    @property
    def _initial_meta(self) -> dict[str, Json]:
        return {"format": STATE_FORMAT, "lineage": self.lineage, "name": self.name}

    def read_meta(self) -> Mapping[str, Json]:
        """Return what the state says of itself; nothing where there is none yet."""
        snapshot = self._open_snapshot()
        return snapshot.read_meta(self.lineage) if snapshot else {}

    def runs_of(self, address: Address) -> Iterator[Run]:
        """Yield every run of a job, oldest first."""
        snapshot = self._open_snapshot()
        yield from snapshot.runs_of(address) if snapshot else ()

    def history(self, limit: int) -> Iterator[refs.Commit]:
        """Yield who changed the state, when and how, newest first."""
        if commit := self.head_commit():
            yield from refs.ref_history(self.repository, commit, limit)

    def pin_source_commit(self, commit: str) -> None:
        """Keep an applied commit reachable, whatever becomes of its branch."""
        self.ref_store.compare_and_swap(RefUpdate(f"{SOURCES_PREFIX}{commit}", commit, None))

    def publish_index(self, findings: bytes, source: str) -> None:
        """Put beside the state what a plan of all files of a source tree found out, in the place of what was there.

        It helps who has found out nothing yet, and is no part of the state: its loss costs only time. The source goes
        with it, for who has only a part of the history. Raises UserError where a remote does not take it.
        """
        draft = NewCommit("", {_INDEX_EXPORT_FILE: findings}, "What a plan found out\n", {"source": source})
        (commit,) = refs.create_commits(self.repository, [draft])
        before = self.ref_store.refs_below(
            _INDEX_PREFIX
        )  # a name for each, because many a remote lets no ref go backwards
        gone = (RefUpdate(f"{_INDEX_PREFIX}{name}", "", each) for name, each in before.items() if name != commit)
        self.ref_store.compare_and_swap(RefUpdate(f"{_INDEX_PREFIX}{commit}", commit, before.get(commit, "")), *gone)

    def read_published_index(self) -> bytes:
        """Return what was published last, as far as is known here; b"" where nothing was."""
        commit = next(iter(self.ref_store.refs_below(_INDEX_PREFIX).values()), "")
        return (trees.read_file_at(self.repository, commit, _INDEX_EXPORT_FILE) or b"") if commit else b""

    def _drop_stale_applied(self, since: str | None, base: str, writes: WriteBatch) -> WriteBatch:
        """Leave what was applied last as another has written it meanwhile, unless ours surely follows that."""
        ours = (writes.meta or {}).get("applied", "")
        if not ours or not since or base == since:
            return writes
        before, now = (self._snapshot_at(each).read_meta(self.lineage) for each in (since, base))
        theirs, rolled_back = now.get("applied", ""), now.get("held") != before.get("held")
        known = theirs in {before.get("applied", ""), ours} or self.repository.is_ancestor(theirs, ours)
        if known and not rolled_back:
            return writes
        return replace(writes, meta={name: each for name, each in (writes.meta or {}).items() if name != "applied"})

    def _check_no_conflict(self, since: str, base: str, draft: NewCommit) -> None:
        """Refuse to write over records that another has written since they were read."""
        changed = (
            trees.changed_paths(self.repository, since, base) if since else trees.list_files(self.repository, base)
        )
        touched = {path for path in changed if path in draft.files and path != paths.META_PATH}
        other = [each for each in touched if trees.read_file_at(self.repository, base, each) != draft.files[each]]
        if other:
            names = ", ".join(sorted(str(paths.current_record_address(each) or each) for each in other)[:3])
            message = f"{names}: changed by another since it was read"
            raise user_error("state-conflict", message, "run the command again: it goes on from what is there now")

    def _open_snapshot(self, commit: str = "") -> Snapshot | None:
        commit = commit or self.head_commit()
        return self._snapshot_at(commit) if commit else None

    def _snapshot_at(self, commit: str) -> Snapshot:
        return Snapshot(self.repository, self.live_ref, commit)

    def _file_changes(self, base: str, writes: WriteBatch) -> dict[str, bytes | None]:
        meta = self._snapshot_at(base).read_meta(self.lineage) if base else self._initial_meta
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
        files |= {paths.history_record_path(run.address, run.id): codec.encode_record(run) for run in writes.runs}
        return files
