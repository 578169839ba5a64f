"""The logged models of MLflow 3: a model has its own name, files and status, apart from the run that logged it."""

from __future__ import annotations

from typing import Any

from ..files import new_id  # noqa: TID252 - this package is shipped under another name
from .errors import not_found_error
from .runs import Metric, current_milliseconds, key_value_pairs
from .session import EXPERIMENT_ID

ModelDocument = dict[str, Any]
_READY = "LOGGED_MODEL_READY"


class LoggedModels:
    """The models that a job has logged, as documents of MLflow."""

    def __init__(self) -> None:
        self._models: dict[str, ModelDocument] = {}
        self._known_metrics: set[tuple[str, str, Metric]] = set()

    def create(self, body: ModelDocument, tags: dict[str, str]) -> ModelDocument:
        model_id = f"m-{new_id()}"
        timestamp = current_milliseconds()
        info = {
            "model_id": model_id,
            "experiment_id": EXPERIMENT_ID,
            "name": body.get("name") or model_id,
            "creation_timestamp_ms": timestamp,
            "last_updated_timestamp_ms": timestamp,
            "artifact_uri": f"mlflow-artifacts:/{model_artifact_path(model_id)}",
            "status": "LOGGED_MODEL_PENDING",
            "model_type": body.get("model_type", ""),
            "source_run_id": body.get("source_run_id", ""),
            "tags": key_value_pairs(tags),
        }
        self._models[model_id] = {"info": info, "data": {"params": list(body.get("params", [])), "metrics": []}}
        return self._models[model_id]

    def get(self, model_id: str) -> ModelDocument:
        if model_id not in self._models:
            raise not_found_error(f"this job has no logged model {model_id!r}")
        return self._models[model_id]

    def list_models(self) -> list[ModelDocument]:
        return list(self._models.values())

    def folders_of_run(self, run_id: str) -> dict[str, str]:
        """Return the complete models of a run by name, each with its folder; the last one of a name counts."""
        infos = (model["info"] for model in self._models.values())
        return {
            info["name"]: model_artifact_path(info["model_id"])
            for info in infos
            if info["source_run_id"] == run_id and info["status"] == _READY
        }

    def delete(self, model_id: str) -> None:
        self.get(model_id)
        del self._models[model_id]

    def finalize(self, model_id: str, status: str) -> ModelDocument:
        model = self.get(model_id)
        model["info"] |= {"status": status, "last_updated_timestamp_ms": current_milliseconds()}
        return model

    def set_tags(self, model_id: str, tags: dict[str, str]) -> ModelDocument:
        info = self.get(model_id)["info"]
        info["tags"] = key_value_pairs({**{tag["key"]: tag["value"] for tag in info["tags"]}, **tags})
        return self.get(model_id)

    def delete_tag(self, model_id: str, key: str) -> None:
        info = self.get(model_id)["info"]
        info["tags"] = [tag for tag in info["tags"] if tag["key"] != key]

    def add_params(self, model_id: str, params: list[ModelDocument]) -> None:
        self.get(model_id)["data"]["params"] += params

    def add_metric(self, model_id: str, run_id: str, metric: Metric) -> None:
        """Add a metric of a run to the model that it was measured on; equal rows are kept once."""
        if (model_id, run_id, metric) in self._known_metrics:
            return
        self._known_metrics.add((model_id, run_id, metric))
        document = {**metric.to_json(), "model_id": model_id, "run_id": run_id}
        self.get(model_id)["data"]["metrics"].append(document)


def model_artifact_path(model_id: str) -> str:
    """Return the folder of a model, relative to the folder of the artifacts."""
    return f"models/{model_id}"
