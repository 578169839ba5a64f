"""The live state in its Git ref: read as a value, written by compare-and-swap, its history told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.diagnostics import failure
from reconciler.git import refs, trees
from reconciler.git.refs import Draft, Move
from reconciler.git.repository import Repository
from reconciler.live import codec, layout
from reconciler.live.holding import Held
from reconciler.live.home import Here, Home, There
from reconciler.live.reading import FORMAT as FORMAT
from reconciler.live.reading import Snapshot
from reconciler.live.turns import Turns
from reconciler.model import Address, Json, Live, Record, Run

LIVE = "live"
SOURCES = "sources/"
_INDEX = "index/"
_FINDINGS = "findings"


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


def together(writes: Iterable[Writes]) -> Writes:
    """Put several writes into one; of meta data the last word counts."""
    every = tuple(writes)
    return Writes(
        tuple(record for each in every for record in each.current),
        tuple(address for each in every for address in each.removed),
        tuple(version for each in every for version in each.versions),
        tuple(run for each in every for run in each.runs),
        {name: value for each in every for name, value in (each.meta or {}).items()},
    )


@dataclass(frozen=True, slots=True)
class State:
    """The live state of one target: refs in a repository or at a ``remote`` of it, and the lineage they must have."""

    repository: Repository
    name: str
    lineage: str
    target: str = "default"
    remote: str = ""

    @property
    def home(self) -> Home:
        """Where the refs of the state are."""
        name = f"{self.name}/{self.target}"
        if not self.remote:
            return Here(self.repository, name)
        return There(self.repository, name, self.remote, self.local)

    @property
    def local(self) -> Path:
        """The folder of this clone for what helps with the state and is no part of it."""
        return self.repository.common / "mlgit"

    @property
    def ref(self) -> str:
        """The ref of this repository that holds the live state, or what is known of it here."""
        return self.home.ref(LIVE)

    def commit(self) -> str:
        """Return the commit of the live state as far as it is known here; "" where there is none."""
        home = self.home
        return home.read(LIVE) or home.before()

    def read(self, commit: str = "") -> Live:
        """Read the state as it is, or as it was at one of its commits; records are read when they are looked up."""
        snapshot = self._snapshot(commit)
        return snapshot.live(self.lineage) if snapshot else Live(self.lineage, {}, lambda *_: None, lambda *_: None)

    def write(self, writes: Writes, message: str, *, since: str | None = None, held: Held | None = None) -> str:
        """Put records into the state and return its commit.

        On a lost race the write is made again on what the winner wrote, unless that touches the same records:
        ``since`` is the commit at which they were read, "" where there was none. With a claim ``held``, a write
        without it fails. Raises UserError: ``state-conflict``, ``claim-lost``, ``state-busy``, and what a remote may
        answer.
        """
        home = self.home
        for _ in Turns("the records"):
            there = home.read(LIVE)
            base = there or home.before()
            draft = Draft(base, self._files(base, self._forward(since, base, writes)), message)
            if since is not None and base != since:
                if held:
                    held.check()
                self._check_untouched(since, base, draft)
            with held.fenced() if held else nullcontext() as fence:
                beats = [held.draft()] if held else []
                commit, *beat = refs.commits(self.repository, [draft, *beats])
                if home.swap(Move(LIVE, commit, there), *(fence(each) for each in beat if fence)):
                    for each in beat if held else ():
                        held.moved(each)  # type: ignore[union-attr]
                    return commit
            home.refresh()
            if held:
                held.check()
        raise AssertionError

    def fresh(self) -> bytes:
        """Return the meta data of a state that has only begun, as the state keeps it."""
        return codec.encode(self._fresh)

    @property
    def _fresh(self) -> dict[str, Json]:
        return {"format": FORMAT, "lineage": self.lineage, "name": self.name}

    def meta(self) -> Mapping[str, Json]:
        """Return what the state says of itself; nothing where there is none yet."""
        snapshot = self._snapshot()
        return snapshot.meta(self.lineage) if snapshot else {}

    def runs_of(self, address: Address) -> Iterator[Run]:
        """Yield every run of a job, oldest first."""
        snapshot = self._snapshot()
        yield from snapshot.runs_of(address) if snapshot else ()

    def history(self, limit: int) -> Iterator[refs.Moment]:
        """Yield who changed the state, when and how, newest first."""
        if commit := self.commit():
            yield from refs.history(self.repository, commit, limit)

    def keep_source(self, commit: str) -> None:
        """Keep an applied commit reachable, whatever becomes of its branch."""
        self.home.swap(Move(f"{SOURCES}{commit}", commit, None))

    def publish(self, findings: bytes, source: str) -> None:
        """Put beside the state what a plan of all files of a source tree found out, in the place of what was there.

        It helps who has found out nothing yet, and is no part of the state: its loss costs only time. The source goes
        with it, for who has only a part of the history. Raises UserError where a remote does not take it.
        """
        draft = Draft("", {_FINDINGS: findings}, "What a plan found out\n", {"source": source})
        (commit,) = refs.commits(self.repository, [draft])
        before = self.home.below(_INDEX)  # a name for each, because many a remote lets no ref go backwards
        gone = (Move(f"{_INDEX}{name}", "", each) for name, each in before.items() if name != commit)
        self.home.swap(Move(f"{_INDEX}{commit}", commit, before.get(commit, "")), *gone)

    def published(self) -> bytes:
        """Return what was published last, as far as is known here; b"" where nothing was."""
        commit = next(iter(self.home.below(_INDEX).values()), "")
        return (trees.file_at(self.repository, commit, _FINDINGS) or b"") if commit else b""

    def _forward(self, since: str | None, base: str, writes: Writes) -> Writes:
        """Leave what was applied last as another has written it meanwhile, unless ours surely follows that."""
        ours = (writes.meta or {}).get("applied", "")
        if not ours or not since or base == since:
            return writes
        before, now = (self._at(each).meta(self.lineage) for each in (since, base))
        theirs, rolled_back = now.get("applied", ""), now.get("held") != before.get("held")
        known = theirs in {before.get("applied", ""), ours} or self.repository.is_ancestor(theirs, ours)
        if known and not rolled_back:
            return writes
        return replace(writes, meta={name: each for name, each in (writes.meta or {}).items() if name != "applied"})

    def _check_untouched(self, since: str, base: str, draft: Draft) -> None:
        """Refuse to write over records that another has written since they were read."""
        changed = trees.differing(self.repository, since, base) if since else trees.entries(self.repository, base)
        touched = {path for path in changed if path in draft.files and path != layout.META}
        other = [each for each in touched if trees.file_at(self.repository, base, each) != draft.files[each]]
        if other:
            names = ", ".join(sorted(str(layout.address_of(each) or each) for each in other)[:3])
            message = f"{names}: changed by another since it was read"
            raise failure("state-conflict", message, "run the command again: it goes on from what is there now")

    def _snapshot(self, commit: str = "") -> Snapshot | None:
        commit = commit or self.commit()
        return self._at(commit) if commit else None

    def _at(self, commit: str) -> Snapshot:
        return Snapshot(self.repository, self.ref, commit)

    def _files(self, base: str, writes: Writes) -> dict[str, bytes | None]:
        meta = self._at(base).meta(self.lineage) if base else self._fresh
        files: dict[str, bytes | None] = {}
        if not base or writes.meta:
            files[layout.META] = codec.encode({**meta, **(writes.meta or {})})
        records = {id(each): each for each in (*writes.current, *writes.versions)}  # most stand in both
        raws = {key: codec.dump(each) for key, each in records.items()}
        files |= {layout.current(each.address): raws[id(each)] for each in writes.current}
        files |= {layout.current(each): None for each in writes.removed}
        files |= {layout.history(each.address, each.version): raws[id(each)] for each in writes.versions}
        files |= {layout.history(each.address, each.id): codec.dump(each) for each in writes.runs}
        return files
