"""A store and a backend in memory, whose users can be killed at any of their effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.model import Condition, Handle, Phase
from reconciler.model.backend import RunResult
from reconciler.model.content import Content, Damage
from reconciler.model.tasks import Task

CONTENT = Content("0" * 32 + ".dir", "1" * 64, 1, 1)
_RESULT = {"started": "2026-01-01T00:00:00.000Z", "ended": "2026-01-01T00:00:01.000Z"}


class KilledError(BaseException):
    """The process is killed."""


@dataclass
class World:
    """What outlives a driver: the entries of the store, and the runs of the backend, by token.

    ``outcome`` says how an attempt of a step ends: succeeded, failed or gone. ``before_effect`` may kill.
    """

    outcome: Callable[[str, str], Phase]
    before_effect: Callable[[], None] = lambda: None
    entries: dict[str, bytes] = field(default_factory=dict)
    executions: Counter[str] = field(default_factory=Counter)
    phases: dict[str, Phase] = field(default_factory=dict)
    polls: Counter[str] = field(default_factory=Counter)


@dataclass
class MemoryStore:
    """The named entries of a store; all contents are there."""

    world: World
    location: str = "memory"

    def create(self, name: str, data: bytes) -> bool:
        self.world.before_effect()
        is_new = name not in self.world.entries
        self.world.entries.setdefault(name, data)
        self.world.before_effect()
        return is_new

    def read(self, name: str) -> bytes | None:
        return self.world.entries.get(name)

    def delete(self, name: str) -> None:
        self.world.entries.pop(name, None)

    def verify(self, _content: Content) -> tuple[Damage, ...]:
        return ()

    def has_recorded_sha256(self, _content: Content) -> bool:
        return True

    def keep(self, _content: Content) -> bool:
        return True


@dataclass
class MemoryBackend:
    """Runs that end after two polls."""

    world: World

    def submit(self, task: Task, _store: object) -> Handle:
        self.world.before_effect()
        if task.token not in self.world.phases:
            self.world.executions[task.token] += 1
            self.world.phases[task.token] = self.world.outcome(task.step, task.token)
        self.world.before_effect()
        return Handle("memory", task.token)

    def find(self, token: str) -> Handle | None:
        return Handle("memory", token) if token in self.world.phases else None

    def poll(self, handles: Iterable[Handle]) -> Mapping[Handle, Condition]:
        return {handle: self._condition(handle.id) for handle in handles}

    def _condition(self, token: str) -> Condition:
        self.world.polls[token] += 1
        phase = self.world.phases[token]
        if self.world.polls[token] <= 1:
            return Condition(Phase.RUNNING)
        if phase is Phase.FAILED:
            return Condition(phase, result={**_RESULT, "failure": {"class": "user", "message": "it failed"}})
        return Condition(phase, result=_RESULT if phase is Phase.SUCCEEDED else {})

    def cancel(self, _handle: Handle) -> bool:
        return False

    def collect(self, _handle: Handle, _store: object) -> RunResult:
        self.world.before_effect()
        return RunResult({"out": CONTENT})
