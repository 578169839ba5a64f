"""The report on a change of the repository: its plan, what is pending without it, and what is wrong with its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic
from reconciler.model import Forecast, Json
from reconciler.planning.saved import SavedPlan


@dataclass(frozen=True, slots=True)
class Report:
    """What merging a change would do, for the people who review it and for the apply after the merge.

    ``plan`` is the plan of the merged files, None if nothing was planned. ``pending`` are the keys of those of its
    actions that the base commit has too: they are pending whether or not the change is merged. ``base`` and ``commit``
    are the two commits. ``notes`` say what of the change does not count yet, such as another mlgit.yml. ``forecasts``
    are what providers say of steps and builds; they are no part of the plan. ``target`` is given also if
    nothing was planned. ``root`` is the folder of the workspace in its repository, "" or "a/b/".
    """

    base: str
    commit: str
    plan: SavedPlan | None
    pending: frozenset[str] = frozenset()
    diagnostics: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    target: str = DEFAULT_TARGET
    root: str = ""

    @property
    def heading(self) -> str:
        """The start of a heading: the target, unless it is the default one."""
        return f"Target {self.target}. " if self.target != DEFAULT_TARGET else ""

    @property
    def own_actions(self) -> tuple[Mapping[str, Json], ...]:
        """The actions of the plan that the change brings."""
        return tuple(action for action in self._actions if action["key"] not in self.pending)

    @property
    def pending_actions(self) -> tuple[Mapping[str, Json], ...]:
        """The actions of the plan that are pending with or without the change."""
        return tuple(action for action in self._actions if action["key"] in self.pending)

    @property
    def _actions(self) -> Sequence[Mapping[str, Json]]:
        return self.plan.body["actions"] if self.plan else ()
