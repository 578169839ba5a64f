"""What a run has logged: the lines of its metrics, as backends return them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TypeAlias

from reconciler.model.assets import Json

Metric: TypeAlias = dict[str, Json]

_METRIC_FIELDS = {"key", "value", "step"}
_MAX_METRICS_BYTES = 50_000_000


def parse_metrics(chunks: Iterable[bytes]) -> tuple[list[Metric], int]:
    """Return the values that a run has logged, each once, in order, and the number of lines that cannot be read.

    The values of runs that its script nested in it are left out.
    """
    lines = _read_up_to(chunks, _MAX_METRICS_BYTES).decode("utf-8", "replace").splitlines()
    metrics = [metric for line in lines if (metric := _parse_metric_line(line)) is not None]
    own = {json.dumps(metric, sort_keys=True): metric for metric in metrics if "run" not in metric}
    return list(own.values()), len(lines) - len(metrics)


def metric_order(metric: Metric) -> tuple[int, int, float]:
    """Return a sort key: the metric with the largest key is the last value, as MLflow defines it."""
    value = float(metric["value"])
    return int(metric["step"]), int(metric.get("timestamp", 0)), -math.inf if math.isnan(value) else value


def _read_up_to(chunks: Iterable[bytes], limit: int) -> bytes:
    """Return the first bytes of a stream."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > limit:
            break
    return bytes(content[:limit])


def _parse_metric_line(line: str) -> Metric | None:
    """Return the metric of a line; None if the line was cut off by the end of the run."""
    try:
        metric: Json = json.loads(line)
        is_whole = isinstance(metric, dict) and metric.keys() >= _METRIC_FIELDS and bool(metric_order(metric))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    return metric if is_whole else None
