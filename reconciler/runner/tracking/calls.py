"""Which tracking call is answered by what: the MLflow REST API, as far as a job's script needs it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable

from .arguments import Body, page, read_integer, read_json, read_metric, read_rows, read_tags, read_text
from .artifacts import Artifacts
from .errors import ApiError
from .models import Models, artifacts_of
from .runs import EXPERIMENT, Run, Runs
from .search import read_model, read_run, search

# How each view of the trash is called, and what it shows.
_VIEWS = {"ACTIVE_ONLY": {"active"}, "DELETED_ONLY": {"deleted"}, "ALL": {"active", "deleted"}}
_MODEL_HISTORY = "mlflow.log-model.history"


class Calls:
    """Answers one call at a time: each takes microseconds, and so the state needs no locks of its own."""

    def __init__(self, runs: Runs, models: Models, artifacts: Artifacts) -> None:
        self._runs = runs
        self._models = models
        self._artifacts = artifacts
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, body: Body) -> Body:
        """Answer a call by its path below ``/mlflow/``; raises ApiError."""
        for route, pattern, reply in _ROUTES:
            if route == method and (match := pattern.fullmatch(path)):
                with self._lock:
                    return reply(self, {**body, **match.groupdict()})
        raise ApiError("ENDPOINT_NOT_FOUND", f"this run's tracking has no {method} {path}")

    # -- experiments: there is one, and it answers to every name

    def get_experiment(self, body: Body) -> Body:
        return {"experiment": _experiment(body.get("experiment_name") or "Default")}

    def create_experiment(self, _body: Body) -> Body:
        return {"experiment_id": EXPERIMENT}

    def search_experiments(self, _body: Body) -> Body:
        return {"experiments": [_experiment("Default")]}

    def accept(self, _body: Body) -> Body:
        return {}

    # -- runs

    def create_run(self, body: Body) -> Body:
        start_time = body.get("start_time")
        run = self._runs.create(
            str(body.get("run_name") or ""),
            str(body.get("user_id") or ""),
            read_integer(start_time) if start_time else None,
            read_tags(body),
        )
        return {"run": run.document()}

    def get_run(self, body: Body) -> Body:
        return {"run": self._run(body).document()}

    def update_run(self, body: Body) -> Body:
        run = self._run(body)
        run.status = str(body.get("status") or run.status)
        if body.get("end_time"):
            run.end_time = read_integer(body["end_time"])
        if body.get("run_name"):
            self._runs.rename(run, read_text(body, "run_name"))
        return {"run_info": run.document()["info"]}

    def delete_run(self, body: Body) -> Body:
        self._run(body).lifecycle = "deleted"
        return {}

    def restore_run(self, body: Body) -> Body:
        self._run(body).lifecycle = "active"
        return {}

    def search_runs(self, body: Body) -> Body:
        shown = _VIEWS.get(str(body.get("run_view_type")), _VIEWS["ACTIVE_ONLY"])
        newest_first = sorted(self._runs.all(), key=lambda run: run.start_time, reverse=True)
        runs = [run for run in newest_first if run.lifecycle in shown]
        orders = [str(each) for each in body.get("order_by") or []]
        found = search(runs, str(body.get("filter") or ""), orders, read_run)
        return page("runs", [run.document() for run in found], body)

    # -- what a run logs

    def log_metric(self, body: Body) -> Body:
        self._log_metrics(self._run(body), [body])
        return {}

    def log_param(self, body: Body) -> Body:
        self._runs.log_param(self._run(body), read_text(body, "key"), str(body.get("value", "")))
        return {}

    def set_tag(self, body: Body) -> Body:
        self._run(body).tags[read_text(body, "key")] = str(body.get("value", ""))
        return {}

    def delete_tag(self, body: Body) -> Body:
        self._run(body).tags.pop(read_text(body, "key"), None)
        return {}

    def log_batch(self, body: Body) -> Body:
        run = self._run(body)
        for each in read_rows(body, "params"):
            self._runs.log_param(run, read_text(each, "key"), str(each.get("value", "")))
        run.tags.update(read_tags(body))
        self._log_metrics(run, read_rows(body, "metrics"))
        return {}

    def log_inputs(self, body: Body) -> Body:
        run = self._run(body)
        run.datasets += read_rows(body, "datasets")
        run.models_used += read_rows(body, "models")
        return {}

    def log_outputs(self, body: Body) -> Body:
        self._run(body).models_made += read_rows(body, "models")
        return {}

    def log_model(self, body: Body) -> Body:
        tags = self._run(body).tags
        history = read_json(tags.get(_MODEL_HISTORY, "[]"))
        tags[_MODEL_HISTORY] = json.dumps([*history, read_json(read_text(body, "model_json"))])
        return {}

    def metric_history(self, body: Body) -> Body:
        history = self._runs.history(self._run(body), read_text(body, "metric_key"))
        return page("metrics", [each.document() for each in history], body)

    # -- logged models

    def create_model(self, body: Body) -> Body:
        return {"model": self._models.create(body, read_tags(body))}

    def get_model(self, body: Body) -> Body:
        return {"model": self._models.get(body["model_id"])}

    def finalize_model(self, body: Body) -> Body:
        return {"model": self._models.finalize(body["model_id"], read_text(body, "status"))}

    def delete_model(self, body: Body) -> Body:
        self._models.delete(body["model_id"])
        return {}

    def search_models(self, body: Body) -> Body:
        orders = [
            f"{read_text(each, 'field_name')} {'ASC' if each.get('ascending', True) else 'DESC'}"
            for each in read_rows(body, "order_by")
        ]
        return page("models", search(self._models.all(), str(body.get("filter") or ""), orders, read_model), body)

    def tag_model(self, body: Body) -> Body:
        return {"model": self._models.set_tags(body["model_id"], read_tags(body))}

    def untag_model(self, body: Body) -> Body:
        self._models.delete_tag(body["model_id"], body["tag_key"])
        return {}

    def log_model_params(self, body: Body) -> Body:
        self._models.add_params(body["model_id"], read_rows(body, "params"))
        return {}

    def list_model_artifacts(self, body: Body) -> Body:
        self._models.get(body["model_id"])
        return self._list(artifacts_of(body["model_id"]), body.get("artifact_directory_path", ""))

    def list_artifacts(self, body: Body) -> Body:
        return self._list(self._run(body).artifacts, body.get("path", ""))

    # -- shared by the above

    def _list(self, base: str, path: str) -> Body:
        return {"root_uri": f"mlflow-artifacts:/{base}", "files": self._artifacts.list(base, path)}

    def _run(self, body: Body) -> Run:
        return self._runs.get(body.get("run_id") or body.get("run_uuid"))

    def _log_metrics(self, run: Run, rows: list[Body]) -> None:
        metrics = [read_metric(row) for row in rows]
        self._runs.log_metrics(run, metrics)
        for row, metric in zip(rows, metrics, strict=True):
            if row.get("model_id"):
                self._models.add_metric(row["model_id"], run.id, metric)


_Reply = Callable[[Calls, Body], Body]


def _routes(table: dict[str, _Reply]) -> list[tuple[str, re.Pattern[str], _Reply]]:
    rows = []
    for call, reply in table.items():
        method, path = call.split()
        rows.append((method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), reply))
    return rows


_ROUTES = _routes(
    {
        "GET experiments/get": Calls.get_experiment,
        "GET experiments/get-by-name": Calls.get_experiment,
        "POST experiments/create": Calls.create_experiment,
        "GET experiments/search": Calls.search_experiments,
        "POST experiments/search": Calls.search_experiments,
        "POST experiments/set-experiment-tag": Calls.accept,
        "POST runs/create": Calls.create_run,
        "GET runs/get": Calls.get_run,
        "POST runs/update": Calls.update_run,
        "POST runs/delete": Calls.delete_run,
        "POST runs/restore": Calls.restore_run,
        "POST runs/search": Calls.search_runs,
        "POST runs/log-metric": Calls.log_metric,
        "POST runs/log-parameter": Calls.log_param,
        "POST runs/set-tag": Calls.set_tag,
        "POST runs/delete-tag": Calls.delete_tag,
        "POST runs/log-batch": Calls.log_batch,
        "POST runs/log-inputs": Calls.log_inputs,
        "POST runs/outputs": Calls.log_outputs,
        "POST runs/log-model": Calls.log_model,
        "GET metrics/get-history": Calls.metric_history,
        "POST logged-models": Calls.create_model,
        "POST logged-models/search": Calls.search_models,
        "GET logged-models/{model_id}": Calls.get_model,
        "PATCH logged-models/{model_id}": Calls.finalize_model,
        "DELETE logged-models/{model_id}": Calls.delete_model,
        "PATCH logged-models/{model_id}/tags": Calls.tag_model,
        "DELETE logged-models/{model_id}/tags/{tag_key}": Calls.untag_model,
        "POST logged-models/{model_id}/params": Calls.log_model_params,
        "GET logged-models/{model_id}/artifacts/directories": Calls.list_model_artifacts,
        "GET artifacts/list": Calls.list_artifacts,
    }
)


def _experiment(name: str) -> Body:
    return {
        "experiment_id": EXPERIMENT,
        "name": name,
        "artifact_location": "mlflow-artifacts:/",
        "lifecycle_stage": "active",
    }
