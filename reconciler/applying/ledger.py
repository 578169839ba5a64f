"""What an apply has to write: gathered, and put into the live state in as few commits as safety allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from reconciler.live.holding import Held
from reconciler.live.journal import Journal
from reconciler.live.state import State, Writes, together
from reconciler.model import Action, Address, Live, Record, Run, Source

_SECONDS = 5.0  # after which what was done is written down, however much is still to come


@dataclass(frozen=True, slots=True)
class _Overlay(Mapping[Address, Record]):
    """Current records with those that an apply has made meanwhile; None for what is gone."""

    base: Mapping[Address, Record]
    made: Mapping[Address, Record | None]

    def __getitem__(self, address: Address) -> Record:
        found = self.made[address] if address in self.made else self.base[address]
        if found is None:
            raise KeyError(address)
        return found

    def __iter__(self) -> Iterator[Address]:
        gone = {address for address, record in self.made.items() if record is None}
        return iter([*(each for each in self.base if each not in gone), *(self.made.keys() - gone - self.base.keys())])

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(slots=True)
class Ledger:
    """The state as this apply knows it, and the writes that have not reached it yet.

    ``base`` is what the plan saw, ``title`` ends each commit's message, ``store`` is the store's id, ``held`` the
    claim without which nothing can be written, ``since`` the commit of the live state that everything was read from,
    ``notes`` what the first commit says besides.
    """

    state: State
    base: Live
    source: Source
    title: str
    store: str
    held: Held | None = None
    journal: Journal | None = None
    since: str = ""
    notes: tuple[str, ...] = ()
    pending: list[Writes] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    live: Live = field(init=False)
    _records: dict[Address, Record | None] = field(default_factory=dict)
    _versions: dict[tuple[Address, str], Record] = field(default_factory=dict)
    _runs: dict[tuple[Address, str], Run] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _flushed: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.since = self.since or self.base.commit
        self.live = replace(
            self.base,
            current=_Overlay(self.base.current, self._records),
            run=lambda address, run: self._runs.get((address, run)) or self.base.run(address, run),
            version=lambda address, number: self._versions.get((address, number)) or self.base.version(address, number),
        )

    def record(self, address: Address) -> Record | None:
        """Return the current record of an address as this apply has left it."""
        return self.live.current.get(address)

    def add(self, writes: Writes, action: Action) -> None:
        """Take note of what an action changes; it is durable after the next flush."""
        with self._lock:
            self._note(writes)
            self.pending.append(writes)
            self.actions.append(action)

    def flush(self) -> tuple[Action, ...]:
        """Write everything in one commit; return the actions that are durable now."""
        with self._lock:
            done, writes = tuple(self.actions), together(self.pending)
            if writes:
                self._write(writes, [_line(each) for each in done])
            self.actions, self.pending = [], []
            return done

    def is_due(self) -> bool:
        """Tell whether something has waited long enough to be written."""
        return bool(self.actions) and time.monotonic() - self._flushed > _SECONDS

    def now(self, writes: Writes, action: Action) -> None:
        """Write what must be durable before the next external effect, on its own."""
        with self._lock:
            self._note(writes)
            if self.journal and self.held:
                self.journal.append({"holder": self.held.claim.holder, "event": "about to", "what": _line(action)})
            self._write(writes, [f"about to {_line(action)}"])

    def _note(self, writes: Writes) -> None:
        self._records |= {each.address: each for each in writes.current}
        self._records |= dict.fromkeys(writes.removed)
        self._versions |= {(each.address, each.version): each for each in writes.versions}
        self._runs |= {(each.address, each.id): each for each in writes.runs}

    def _write(self, writes: Writes, lines: list[str]) -> None:
        applied = Writes(meta={"applied": self.source.commit, "store": self.store})
        message = self._message(lines)
        self.since = self.state.write(together([writes, applied]), message, since=self.since, held=self.held)
        self._flushed = time.monotonic()

    def _message(self, lines: list[str]) -> str:
        subject = lines[0] if len(lines) == 1 else f"{len(lines)} actions"
        body = "\n" + "\n".join([*lines, *self.notes]) + "\n" if len(lines) > 1 or self.notes else ""
        self.notes = ()
        return f"apply: {subject}\n{body}\n{self.title}\n"


def _line(action: Action) -> str:
    return f"{action.op} {action.address.at(action.version)}"
