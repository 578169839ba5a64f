"""The calls of the MLflow REST API that the script of a job needs, each a method, and their routes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from .arguments import (
    JsonObject,
    paginate_rows,
    parse_integer,
    parse_json,
    parse_metric,
    parse_rows,
    parse_tags,
    require_text,
)
from .artifacts import ArtifactStore
from .errors import ApiError
from .models import LoggedModels, model_artifact_path
from .registry_calls import RegistryApi
from .routes import compile_routes, find_route
from .runs import TrackedRun, TrackedRuns
from .search import filter_and_sort, read_model_field, read_run_field
from .session import EXPERIMENT_ID

# The lifecycle stages that each view of a search includes.
_LIFECYCLES_BY_VIEW = {"ACTIVE_ONLY": {"active"}, "DELETED_ONLY": {"deleted"}, "ALL": {"active", "deleted"}}
_MODEL_HISTORY_TAG = "mlflow.log-model.history"


class TrackingApi:
    """Handles one call at a time, so that the state needs no locks of its own; each takes microseconds."""

    def __init__(
        self, runs: TrackedRuns, models: LoggedModels, artifacts: ArtifactStore, registry: RegistryApi, experiment: str
    ) -> None:
        self._experiment = experiment
        self._runs = runs
        self._models = models
        self._registry = registry
        self._artifacts = artifacts
        self._lock = threading.Lock()

    def handle_call(self, method: str, path: str, body: JsonObject) -> JsonObject:
        """Return the response of a call by its path below ``/mlflow/``; raises ApiError."""
        route = find_route(_ROUTES, method, path)
        with self._lock:
            response = route[0](self, {**body, **route[1]}) if route else self._registry.handle_call(method, path, body)
        if response is not None:
            return response
        raise ApiError("ENDPOINT_NOT_FOUND", f"the tracking server of this run has no {method} {path}")

    # -- experiments: there is one, and every name is a name of it

    def get_experiment(self, body: JsonObject) -> JsonObject:
        return {"experiment": _experiment_to_json(body.get("experiment_name") or self._experiment)}

    def create_experiment(self, _body: JsonObject) -> JsonObject:
        return {"experiment_id": EXPERIMENT_ID}

    def search_experiments(self, _body: JsonObject) -> JsonObject:
        return {"experiments": [_experiment_to_json(self._experiment)]}

    def set_experiment_tag(self, _body: JsonObject) -> JsonObject:
        return {}

    # -- runs

    def create_run(self, body: JsonObject) -> JsonObject:
        start_time = body.get("start_time")
        run = self._runs.create(
            str(body.get("run_name") or ""),
            str(body.get("user_id") or ""),
            parse_integer(start_time) if start_time else None,
            parse_tags(body),
        )
        return {"run": run.to_json()}

    def get_run(self, body: JsonObject) -> JsonObject:
        return {"run": self._find_run(body).to_json()}

    def update_run(self, body: JsonObject) -> JsonObject:
        run = self._find_run(body)
        run.status = str(body.get("status") or run.status)
        if body.get("end_time"):
            run.end_time = parse_integer(body["end_time"])
        if body.get("run_name"):
            self._runs.rename(run, require_text(body, "run_name"))
        return {"run_info": run.to_json()["info"]}

    def delete_run(self, body: JsonObject) -> JsonObject:
        self._find_run(body).lifecycle_stage = "deleted"
        return {}

    def restore_run(self, body: JsonObject) -> JsonObject:
        self._find_run(body).lifecycle_stage = "active"
        return {}

    def search_runs(self, body: JsonObject) -> JsonObject:
        stages = _LIFECYCLES_BY_VIEW.get(str(body.get("run_view_type")), _LIFECYCLES_BY_VIEW["ACTIVE_ONLY"])
        newest_first = sorted(self._runs.list_runs(), key=lambda run: run.start_time, reverse=True)
        runs = [run for run in newest_first if run.lifecycle_stage in stages]
        orders = [str(order) for order in body.get("order_by") or []]
        matches = filter_and_sort(runs, str(body.get("filter") or ""), orders, read_run_field)
        return paginate_rows("runs", [run.to_json() for run in matches], body)

    # -- what a run logs

    def log_metric(self, body: JsonObject) -> JsonObject:
        self._log_metrics(self._find_run(body), [body])
        return {}

    def log_param(self, body: JsonObject) -> JsonObject:
        self._runs.log_param(self._find_run(body), require_text(body, "key"), str(body.get("value", "")))
        return {}

    def set_tag(self, body: JsonObject) -> JsonObject:
        self._find_run(body).tags[require_text(body, "key")] = str(body.get("value", ""))
        return {}

    def delete_tag(self, body: JsonObject) -> JsonObject:
        self._find_run(body).tags.pop(require_text(body, "key"), None)
        return {}

    def log_batch(self, body: JsonObject) -> JsonObject:
        run = self._find_run(body)
        for row in parse_rows(body, "params"):
            self._runs.log_param(run, require_text(row, "key"), str(row.get("value", "")))
        run.tags.update(parse_tags(body))
        self._log_metrics(run, parse_rows(body, "metrics"))
        return {}

    def log_inputs(self, body: JsonObject) -> JsonObject:
        run = self._find_run(body)
        run.datasets += parse_rows(body, "datasets")
        run.input_models += parse_rows(body, "models")
        return {}

    def log_outputs(self, body: JsonObject) -> JsonObject:
        self._find_run(body).output_models += parse_rows(body, "models")
        return {}

    def log_model(self, body: JsonObject) -> JsonObject:
        tags = self._find_run(body).tags
        history = parse_json(tags.get(_MODEL_HISTORY_TAG, "[]"))
        tags[_MODEL_HISTORY_TAG] = json.dumps([*history, parse_json(require_text(body, "model_json"))])
        return {}

    def get_metric_history(self, body: JsonObject) -> JsonObject:
        history = self._find_run(body).histories.get(require_text(body, "metric_key"), ())
        page = paginate_rows("metrics", history, body)
        return {**page, "metrics": [metric.to_json() for metric in page["metrics"]]}

    # -- logged models

    def create_model(self, body: JsonObject) -> JsonObject:
        return {"model": self._models.create(body, parse_tags(body))}

    def get_model(self, body: JsonObject) -> JsonObject:
        return {"model": self._models.get(body["model_id"])}

    def finalize_model(self, body: JsonObject) -> JsonObject:
        return {"model": self._models.finalize(body["model_id"], require_text(body, "status"))}

    def delete_model(self, body: JsonObject) -> JsonObject:
        self._models.delete(body["model_id"])
        return {}

    def search_models(self, body: JsonObject) -> JsonObject:
        orders = [
            f"{require_text(row, 'field_name')} {'ASC' if row.get('ascending', True) else 'DESC'}"
            for row in parse_rows(body, "order_by")
        ]
        models = self._models.list_models()
        matches = filter_and_sort(models, str(body.get("filter") or ""), orders, read_model_field)
        return paginate_rows("models", matches, body)

    def tag_model(self, body: JsonObject) -> JsonObject:
        return {"model": self._models.set_tags(body["model_id"], parse_tags(body))}

    def untag_model(self, body: JsonObject) -> JsonObject:
        self._models.delete_tag(body["model_id"], body["tag_key"])
        return {}

    def log_model_params(self, body: JsonObject) -> JsonObject:
        self._models.add_params(body["model_id"], parse_rows(body, "params"))
        return {}

    def list_model_artifacts(self, body: JsonObject) -> JsonObject:
        self._models.get(body["model_id"])
        return self._list_files(model_artifact_path(body["model_id"]), body.get("artifact_directory_path", ""))

    def list_artifacts(self, body: JsonObject) -> JsonObject:
        return self._list_files(self._find_run(body).artifact_path, body.get("path", ""))

    # -- shared by the calls

    def _list_files(self, base: str, path: str) -> JsonObject:
        return {"root_uri": f"mlflow-artifacts:/{base}", "files": self._artifacts.list_files(base, path)}

    def _find_run(self, body: JsonObject) -> TrackedRun:
        return self._runs.get(body.get("run_id") or body.get("run_uuid"))

    def _log_metrics(self, run: TrackedRun, rows: list[JsonObject]) -> None:
        metrics = [parse_metric(row) for row in rows]
        self._runs.log_metrics(run, metrics)
        for row, metric in zip(rows, metrics, strict=True):
            if row.get("model_id"):
                self._models.add_metric(row["model_id"], run.id, metric)


_CallHandler = Callable[[TrackingApi, JsonObject], JsonObject]


_HANDLERS: dict[str, _CallHandler] = {
    "GET experiments/get": TrackingApi.get_experiment,
    "GET experiments/get-by-name": TrackingApi.get_experiment,
    "POST experiments/create": TrackingApi.create_experiment,
    "GET experiments/search": TrackingApi.search_experiments,
    "POST experiments/search": TrackingApi.search_experiments,
    "POST experiments/set-experiment-tag": TrackingApi.set_experiment_tag,
    "POST runs/create": TrackingApi.create_run,
    "GET runs/get": TrackingApi.get_run,
    "POST runs/update": TrackingApi.update_run,
    "POST runs/delete": TrackingApi.delete_run,
    "POST runs/restore": TrackingApi.restore_run,
    "POST runs/search": TrackingApi.search_runs,
    "POST runs/log-metric": TrackingApi.log_metric,
    "POST runs/log-parameter": TrackingApi.log_param,
    "POST runs/set-tag": TrackingApi.set_tag,
    "POST runs/delete-tag": TrackingApi.delete_tag,
    "POST runs/log-batch": TrackingApi.log_batch,
    "POST runs/log-inputs": TrackingApi.log_inputs,
    "POST runs/outputs": TrackingApi.log_outputs,
    "POST runs/log-model": TrackingApi.log_model,
    "GET metrics/get-history": TrackingApi.get_metric_history,
    "POST logged-models": TrackingApi.create_model,
    "POST logged-models/search": TrackingApi.search_models,
    "GET logged-models/{model_id}": TrackingApi.get_model,
    "PATCH logged-models/{model_id}": TrackingApi.finalize_model,
    "DELETE logged-models/{model_id}": TrackingApi.delete_model,
    "PATCH logged-models/{model_id}/tags": TrackingApi.tag_model,
    "DELETE logged-models/{model_id}/tags/{tag_key}": TrackingApi.untag_model,
    "POST logged-models/{model_id}/params": TrackingApi.log_model_params,
    "GET logged-models/{model_id}/artifacts/directories": TrackingApi.list_model_artifacts,
    "GET artifacts/list": TrackingApi.list_artifacts,
}
_ROUTES = compile_routes(_HANDLERS)


def _experiment_to_json(name: str) -> JsonObject:
    return {
        "experiment_id": EXPERIMENT_ID,
        "name": name,
        "artifact_location": "mlflow-artifacts:/",
        "lifecycle_stage": "active",
    }
