"""The writes of an apply, gathered and committed to the live state in as few commits as safety allows."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from reconciler.model import Action, Address, Builds, Overlay, Pin, Record, Run, SourceRevision, State
from reconciler.model.builds import merge_builds
from reconciler.model.downloads import Download
from reconciler.model.step_runs import StepRun
from reconciler.state.journal import Journal
from reconciler.state.lease import HeldLock
from reconciler.state.store import StateStore, WriteBatch, merge_write_batches

_FLUSH_SECONDS = 5.0  # after which what was done is written, however many actions remain


@dataclass(slots=True)
class StateTransaction:
    """The state as this apply has left it, and the writes that are not committed yet.

    ``base_state`` is what the plan was made from, ``trailers`` end each commit message, without ``held_lock`` nothing
    can be written, ``expected_commit`` is the commit of the live state that everything was read from, ``command`` is
    the first word of each commit message, ``notes`` are lines for that of the first commit. What is not an apply leaves
    the commit that was applied last as it is recorded.
    """

    state_store: StateStore
    base_state: State
    source: SourceRevision
    trailers: str
    store_id: str
    held_lock: HeldLock | None = None
    journal: Journal | None = None
    expected_commit: str = ""
    command: str = "apply"
    is_apply: bool = True
    notes: tuple[str, ...] = ()
    pending: list[tuple[Action, WriteBatch]] = field(default_factory=list)
    live: State = field(init=False)
    _records: dict[Address, Record] = field(default_factory=dict)
    _removed: set[Address] = field(default_factory=set)
    _versions: dict[tuple[Address, str], Record] = field(default_factory=dict)
    _runs: dict[tuple[Address, str], Run] = field(default_factory=dict)
    _builds: dict[str, Builds] = field(default_factory=dict)
    _pins: dict[str, Pin] = field(default_factory=dict)
    _downloads: dict[str, Download] = field(default_factory=dict)
    _steps: dict[str, tuple[StepRun, ...]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _flushed_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.expected_commit = self.expected_commit or self.base_state.commit
        self.live = self.base_state._replace(
            current=Overlay(self.base_state.current, self._records, self._removed),
            find_run=lambda address, run: self._runs.get((address, run)) or self.base_state.find_run(address, run),
            find_version=lambda address, number: (
                self._versions.get((address, number)) or self.base_state.find_version(address, number)
            ),
            find_builds=lambda fingerprint: merge_builds(
                self._builds.get(fingerprint, {}), self.base_state.find_builds(fingerprint)
            ),
            find_pin=lambda name: self.base_state.find_pin(name) or self._pins.get(name),
            find_steps=lambda run: self._steps.get(run) or self.base_state.find_steps(run),
            find_download=lambda url: self.base_state.find_download(url) or self._downloads.get(url),
        )

    def record(self, address: Address) -> Record | None:
        """Return the current record of an address as this apply has left it."""
        return self.live.current.get(address)

    def add_writes(self, writes: WriteBatch, action: Action) -> None:
        """Add what an action changes; it is durable after the next flush."""
        with self._lock:
            self._update_live(writes)
            self.pending.append((action, writes))

    def flush(self) -> tuple[Action, ...]:
        """Write everything in one commit; return the actions that this made durable."""
        with self._lock:
            actions = tuple(action for action, _ in self.pending)
            if writes := merge_write_batches([writes for _, writes in self.pending]):
                self._write(writes, [_format_action(action) for action in actions])
            self.pending = []
            return actions

    def take_pending(self) -> list[tuple[Action, WriteBatch]]:
        """Remove and return the actions and their writes that are not durable yet."""
        with self._lock:
            pending, self.pending = self.pending, []
            return pending

    def is_flush_due(self) -> bool:
        """Return True if an action has waited long enough to be written."""
        return bool(self.pending) and time.monotonic() - self._flushed_at > _FLUSH_SECONDS

    def write_now(self, writes: WriteBatch, action: Action) -> None:
        """Write at once what must be durable before the next external effect."""
        with self._lock:
            self._update_live(writes)
            if self.journal and self.held_lock:
                self.journal.append(
                    {"holder": self.held_lock.lock.holder, "event": "about to", "what": _format_action(action)}
                )
            self._write(writes, [f"about to {_format_action(action)}"])

    def _update_live(self, writes: WriteBatch) -> None:
        self._records |= {record.address: record for record in writes.current}
        self._removed.update(writes.removed)
        for address in writes.removed:
            self._records.pop(address, None)
        self._versions |= {(record.address, record.version): record for record in writes.versions}
        self._runs |= {(run.address, run.id): run for run in writes.runs}
        self._builds |= writes.builds
        self._pins |= writes.pins
        self._downloads |= writes.downloads
        self._steps |= writes.steps

    def _write(self, writes: WriteBatch, lines: list[str]) -> None:
        applied = {"applied": self.source.commit} if self.is_apply else {}
        message = self._commit_message(lines)
        self.expected_commit = self.state_store.write(
            merge_write_batches([writes, WriteBatch(meta={**applied, "store": self.store_id})]),
            message,
            since=self.expected_commit,
            held=self.held_lock,
        )
        self.notes = ()
        self._flushed_at = time.monotonic()

    def _commit_message(self, lines: list[str]) -> str:
        subject = lines[0] if len(lines) == 1 else f"{len(lines)} actions"
        notes = (" ".join(note.split()) for note in self.notes)
        body = "\n" + "\n".join([*lines, *notes]) + "\n" if len(lines) > 1 or self.notes else ""
        return f"{self.command}: {subject}\n{body}\n{self.trailers}\n"


def _format_action(action: Action) -> str:
    return f"{action.op} {action.address.format_with_version(action.version)}"
