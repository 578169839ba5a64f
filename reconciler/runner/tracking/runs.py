"""The state behind the tracking calls: the run, the runs that its script nests in it, and every metric on disk.

Not safe for threads by itself: ``calls`` answers one call at a time.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..records import encode  # noqa: TID252 - this package is shipped under another name
from ..result import Tracked  # noqa: TID252 - this package is shipped under another name
from .errors import invalid, missing

EXPERIMENT = "0"  # a job has one experiment, by whatever name its script calls it
_NAME_TAG = "mlflow.runName"
_INTERNAL = "mlflow."


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of a metric; the time is in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int

    @property
    def order(self) -> tuple[int, int, float]:
        """The largest of these is what MLflow calls the last value."""
        return self.step, self.timestamp, -math.inf if math.isnan(self.value) else self.value

    def document(self) -> dict[str, Any]:
        return {"key": self.key, "value": plain(self.value), "timestamp": self.timestamp, "step": self.step}


@dataclass(slots=True)
class Run:
    """What is known of one run; everything but the past values of its metrics."""

    id: str
    artifacts: str  # its folder, below the artifacts' root
    user: str = ""
    start_time: int = field(default_factory=milliseconds)
    end_time: int | None = None
    status: str = "RUNNING"
    lifecycle: str = "active"
    metrics: dict[str, Metric] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[Any] = field(default_factory=list)
    models_used: list[Any] = field(default_factory=list)
    models_made: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.tags.get(_NAME_TAG, self.id)

    def document(self) -> dict[str, Any]:
        """Write the run as MLflow's RunInfo, RunData, inputs and outputs."""
        info: dict[str, Any] = {
            "run_id": self.id,
            "run_uuid": self.id,
            "run_name": self.name,
            "experiment_id": EXPERIMENT,
            "user_id": self.user,
            "status": self.status,
            "start_time": self.start_time,
            "artifact_uri": f"mlflow-artifacts:/{self.artifacts}",
            "lifecycle_stage": self.lifecycle,
        }
        if self.end_time is not None:
            info["end_time"] = self.end_time
        data = {
            "metrics": [each.document() for each in self.metrics.values()],
            "params": pairs(self.params),
            "tags": pairs(self.tags),
        }
        inputs = {"dataset_inputs": self.datasets, "model_inputs": self.models_used}
        return {"info": info, "data": data, "inputs": inputs, "outputs": {"model_outputs": self.models_made}}

    def tracked(self) -> Tracked:
        """Tell what belongs into the run's result: MLflow's own tags do not."""
        return Tracked(
            metrics={key: plain(each.value) for key, each in self.metrics.items()},
            params=dict(self.params),
            tags={key: value for key, value in self.tags.items() if not key.startswith(_INTERNAL)},
        )


class Runs:
    """All runs of one job: the main one exists from the start, the others are made by the script."""

    def __init__(self, main: str, metrics: Path) -> None:
        self.main = Run(main, "run", tags={_NAME_TAG: main})
        self._runs = {main: self.main}
        self._path = metrics
        self._file = metrics.open("a", encoding="utf-8")

    def close(self) -> None:
        self._file.close()

    def all(self) -> list[Run]:
        return list(self._runs.values())

    def get(self, run_id: Any) -> Run:
        run = self._runs.get(run_id) if isinstance(run_id, str) else None
        if run is None:
            raise missing(f"this job has no run {run_id!r}")
        return run

    def create(self, name: str, user: str, start_time: int | None, tags: dict[str, str]) -> Run:
        """Make a run of the script's own, apart from the main one."""
        run_id = uuid.uuid4().hex
        run = Run(run_id, f"runs/{run_id}", user, start_time or milliseconds())
        run.tags = {_NAME_TAG: name or run_id, **tags}
        self._runs[run_id] = run
        return run

    def rename(self, run: Run, name: str) -> None:
        run.tags[_NAME_TAG] = name

    def log_param(self, run: Run, key: str, value: str) -> None:
        """Keep a parameter; MLflow's rule is that it never changes."""
        if run.params.setdefault(key, value) != value:
            raise invalid(
                f"the parameter {key!r} is already {run.params[key]!r} in this run, so it cannot be {value!r}"
            )

    def log_metrics(self, run: Run, metrics: list[Metric]) -> None:
        """Write values to metrics.jsonl, at once and in order, and remember the last of each."""
        whose = {} if run is self.main else {"run": run.id}
        for each in metrics:
            last = run.metrics.get(each.key)
            if last is None or each.order >= last.order:
                run.metrics[each.key] = each
        self._file.write("".join(encode({**each.document(), **whose}) + "\n" for each in metrics))
        self._file.flush()

    def history(self, run: Run, key: str) -> Iterator[Metric]:
        """Read all values of one metric back from the disk, in the order in which they came."""
        whose = None if run is self.main else run.id
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if row["key"] == key and row.get("run") == whose:
                    yield Metric(key, number(row["value"]), row["timestamp"], row["step"])


def pairs(mapping: dict[str, str]) -> list[dict[str, str]]:
    """Write a mapping as MLflow does: a list of keys and values."""
    return [{"key": key, "value": value} for key, value in mapping.items()]


def number(value: Any) -> float:
    """Read a number, or the words that JSON has for what is none."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise invalid(f"{value!r} is no number")


def plain(value: float) -> float | str:
    """Write a number so that every JSON reader takes it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
