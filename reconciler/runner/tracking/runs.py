"""The state of tracking: the main run, the runs that its script nests in it, and all metrics in metrics.jsonl.

Not thread-safe: ``calls`` handles one call at a time.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from ..artifacts import MAIN_RUN_FOLDER  # noqa: TID252 - this package is shipped under another name
from ..files import new_id, to_json_line  # noqa: TID252 - this package is shipped under another name
from ..result import TrackedValues  # noqa: TID252 - this package is shipped under another name
from .errors import invalid_value_error, not_found_error
from .session import EXPERIMENT_ID

_RUN_NAME_TAG = "mlflow.runName"
_COMMIT_TAG = "mlflow.source.git.commit"
_INTERNAL_TAG_PREFIX = "mlflow."
_PACKED_METRIC = struct.Struct("<qqd")  # step, time, value: a run may log millions


def current_milliseconds() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of a metric; the time is in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int

    @property
    def sort_key(self) -> tuple[int, int, float]:
        """The metric with the largest key is the last value, as MLflow defines it."""
        return self.step, self.timestamp, -math.inf if math.isnan(self.value) else self.value

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, "value": number_to_json(self.value), "timestamp": self.timestamp, "step": self.step}


class MetricHistory(Sequence[Metric]):
    """All values of one metric of a run, in the order in which they were logged; equal rows are kept once.

    MLflow clients log rows again, such as with every model that they log.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._rows: list[bytes] = []
        self._known: set[bytes] = set()

    def add(self, metric: Metric) -> bool:
        """Add a value; return False if it is there already."""
        row = _PACKED_METRIC.pack(metric.step, metric.timestamp, metric.value)
        if row in self._known:
            return False
        self._known.add(row)
        self._rows.append(row)
        return True

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Metric: ...
    @overload
    def __getitem__(self, index: slice) -> list[Metric]: ...
    def __getitem__(self, index: int | slice) -> Metric | list[Metric]:
        if isinstance(index, slice):
            return [self._unpack(row) for row in self._rows[index]]
        return self._unpack(self._rows[index])

    def _unpack(self, row: bytes) -> Metric:
        step, timestamp, value = _PACKED_METRIC.unpack(row)
        return Metric(self._key, value, timestamp, step)


@dataclass(slots=True)
class TrackedRun:
    """The state of one run: the last values of its metrics, and the histories of them."""

    id: str
    artifact_path: str  # relative to the folder of the artifacts
    user: str = ""
    start_time: int = field(default_factory=current_milliseconds)
    end_time: int | None = None
    status: str = "RUNNING"
    lifecycle_stage: str = "active"
    metrics: dict[str, Metric] = field(default_factory=dict)
    histories: dict[str, MetricHistory] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[Any] = field(default_factory=list)
    input_models: list[Any] = field(default_factory=list)
    output_models: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.tags.get(_RUN_NAME_TAG, self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the run as MLflow's RunInfo, RunData, inputs and outputs."""
        info: dict[str, Any] = {
            "run_id": self.id,
            "run_uuid": self.id,
            "run_name": self.name,
            "experiment_id": EXPERIMENT_ID,
            "user_id": self.user,
            "status": self.status,
            "start_time": self.start_time,
            "artifact_uri": f"mlflow-artifacts:/{self.artifact_path}",
            "lifecycle_stage": self.lifecycle_stage,
        }
        if self.end_time is not None:
            info["end_time"] = self.end_time
        data = {
            "metrics": [metric.to_json() for metric in self.metrics.values()],
            "params": key_value_pairs(self.params),
            "tags": key_value_pairs(self.tags),
        }
        inputs = {"dataset_inputs": self.datasets, "model_inputs": self.input_models}
        return {"info": info, "data": data, "inputs": inputs, "outputs": {"model_outputs": self.output_models}}

    def tracked_values(self) -> TrackedValues:
        """Return what result.json has of the run; the tags of MLflow itself are left out."""
        return TrackedValues(
            metrics={key: number_to_json(metric.value) for key, metric in self.metrics.items()},
            params=dict(self.params),
            tags={key: value for key, value in self.tags.items() if not key.startswith(_INTERNAL_TAG_PREFIX)},
        )


class TrackedRuns:
    """The runs of one job: the main run, and those that its script creates."""

    def __init__(self, main: str, metrics: Path, commit: str = "") -> None:
        self.main = TrackedRun(main, MAIN_RUN_FOLDER, tags=main_run_tags(main, commit))
        self._runs = {main: self.main}
        self._file = metrics.open("a", encoding="utf-8")

    def close(self) -> None:
        self._file.close()

    def list_runs(self) -> list[TrackedRun]:
        return list(self._runs.values())

    def get(self, run_id: Any) -> TrackedRun:
        run = self._runs.get(run_id) if isinstance(run_id, str) else None
        if run is None:
            raise not_found_error(f"this job has no run {run_id!r}")
        return run

    def create(self, name: str, user: str, start_time: int | None, tags: dict[str, str]) -> TrackedRun:
        """Create a run other than the main one."""
        run_id = new_id()
        run = TrackedRun(run_id, f"runs/{run_id}", user, start_time or current_milliseconds())
        run.tags = {_RUN_NAME_TAG: name or run_id, **tags}
        self._runs[run_id] = run
        return run

    def rename(self, run: TrackedRun, name: str) -> None:
        run.tags[_RUN_NAME_TAG] = name

    def log_param(self, run: TrackedRun, key: str, value: str) -> None:
        """Record a parameter; raises ApiError if it has another value already, as MLflow does."""
        if run.params.setdefault(key, value) != value:
            raise invalid_value_error(
                f"the parameter {key!r} is already {run.params[key]!r} in this run, so it cannot be {value!r}"
            )

    def log_metrics(self, run: TrackedRun, metrics: list[Metric]) -> None:
        """Append the values that are new to metrics.jsonl, and keep the last value of each metric by step and time."""
        run_field = {} if run is self.main else {"run": run.id}
        added = [
            metric for metric in metrics if run.histories.setdefault(metric.key, MetricHistory(metric.key)).add(metric)
        ]
        for metric in added:
            last = run.metrics.get(metric.key)
            if last is None or metric.sort_key >= last.sort_key:
                run.metrics[metric.key] = metric
        self._file.write("".join(to_json_line({**metric.to_json(), **run_field}) + "\n" for metric in added))
        self._file.flush()


def main_run_tags(name: str, commit: str) -> dict[str, str]:
    """Return the tags that the run of a job starts with."""
    return {_RUN_NAME_TAG: name, **({_COMMIT_TAG: commit} if commit else {})}


def key_value_pairs(mapping: dict[str, str]) -> list[dict[str, str]]:
    """Return a mapping in the form of MLflow: a list of objects with key and value."""
    return [{"key": key, "value": value} for key, value in mapping.items()]


def parse_number(value: Any) -> float:
    """Return a number as a float, also from a string such as ``NaN``; raises ApiError for anything else."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise invalid_value_error(f"{value!r} is not a number")


def number_to_json(value: float) -> float | str:
    """Return a number in a form that every JSON reader accepts: NaN and infinity as strings."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
