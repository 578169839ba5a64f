"""What is to be done: actions with their reasons, the plan they make up, and the events of doing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.assets import EMPTY_MAPPING, Address, Json, ResolvedAsset
from reconciler.model.state import Record, Run


class Op(StrEnum):
    """What an action does. The last two are advances: they follow from what was decided before."""

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
    REPAIR = "heal"
    RECORD = "record"
    REGISTER = "register"

    @property
    def is_decision(self) -> bool:
        """Tell a decision, which wants approval, from an advance, which does not."""
        return self not in (Op.RECORD, Op.REGISTER)


@dataclass(frozen=True, slots=True)
class Action:
    """One thing apply does.

    ``before`` and ``after`` are the two sides as a person reads them, for the reason; ``touched`` names the files
    that changed behind a path; ``needs`` are the keys of the actions that come first; ``known_after`` says whose
    outcome decides the details; ``moved_from`` is the former name of what is renamed. ``run`` is the run as it is to be
    recorded.
    """

    op: Op
    address: Address
    version: str = ""
    seq: int = 0
    needs: tuple[str, ...] = ()
    reason: str = ""
    before: Json = None
    after: Json = None
    changed_files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: EMPTY_MAPPING)
    resolved: ResolvedAsset | None = None
    record: Record | None = None
    run: Run | None = None
    known_after: Address | None = None
    moved_from: Address | None = None

    @property
    def key(self) -> str:
        """Name the action within its plan; a cancel, and what records a superseded run, names that run."""
        superseded = self.record is not None and self.run is not None and self.run.id != self.record.latest
        if self.op is Op.CANCEL or (superseded and self.op is Op.RECORD):
            return f"{self.op} {self.address.format_with_version(self.version)}"
        return f"{self.op} {self.address}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Something that plan leaves as it is for now: waiting for a run, or stopped by a failure."""

    address: Address
    message: str
    failed: bool = False
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class SourceRevision:
    """Where a desired state came from: a commit, its tree, and whether the work tree differed from it.

    ``stored`` is the commit that keeps a dirty tree, which no branch has.
    """

    commit: str
    tree: str
    dirty: bool = False
    snapshot_commit: str = ""

    @property
    def effective_commit(self) -> str:
        """The commit that holds exactly this tree."""
        return self.snapshot_commit or self.commit


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered actions with their reasons, and what they were planned against.

    ``reads`` is the read set: of each record that its actions follow from a mark, "" where there was none.
    ``drift`` says where the world is not as it is recorded. ``left_out`` counts the actions that were not selected.
    """

    source: SourceRevision
    state_commit: str
    actions: tuple[Action, ...]
    blocked: tuple[Blocked, ...] = ()
    preconditions: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    notes: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    deselected_count: int = 0

    @property
    def decisions(self) -> tuple[Action, ...]:
        """The actions that want approval."""
        return tuple(action for action in self.actions if action.op.is_decision)

    @property
    def submissions(self) -> tuple[Action, ...]:
        """The actions that start a run."""
        return tuple(action for action in self.actions if action.op is Op.SUBMIT)

    @property
    def cancels(self) -> tuple[Action, ...]:
        """The actions that stop a run."""
        return tuple(action for action in self.actions if action.op is Op.CANCEL)


class Progress(StrEnum):
    """What an event tells of its action."""

    STARTED = "started"
    MESSAGE = "message"
    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    SKIPPED = "skipped"
    LOCKED = "barred"  # another apply has claimed what it would change


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during apply."""

    progress: Progress
    action: Action
    message: str = ""
    error: Exception | None = None
