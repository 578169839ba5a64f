"""The run on a tracking server elsewhere: made before the command, closed after it, its values read back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from ..result import Failure, FinalStatus, RunFailedError, TrackedValues  # noqa: TID252 - this package is shipped under another name
from .runs import current_milliseconds, number_to_json, parse_number

_TIMEOUT_SECONDS = 30  # seconds for one call
_HTTP_NOT_FOUND = 404
_MLFLOW_STATUS = {FinalStatus.COMPLETED: "FINISHED", FinalStatus.FAILED: "FAILED", FinalStatus.CANCELED: "KILLED"}


class RemoteTracking:
    """One run on an MLflow server, spoken to with the credentials that the job was given."""

    def __init__(self, server: str, run: str, address: str, credentials: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._server = server
        self._authorization = _authorization_header(credentials)
        self._experiment = self._find_or_create_experiment(address)
        body = {
            "experiment_id": self._experiment,
            "run_name": run,
            "start_time": current_milliseconds(),
            "tags": [{"key": "mlflow.runName", "value": run}],
        }
        self._run: str = self._call_api("POST", "runs/create", body)["run"]["info"]["run_id"]

    @property
    def variables(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self._server,
            "MLFLOW_RUN_ID": self._run,
            "MLFLOW_EXPERIMENT_ID": self._experiment,
        }

    def finish(self, status: FinalStatus) -> TrackedValues:
        """Close the run as what it became, and read what it logged; a server gone by then is noted, no more."""
        try:
            return self._close_run(status)
        except RunFailedError as error:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"mlgit: {error}; so what this run logged is not in its record\n")
            return TrackedValues()

    def _close_run(self, status: FinalStatus) -> TrackedValues:
        body = {"run_id": self._run, "status": _MLFLOW_STATUS[status], "end_time": current_milliseconds()}
        self._call_api("POST", "runs/update", body)
        data = self._call_api("GET", "runs/get", {"run_id": self._run})["run"].get("data", {})
        return TrackedValues(
            metrics={each["key"]: number_to_json(parse_number(each["value"])) for each in data.get("metrics", [])},
            params={each["key"]: each["value"] for each in data.get("params", [])},
            tags={each["key"]: each["value"] for each in data.get("tags", []) if not each["key"].startswith("mlflow.")},
        )

    def _find_or_create_experiment(self, name: str) -> str:
        """Find the job's experiment, or make it; the server's own answer decides between two that make it at once."""
        found = self._call_api("GET", "experiments/get-by-name", {"experiment_name": name}, optional=True)
        made = found.get("experiment") or self._call_api("POST", "experiments/create", {"name": name})
        return str(made["experiment_id"])

    def _call_api(self, method: str, path: str, body: Mapping[str, Any], *, optional: bool = False) -> dict[str, Any]:
        url = f"{self._server}/api/2.0/mlflow/{path}"
        data = None if method == "GET" else json.dumps(body).encode()
        request = Request(  # noqa: S310 - the spec's reader lets http and https pass only
            f"{url}?{urlencode(body)}" if data is None else url,
            data,
            {"Content-Type": "application/json", **self._authorization},
            method=method,
        )
        try:
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - the same
                answer = json.load(response)
        except (OSError, ValueError) as error:
            if optional and getattr(error, "code", None) == _HTTP_NOT_FOUND:
                return {}
            reason = error.reason if isinstance(error, URLError) else error
            message = f"the tracking server {self._server} does not answer {path}: {reason}"
            raise RunFailedError(Failure("staging", message)) from error
        return answer if isinstance(answer, dict) else {}


def _authorization_header(variables: Mapping[str, str]) -> dict[str, str]:
    """Log in as MLflow's client does: with a name and a password if there are, else with a token."""
    name = variables.get("MLFLOW_TRACKING_USERNAME")
    password = variables.get("MLFLOW_TRACKING_PASSWORD")
    if name and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
    token = variables.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
