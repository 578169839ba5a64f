"""The nouns of an apply: what is to be brought about, who looks on, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.model import Action, Address, Event, Pending, Run
from reconciler.planning.plan import Desired
from reconciler.planning.policy import Policy

PARALLELISM = 4  # actions that take long, side by side


class Watch(Protocol):
    """Who looks on: is told of every event, of what else is worth knowing, and of runs while only they are left."""

    def event(self, event: Event) -> None: ...

    def note(self, text: str) -> None: ...

    def running(self, runs: tuple[Run, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be brought about: a desired state under a policy, or only what concerns one address of it.

    ``among`` are the keys of what a saved plan decided: nothing else is decided then.
    """

    desired: Desired
    policy: Policy
    title: str
    only: Address | None = None
    among: frozenset[str] | None = None
    parallelism: int = PARALLELISM

    def allows(self, action: Action) -> bool:
        """Tell whether an action belongs to this job; advances always do."""
        wanted = self.only is None or action.address == self.only
        return not action.op.decision or (wanted and (self.among is None or action.key in self.among))


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended: how many actions were done, which failed, which runs failed, and what is left pending.

    ``barred`` are the actions that another apply has claimed.
    """

    done: int
    failed: tuple[Event, ...]
    barred: tuple[Event, ...]
    pending: tuple[Pending, ...]
    ended: frozenset[str]

    @property
    def broken(self) -> tuple[Pending, ...]:
        """The runs that failed while this apply looked on."""
        return tuple(each for each in self.pending if each.failed and each.run and each.run.id in self.ended)
