"""Runs of jobs, as the live state records them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.assets import EMPTY_MAPPING, Address, Json, Spec
from reconciler.model.providers import Handle
from reconciler.model.resolved import ResolvedReference


class RunStatus(StrEnum):
    """The status of a run, in the words of Azure ML, lower case; intended and lost are added by mlgit.

    Only a step is not started.
    """

    INTENDED = "intended"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    LOST = "lost"
    NOT_STARTED = "notstarted"

    @property
    def label(self) -> str:
        """The status as a person reads it: ``not started``."""
        return "not started" if self is RunStatus.NOT_STARTED else str(self)

    @property
    def is_active(self) -> bool:
        """True if the run may still end by itself."""
        return self in (RunStatus.INTENDED, RunStatus.QUEUED, RunStatus.RUNNING)


_LOG_TAIL_MARK = "; its last lines:"

# The failure of a run that mlgit canceled itself.
REMOVED_FROM_GIT = "removed"
SUPERSEDED = "superseded"
DESTROYED = "destroyed"
STOPPED_EARLY = "stopped"

DEFAULT_ARTIFACTS = "artifacts"
"""The output that every job has: its ./outputs and ./logs, and the files that it logged."""
UNWRITTEN, PENDING_WRITE = "unwritten", "pending_write"
"""Keys of an output as it is recorded: why it was not written to its path, and that the next apply writes it again."""


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job.

    ``failure`` is the class of a failure: user, timeout, staging, engine or lost. Of a canceled run it is user, or why
    mlgit canceled it: REMOVED_FROM_GIT (its job is no longer in Git), SUPERSEDED (by another run), DESTROYED (with
    its job) or STOPPED_EARLY (a trial, by the policy of its sweep). ``message`` says what failed in one line,
    ``exit_code`` is that of a command that failed; what a run wrote is in its log only. ``handle`` is what its backend
    calls it, None until it was submitted. A run of a step has the id of its ``parent`` and the path of the ``step``. An
    ``experiment`` is a run that `mlgit run` started: it is recorded apart, and no record of a job names it.
    """

    id: str
    address: Address
    token: str
    fingerprint: str
    attempt: int
    backend: str
    status: RunStatus
    failure: str = ""
    message: str = ""
    commit: str = ""
    submitted_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    exit_code: int | None = None
    handle: Handle | None = None
    parent: str = ""
    step: str = ""
    experiment: bool = False
    spec: Spec = field(default_factory=lambda: EMPTY_MAPPING)
    references: Mapping[str, ResolvedReference] = field(default_factory=lambda: EMPTY_MAPPING)
    contents: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    outputs: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    metrics: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    params: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    realised: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    extra: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)

    @property
    def job_name(self) -> str:
        """The name of the job; of a step that of its pipeline or sweep."""
        return self.address.name.removesuffix(f"/{self.step}") if self.step else self.address.name

    @property
    def is_unfinished(self) -> bool:
        """True if the end of the run, or its outputs in the store, are not recorded yet."""
        unstored = any("md5" not in (output or ()) for output in self.outputs.values())
        return self.status.is_active or (self.status is RunStatus.COMPLETED and unstored)


def failure_reason(message: str) -> str:
    """Return the message of a failed run without the end of its log, which an older mlgit put into it."""
    return message.partition("\n")[0].removesuffix(_LOG_TAIL_MARK)


def run_experiment(spec: Spec, realised: Mapping[str, Json]) -> str:
    """Return the experiment of a run: that with which it was submitted, else the one that its job names."""
    return str(realised.get("experiment_name") or spec.get("experiment_name") or "")


def run_tags(spec: Spec) -> dict[str, str]:
    """Return the tags that the job of a run had when it was submitted."""
    tags = spec.get("tags")
    return {str(key): str(value) for key, value in tags.items()} if isinstance(tags, Mapping) else {}


def run_metric(spec: Spec, metrics: Mapping[str, Json]) -> tuple[str, Json] | None:
    """Return the metric by which a run is judged: of a sweep its primary metric, else the first one that it logged."""
    objective = spec.get("objective")
    name = str(objective.get("primary_metric")) if isinstance(objective, Mapping) else min(metrics, default="")
    return (name, metrics[name]) if name in metrics else None
