"""The runs of the steps of a pipeline, and of the trials of a sweep: what happened to each, as the live state keeps it.

A composite run (a pipeline or a sweep) has one token; its steps and trials are child runs. Their table is in the store
while the run goes on, and is written into the live state once, with its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache

from reconciler.model.assets import EMPTY_MAPPING, Address, Json
from reconciler.model.providers import Handle
from reconciler.model.runs import Run, RunStatus

DRIVER = "driver"
"""The name of what runs composite runs, in place of a backend; no backend of mlgit.yml can have it."""
DRIVER_GONE = "driver-gone"
"""The reason of a composite run that goes on only when another driver is started for it."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """What happened to one step or trial.

    ``step`` is its path, ``train`` or ``sweep.7``. ``run`` is the id of its child run and ``token`` that of its
    submission, "" for a step that did not run. A step that was reused has the outputs, the metrics and the handle of
    the run that it was reused from: ``reused_from`` is ``RUN/STEP``. ``reason`` says why it ran or why not, ``inputs``
    what it got: literal values, and of contents the sha256. ``key`` is its reuse key. ``environment`` is the
    identity of the build that it got, with the name and the fingerprint of what was built. ``params`` of a trial are
    the values of its search space, ``best_value`` is the best one of the primary metric that it logged. One that is
    still active and has a ``failure`` is being canceled for it.
    """

    step: str
    status: RunStatus
    run: str = ""
    token: str = ""
    attempt: int = 0
    backend: str = ""
    handle: Handle | None = None
    reused_from: str = ""
    reason: str = ""
    failure: str = ""
    message: str = ""
    exit_code: int | None = None
    submitted_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    key: str = ""
    component: str = ""
    environment: str = ""
    environment_name: str = ""
    environment_fingerprint: str = ""
    inputs: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    outputs: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    metrics: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    params: Mapping[str, Json] = field(default_factory=lambda: EMPTY_MAPPING)
    needs: tuple[str, ...] = ()
    is_best: bool = False
    best_value: float | None = None

    @property
    def is_trial(self) -> bool:
        """True for a trial of a sweep, whose path ends in its number."""
        return self.step.rpartition(".")[2].isdecimal()

    @property
    def has_ended(self) -> bool:
        """True if the step ran, or was reused, and does not run any more."""
        return not self.status.is_active and self.status is not RunStatus.NOT_STARTED

    def to_json(self) -> dict[str, Json]:
        """Return the step run as the store and the live state keep it, defaults left out."""
        document: dict[str, Json] = {"step": self.step, "status": str(self.status)}
        for item in fields(self)[2:]:
            default = item.default if item.default_factory is MISSING else item.default_factory()
            if (value := getattr(self, item.name)) != default:
                document[item.name] = _to_json(value)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> StepRun:
        """Return the step run of a document; raises KeyError, TypeError or ValueError for what is none."""
        values = {name: value for name, value in document.items() if name in _field_names()}
        values |= {"status": RunStatus(document["status"]), "needs": tuple(document.get("needs", ()))}
        if "handle" in values:
            values["handle"] = Handle.from_json(document["handle"])
        return cls(**values)

    def as_run(self, parent: Run) -> Run:
        """Return the child run as a run of its own, below its parent."""
        return Run(
            id=self.run or f"{parent.id}.{self.step}",
            address=Address(parent.address.kind, f"{parent.address.name}/{self.step}"),
            token=self.token,
            fingerprint=self.key,
            attempt=self.attempt or 1,
            backend=self.backend,
            status=self.status,
            failure=self.failure,
            message=self.message,
            exit_code=self.exit_code,
            commit=parent.commit,
            submitted_at=self.submitted_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            handle=self.handle,
            parent=parent.id,
            step=self.step,
            outputs=self.outputs,
            metrics=self.metrics,
            params=self.params,
        )


@cache
def _field_names() -> frozenset[str]:
    """Return the names of the fields of a step run; others, which a newer mlgit adds, are ignored."""
    return frozenset(item.name for item in fields(StepRun))


def _to_json(value: Json) -> Json:
    if isinstance(value, Handle):
        return value.to_json()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
