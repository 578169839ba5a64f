"""What an apply has to write: gathered, and put into the live state in as few commits as safety allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.live.state import State, Writes
from reconciler.model import Action, Address, Live, Record, Source


@dataclass(slots=True)
class Ledger:
    """The records as this apply knows them, and the writes that have not reached the live state yet."""

    state: State
    records: dict[Address, Record]
    source: Source
    title: str
    store: str
    pending: Writes = field(default_factory=Writes)
    actions: list[Action] = field(default_factory=list)

    def add(self, writes: Writes, action: Action) -> None:
        """Take note of what an action changes; it is durable after the next flush."""
        self.pending = self.pending + writes
        self.actions.append(action)
        self.records |= {each.address: each for each in writes.current}
        for address in writes.removed:
            self.records.pop(address, None)

    def flush(self) -> tuple[Action, ...]:
        """Write everything in one commit; return the actions that are durable now."""
        done, writes = tuple(self.actions), self.pending
        if writes:
            self._write(writes, [_line(each) for each in done])
        self.actions, self.pending = [], Writes()
        return done

    def now(self, writes: Writes, action: Action) -> None:
        """Write what must be durable before the next external effect, on its own."""
        self.records |= {each.address: each for each in writes.current}
        self._write(writes, [f"about to {_line(action)}"])

    def _write(self, writes: Writes, lines: list[str]) -> None:
        applied = Writes(meta={"applied": self.source.commit, "store": self.store})
        self.state.write(writes + applied, self._message(lines))

    def _message(self, lines: list[str]) -> str:
        subject = lines[0] if len(lines) == 1 else f"{len(lines)} actions"
        body = "" if len(lines) == 1 else "\n" + "\n".join(lines) + "\n"
        return f"apply: {subject}\n{body}\n{self.title}\n"


def _line(action: Action) -> str:
    return f"{action.op} {action.address.at(action.version)}"


def open_ledger(state: State, live: Live, source: Source, title: str, store: str) -> Ledger:
    """Begin with the records that the plan saw; ``title`` ends each commit's message, ``store`` is the store's id."""
    return Ledger(state, dict(live.current), source, title, store)
