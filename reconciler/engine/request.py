"""The nouns of an apply: what is to be brought about, who looks on, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.model import Action, ActionId, Address, Blocked, Event, Run
from reconciler.planning.plan import DesiredState
from reconciler.planning.policy import Policy

DEFAULT_PARALLELISM = 4  # actions that take long, side by side


class ApplyListener(Protocol):
    """Who looks on: is told of every event, of what else is worth knowing, and of runs while only they are left."""

    def on_event(self, event: Event) -> None: ...

    def on_note(self, text: str) -> None: ...

    def on_running_runs(self, runs: tuple[Run, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """What is to be brought about: a desired state under a policy, or only what concerns one address of it.

    ``among`` are the keys of what a saved plan decided: nothing else is decided then.
    """

    desired: DesiredState
    policy: Policy
    trailers: str
    only_address: Address | None = None
    allowed_keys: frozenset[ActionId] | None = None
    parallelism: int = DEFAULT_PARALLELISM

    def is_allowed(self, action: Action) -> bool:
        """Tell whether an action belongs to this job; advances always do."""
        wanted = self.only_address is None or action.address == self.only_address
        return not action.op.is_decision or (wanted and (self.allowed_keys is None or action.key in self.allowed_keys))


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """How it ended: how many actions were done, which failed, which runs failed, and what is left pending.

    ``barred`` are the actions that another apply has claimed.
    """

    done_count: int
    failed: tuple[Event, ...]
    locked_out: tuple[Event, ...]
    pending: tuple[Blocked, ...]
    recorded_run_ids: frozenset[str]

    @property
    def failed_runs(self) -> tuple[Blocked, ...]:
        """The runs that failed while this apply looked on."""
        return tuple(
            blocked
            for blocked in self.pending
            if blocked.failed and blocked.run and blocked.run.id in self.recorded_run_ids
        )
