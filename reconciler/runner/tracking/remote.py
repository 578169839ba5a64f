"""The run on another tracking server: created before the command, ended after it, and its values read back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from ..result import LOG_FILE, Failure, FinalStatus, RunFailedError, TrackedValues  # noqa: TID252 - this package is shipped under another name
from ..spec import RunSpec  # noqa: TID252 - this package is shipped under another name
from .runs import current_milliseconds, key_value_pairs, main_run_tags, number_to_json, parse_number

_TIMEOUT_SECONDS = 30  # of one call
_HTTP_NOT_FOUND = 404
_MLFLOW_STATUS = {FinalStatus.COMPLETED: "FINISHED", FinalStatus.FAILED: "FAILED", FinalStatus.CANCELED: "KILLED"}


class RemoteTracking:
    """One run on an MLflow server, called with the credentials of the job."""

    def __init__(self, server: str, spec: RunSpec) -> None:
        self._log = spec.folder / LOG_FILE
        self._server = server
        self._authorization = _authorization_header({**spec.environment, **spec.variables})
        self._experiment_name = spec.experiment
        self._experiment = self._find_or_create_experiment()
        body = {
            "experiment_id": self._experiment,
            "run_name": spec.run,
            "start_time": current_milliseconds(),
            "tags": key_value_pairs(main_run_tags(spec.run, spec.commit)),
        }
        self._run: str = self._call_api("POST", "runs/create", body)["run"]["info"]["run_id"]

    @property
    def variables(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self._server,
            "MLFLOW_RUN_ID": self._run,
            "MLFLOW_EXPERIMENT_ID": self._experiment,
            "MLFLOW_EXPERIMENT_NAME": self._experiment_name,
        }

    def finish(self, status: FinalStatus) -> TrackedValues:
        """End the run and return what it logged; if the server does not answer, only the log says so."""
        try:
            return self._close_run(status)
        except RunFailedError as error:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"mlgit: {error}; the record of this run has none of its metrics\n")
            return TrackedValues()

    def _close_run(self, status: FinalStatus) -> TrackedValues:
        body = {"run_id": self._run, "status": _MLFLOW_STATUS[status], "end_time": current_milliseconds()}
        self._call_api("POST", "runs/update", body)
        data = self._call_api("GET", "runs/get", {"run_id": self._run})["run"].get("data", {})
        return TrackedValues(
            metrics={row["key"]: number_to_json(parse_number(row["value"])) for row in data.get("metrics", [])},
            params={row["key"]: row["value"] for row in data.get("params", [])},
            tags={row["key"]: row["value"] for row in data.get("tags", []) if not row["key"].startswith("mlflow.")},
        )

    def _find_or_create_experiment(self) -> str:
        """Return the id of the job's experiment; create it if it does not exist."""
        name = self._experiment_name
        response = self._call_api("GET", "experiments/get-by-name", {"experiment_name": name}, optional=True)
        experiment = response.get("experiment") or self._call_api("POST", "experiments/create", {"name": name})
        return str(experiment["experiment_id"])

    def _call_api(self, method: str, path: str, body: Mapping[str, Any], *, optional: bool = False) -> dict[str, Any]:
        url = f"{self._server}/api/2.0/mlflow/{path}"
        data = None if method == "GET" else json.dumps(body).encode()
        request = Request(  # noqa: S310 - parse_spec only accepts http and https
            f"{url}?{urlencode(body)}" if data is None else url,
            data,
            {"Content-Type": "application/json", **self._authorization},
            method=method,
        )
        try:
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - the same
                document = json.load(response)
        except (OSError, ValueError) as error:
            if optional and getattr(error, "code", None) == _HTTP_NOT_FOUND:
                return {}
            reason = error.reason if isinstance(error, URLError) else error
            message = f"the tracking server {self._server} did not answer {path}: {reason}"
            raise RunFailedError(Failure("staging", message)) from error
        return document if isinstance(document, dict) else {}


def _authorization_header(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the header that MLflow's client sends: with user name and password if both are set, else with a token."""
    name = variables.get("MLFLOW_TRACKING_USERNAME")
    password = variables.get("MLFLOW_TRACKING_PASSWORD")
    if name and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
    token = variables.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
