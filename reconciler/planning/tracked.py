"""What is mirrored into an MLflow registry: the ended runs of jobs and the versions of models, as they are recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Json, Record, Run, RunStatus, State, run_experiment, run_tags

TOKEN_TAG, LINEAGE_TAG = "mlgit.token", "mlgit.lineage"  # find what was mirrored before, and whose it is
CURRENT_ALIAS = "current"
MODELS_EXPERIMENT = "mlgit-models"  # of the artifacts of models that no mirrored run has made
_STATUSES = {RunStatus.COMPLETED: "FINISHED", RunStatus.CANCELED: "KILLED"}
_MAX_VALUE = 6000  # of a parameter of MLflow
_MAX_TAG = 5000


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run as MLflow has it: token, experiment, status, tags, parameters, and the last values of its metrics."""

    run: Run
    token: str
    experiment: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class TrackedVersion:
    """A version of a model as MLflow has it, by the name of its registered model."""

    record: Record
    token: str
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the registered model."""
        return self.record.address.name

    @property
    def label(self) -> str:
        """The version as mlgit names it."""
        return self.record.address.format_with_version(self.record.version)


def tracked_runs(state: State) -> Iterator[TrackedRun]:
    """Yield of each live job the current run and the newest one, if it has ended and its outputs are stored."""
    for record in state.current.values():
        if record.archived or not _has(record, "is_runnable"):
            continue
        for run_id in dict.fromkeys(filter(None, (record.run, record.latest))):
            run = state.find_run(record.address, run_id)
            if run is not None and not run.is_unfinished:
                yield _track_run(state, run)


def _track_run(state: State, run: Run) -> TrackedRun:
    own = {
        TOKEN_TAG: run.token,
        LINEAGE_TAG: state.lineage,
        "mlgit.job": str(run.address),
        "mlgit.run": run.id,
        "mlgit.commit": run.commit,
        "mlflow.source.git.commit": run.commit,
        "mlflow.note.content": str(run.spec.get("description") or ""),
    }
    tags = {**run_tags(run.spec), **{key: value for key, value in own.items() if value}}
    return TrackedRun(
        run,
        run.token,
        run_experiment(run.spec, run.realised) or run.address.name,
        _STATUSES.get(run.status, "FAILED"),
        {key: value[:_MAX_TAG] for key, value in tags.items()},
        {key: value[:_MAX_VALUE] for key, value in {**_literals(run), **_logged(run)}.items()},
        run.metrics,
    )


def _literals(run: Run) -> dict[str, str]:
    """Return the inputs of a job that are plain values."""
    inputs = run.spec.get("inputs")
    values = inputs.items() if isinstance(inputs, Mapping) else ()
    return {str(name): str(value) for name, value in values if not isinstance(value, Mapping) and value is not None}


def _logged(run: Run) -> dict[str, str]:
    return {name: str(value) for name, value in run.params.items()}


def tracked_versions(state: State) -> Iterator[TrackedVersion]:
    """Yield the current version of each live model, whose bytes the store has."""
    for record in state.current.values():
        if not record.archived and _has(record, "is_model") and "/path" in record.realised.get("contents", {}):
            token = f"{state.lineage}/{record.address.format_with_version(record.version)}"
            tags = {
                TOKEN_TAG: token,
                LINEAGE_TAG: state.lineage,
                "mlgit.version": record.version,
                "mlgit.commit": str(record.lineage.get("commit", "")),
                "mlgit.run": str(record.lineage.get("run", "")),
            }
            yield TrackedVersion(record, token, {key: value for key, value in tags.items() if value})


def _has(record: Record, trait: str) -> bool:
    kind = record.address.kind
    return kind in kinds() and bool(getattr(kind_by_name(kind), trait))
