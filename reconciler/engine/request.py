"""The request that an apply executes, the listener that follows it, and its result."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from reconciler.engine.bug_report import UnexpectedError
from reconciler.model import Action, ActionId, Address, Blocked, Event, Run
from reconciler.planning.options import PlanOptions
from reconciler.planning.plan import DesiredState

DEFAULT_PARALLELISM = 4  # slow actions at a time


class ApplyListener(Protocol):
    """Receives the events and notes of an apply, and the active runs while it waits for nothing else."""

    def on_event(self, event: Event) -> None: ...

    def on_note(self, text: str) -> None: ...

    def on_running_runs(self, runs: tuple[Run, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class FollowedListener:
    """A listener whose events another function receives too."""

    listener: ApplyListener
    follow: Callable[[Event], None]

    def on_event(self, event: Event) -> None:
        self.follow(event)
        self.listener.on_event(event)

    def on_note(self, text: str) -> None:
        self.listener.on_note(text)

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        self.listener.on_running_runs(runs)


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """A desired state to apply under plan options.

    ``trailers`` end the message of each commit. With ``allowed_keys``, which are those of the decisions in a saved
    plan, other decisions are left out.
    """

    desired: DesiredState
    plan_options: PlanOptions
    trailers: str
    allowed_keys: frozenset[ActionId] | None = None
    parallelism: int = DEFAULT_PARALLELISM

    def is_allowed(self, action: Action) -> bool:
        """Return True if the request includes an action; advances are always included."""
        return not action.op.is_decision or self.allowed_keys is None or action.key in self.allowed_keys

    def without_replacements(self, addresses: Container[Address]) -> ApplyRequest:
        """Return the request without the forced replacements of some addresses: each is done once."""
        remaining = frozenset(address for address in self.plan_options.replace if address not in addresses)
        return replace(self, plan_options=self.plan_options._replace(replace=remaining))


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The result of an apply: counts and failures of actions, what other applies lock, and what is still blocked."""

    done_count: int
    failed: tuple[Event, ...]
    locked_out: tuple[Event, ...]
    pending: tuple[Blocked, ...]
    recorded_run_ids: frozenset[str]

    @property
    def has_bug(self) -> bool:
        """True if an action failed by a bug in mlgit or in a plug-in."""
        return any(isinstance(event.error, UnexpectedError) for event in self.failed)

    @property
    def failed_runs(self) -> tuple[Blocked, ...]:
        """The failed runs whose end this apply recorded."""
        return tuple(
            blocked
            for blocked in self.pending
            if blocked.failed and blocked.run and blocked.run.id in self.recorded_run_ids
        )


class ApplyFollower(NamedTuple):
    """What receives the events and the result of an apply, besides the listener that shows them."""

    on_event: Callable[[Event], None]
    on_result: Callable[[ApplyResult], None]


NO_FOLLOWER = ApplyFollower(lambda _event: None, lambda _result: None)
