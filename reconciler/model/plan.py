"""The plan as a value: actions with their reasons, what is blocked, and the events of an apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.model.assets import EMPTY_MAPPING, Address, Json
from reconciler.model.builds import BuilderChoice, BuildForecast, PackageDiff
from reconciler.model.capacity import RunPlace
from reconciler.model.data_diff import ContentChange, TableComparison
from reconciler.model.resolved import ResolvedAsset
from reconciler.model.runs import Run
from reconciler.model.state import Record


class Op(StrEnum):
    """What an action does. All are decisions but the last two, which are advances."""

    RENAME = "move"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    NEW_VERSION = "new-version"
    ARCHIVE = "archive"
    DELETE = "delete"
    BUILD = "build"
    SUBMIT = "submit"
    CANCEL = "cancel"
    ADOPT = "adopt"
    REPAIR = "repair"
    RECORD = "record"
    REGISTER = "register"

    @property
    def is_decision(self) -> bool:
        """True for a decision, which needs approval; False for an advance, which follows from an earlier decision."""
        return self not in (Op.RECORD, Op.REGISTER)


class StepVerdict(StrEnum):
    """What Git and the live state tell of a step before its pipeline is submitted."""

    SAME = "same"  # as in an earlier run, whose result it gets
    CHANGED = "changed"  # it runs, because it differs from the earlier run, or because there is none
    KNOWN_LATER = "known-after"  # it depends on what another step writes


class StepForecast(NamedTuple):
    """What happens to a step, as far as it is known; ``cause`` is the earlier run, the reason, or the other step."""

    step: str
    verdict: StepVerdict
    cause: str


class ReuseForecast(NamedTuple):
    """What the object store has of the steps of a pipeline that a plan submits: an observation, no part of the plan.

    A step that is the same is reused, unless the store loses its result first. ``not_asked`` is why the store was not
    asked, "" if it was.
    """

    job: Address
    steps: tuple[StepForecast, ...] = ()
    not_asked: str = ""

    @property
    def address(self) -> Address:
        """The address of the action that it is about."""
        return self.job


Forecast = ReuseForecast | BuildForecast | TableComparison


def has_changed_files(action: Action) -> bool:
    """Return True if files of data changed that Git has on both sides, or data that DVC tracks."""
    return action.content is not None and bool(action.content.changed_blobs or action.content.dvc)


@dataclass(frozen=True, slots=True, order=True)
class ActionId:
    """The name of an action. ``version`` is a version or a run, "" where operation and address are enough."""

    op: Op
    address: Address
    version: str = ""

    def __str__(self) -> str:
        return f"{self.op} {self.address.format_with_version(self.version)}"

    def __hash__(self) -> int:
        return hash(self.address.name)  # cheap: few actions of a plan share a name, and plans hash ids often


class Action(NamedTuple):
    """One thing apply does.

    ``before`` and ``after`` are the two sides of the change as a person reads them. ``changed_files`` are the files
    that changed behind each path, by JSON pointer. ``needs`` are the keys of the actions that must come first.
    ``known_after`` is the job whose run decides the details. ``moved_from`` is the former address of a renamed asset.
    ``run`` is the run as it is to be recorded, ``steps`` what is known of the steps of a pipeline. ``builders``
    build an environment; ``packages`` is how its lock differs from that of the version before, None if one of the two
    is not recorded. ``model`` is what the files of a model say, as far as Git has them. ``content`` says how many files
    of data changed, and how large they are. ``runs_on`` are the computes that a submitted run or its steps go to.
    """

    op: Op
    address: Address
    version: str = ""
    seq: int = 0
    needs: tuple[ActionId, ...] = ()
    reason: str = ""
    before: Json = None
    after: Json = None
    changed_files: Mapping[str, tuple[str, ...]] = EMPTY_MAPPING
    resolved: ResolvedAsset | None = None
    record: Record | None = None
    run: Run | None = None
    known_after: Address | None = None
    moved_from: Address | None = None
    steps: tuple[StepForecast, ...] = ()
    builders: tuple[BuilderChoice, ...] = ()
    packages: PackageDiff | None = None
    model: Mapping[str, Json] = EMPTY_MAPPING
    content: ContentChange | None = None
    runs_on: tuple[RunPlace, ...] = ()

    @property
    def key(self) -> ActionId:
        """The id of the action within its plan; of a cancel, or the record of a run that is not the latest, with it."""
        is_latest = self.run is None or (
            not self.run.experiment and (self.record is None or self.run.id == self.record.latest)
        )
        has_version = self.op is Op.CANCEL or (self.op is Op.RECORD and not is_latest)
        return ActionId(self.op, self.address, self.version if has_version else "")

    @property
    def versioned_key(self) -> ActionId:
        """The id of the action among those of several plans: a job that is retried gets another run."""
        return ActionId(self.op, self.address, self.version)


class ExcludedAction(NamedTuple):
    """An action that was left out of a plan; ``cause`` is the excluded action it needs, None if it was itself meant."""

    action: Action
    cause: Action | None


def exclude_actions(
    actions: Iterable[Action],
    is_excluded: Callable[[Action], bool],
    is_kept: Callable[[Action], bool] = lambda _action: False,
) -> tuple[tuple[Action, ...], tuple[ExcludedAction, ...]]:
    """Return the actions without those to exclude and without what needs them; second, what was left out.

    The actions come in the order of a plan, so that what an action needs precedes it. An action that ``is_kept`` stays
    in any case.
    """
    remaining: list[Action] = []
    excluded: dict[ActionId, ExcludedAction] = {}
    for action in actions:
        cause = next((excluded[key].action for key in action.needs if key in excluded), None) if excluded else None
        chosen = is_excluded(action)
        if (chosen or cause is not None) and not is_kept(action):
            excluded[action.key] = ExcludedAction(action, None if chosen else cause)
        else:
            remaining.append(action)
    return tuple(remaining), tuple(excluded.values())


class Blocked(NamedTuple):
    """An asset that a plan leaves as it is for now: it waits for a run, a failure stops it, or no provider can do it.

    ``manual`` is True for a job that runs on request only; ``recorded_only`` is the type of a job that nothing can run.
    What its provider does not support has ``refusals``: errors if the plan would have realised it, else notes.
    """

    address: Address
    message: str
    failed: bool = False
    run: Run | None = None
    manual: bool = False
    recorded_only: str = ""
    refusals: tuple[Diagnostic, ...] = ()

    @property
    def is_refused(self) -> bool:
        """True if this plan would have the asset realised, and its provider refuses it."""
        return self.failed and bool(self.refusals)

    @property
    def cannot_run(self) -> bool:
        """True for a job that would not run if it was asked to."""
        return bool(self.recorded_only) or (self.manual and bool(self.refusals))


class SourceRevision(NamedTuple):
    """Where a desired state came from: a commit, its tree, and whether the work tree differed from it.

    ``snapshot_commit`` holds the tree of a dirty work tree; no branch has it. ``newer_commit`` is what a rollback goes
    back from: its history counts too, so that what it added is removed and not taken for another branch's.
    """

    commit: str
    tree: str
    dirty: bool = False
    snapshot_commit: str = ""
    newer_commit: str = ""

    @property
    def effective_commit(self) -> str:
        """The commit that holds exactly this tree."""
        return self.snapshot_commit or self.commit


class Plan(NamedTuple):
    """The ordered actions with their reasons, and the commit of the live state that they were planned against.

    ``preconditions`` are the etags of the records that the actions follow from, by address, "" where there was no
    record. ``drift`` are sentences about what differs from the live state. ``deselected_count`` is the number of
    actions that were not selected. ``is_destroy`` is True for a plan that removes what is live, whatever Git declares.
    """

    source: SourceRevision
    state_commit: str
    actions: tuple[Action, ...]
    blocked: tuple[Blocked, ...] = ()
    preconditions: Mapping[str, str] = EMPTY_MAPPING
    notes: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    deselected_count: int = 0
    is_destroy: bool = False

    @property
    def decisions(self) -> tuple[Action, ...]:
        """The actions that need approval."""
        return tuple(action for action in self.actions if action.op.is_decision)

    @property
    def has_forecast(self) -> bool:
        """True if there is something to look at beside the plan: builds, steps of pipelines, and files of data."""
        return any(
            action.op is Op.BUILD or (action.op is Op.SUBMIT and action.steps) or has_changed_files(action)
            for action in self.actions
        )

    @property
    def refusals(self) -> tuple[Diagnostic, ...]:
        """Why providers refuse what this plan would have them realise; all else is done."""
        return tuple(item for blocked in self.blocked if blocked.is_refused for item in blocked.refusals)

    @property
    def submissions(self) -> tuple[Action, ...]:
        """The actions that start a run."""
        return tuple(action for action in self.actions if action.op is Op.SUBMIT)

    @property
    def removals(self) -> tuple[Action, ...]:
        """The actions that archive or delete an asset."""
        return tuple(action for action in self.actions if action.op in (Op.ARCHIVE, Op.DELETE))

    @property
    def cancels(self) -> tuple[Action, ...]:
        """The actions that stop a run."""
        return tuple(action for action in self.actions if action.op is Op.CANCEL)

    def without(
        self, is_excluded: Callable[[Action], bool], is_kept: Callable[[Action], bool] = lambda _action: False
    ) -> tuple[Plan, tuple[ExcludedAction, ...]]:
        """Return the plan without some actions and what needs them; second, what was left out (``exclude_actions``)."""
        actions, excluded = exclude_actions(self.actions, is_excluded, is_kept)
        return self._replace(actions=actions), excluded
