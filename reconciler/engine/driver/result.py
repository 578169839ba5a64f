"""The result of a pipeline or a sweep, as the runner would write that of a command (schemas/run-result.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice

from reconciler.engine.driver.decisions import Table, failure_message
from reconciler.engine.driver.events import EventLog
from reconciler.engine.driver.graph import FrozenGraph, graph_error
from reconciler.model import Json, RunStatus
from reconciler.model.content import Content
from reconciler.model.run_results import is_result
from reconciler.runner.result import LOG_FILE, METRICS_FILE, RESULT_FORMAT, Failure, FinalStatus

_MAX_METRICS = 100  # of the steps of a pipeline, which has none of its own


def make_graph_result(graph: FrozenGraph, log: EventLog, ended: str, *, is_canceled: bool) -> dict[str, Json]:
    """Return the result of a run all of whose steps have ended."""
    status = _final_status(graph, log.table, is_canceled=is_canceled)
    failure = _make_failure(graph, log.table) if status is FinalStatus.FAILED else None
    best = log.table.get(graph.sweep_step.path) if graph.sweep_step else None
    contents = graph_outputs(graph, log.table) if status is FinalStatus.COMPLETED else {}
    return {
        "format": RESULT_FORMAT,
        "token": graph.token,
        "run": graph.run,
        "status": str(status),
        "failure": failure.to_json() if failure else None,
        "started": log.events[0].at if log.events else ended,
        "ended": ended,
        "exit_code": None,
        "metrics": dict(best.metrics) if best else _metrics_of_steps(graph, log.table),
        "metrics_file": METRICS_FILE,
        "params": {name: _to_text(value) for name, value in best.params.items()} if best else {},
        "tags": {},
        "outputs": {name: _output_to_json(graph, log.table, name, content) for name, content in contents.items()},
        "log": LOG_FILE,
    }


def _metrics_of_steps(graph: FrozenGraph, table: Table) -> dict[str, Json]:
    """Return the metrics of the steps of a pipeline as ``STEP.METRIC``; of many the first ones."""
    named = ((f"{path}.{name}", value) for path in graph.steps for name, value in table[path].metrics.items())
    return dict(islice(named, _MAX_METRICS))


def decode_result(raw: bytes, name: str) -> Mapping[str, Json]:
    """Return the result of an entry of the store; raises UserError ``graph-damaged`` for what no driver has written."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise graph_error(name) from error
    if not is_result(document):
        raise graph_error(name)
    result: Mapping[str, Json] = document
    return result


def _to_text(value: Json) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _output_to_json(graph: FrozenGraph, table: Table, name: str, content: Content) -> dict[str, Json]:
    """Return what the result says of an output: also which run made it, if this one has reused it."""
    origin = table[graph.outputs[name].step].reused_from
    return {"files": content.files, "size": content.size} | ({"origin": origin} if origin else {})


def graph_outputs(graph: FrozenGraph, table: Table) -> dict[str, Content]:
    """Return the outputs of a completed run by name: each is one of a step, if that has written it."""
    return {
        name: Content.from_json(output)
        for name, source in graph.outputs.items()
        if (output := table[source.step].outputs.get(source.output))
    }


def _final_status(graph: FrozenGraph, table: Table, *, is_canceled: bool) -> FinalStatus:
    if all(table[path].status is RunStatus.COMPLETED for path in graph.steps):
        return FinalStatus.COMPLETED
    return FinalStatus.CANCELED if is_canceled else FinalStatus.FAILED


def _make_failure(graph: FrozenGraph, table: Table) -> Failure:
    """Return why a run failed: the user's fault if any step's is, else that of what ran the steps."""
    failures = {table[path].failure for path in graph.steps if table[path].status is not RunStatus.COMPLETED}
    kind = "user" if "user" in failures else "timeout" if "timeout" in failures else "engine"
    return Failure(kind, failure_message(graph, table))
