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

from ..result import Failure, RunFailure, Status, Tracked  # noqa: TID252 - this package is shipped under another name
from .runs import milliseconds, number, plain

_TIMEOUT = 30  # seconds for one call
_MISSING = 404
_STATUS = {Status.COMPLETED: "FINISHED", Status.FAILED: "FAILED", Status.CANCELED: "KILLED"}


class Remote:
    """One run on an MLflow server, spoken to with the credentials that the job was given."""

    def __init__(self, server: str, run: str, address: str, credentials: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._server = server
        self._authorization = _authorization(credentials)
        self._experiment = self._find_experiment(address)
        body = {
            "experiment_id": self._experiment,
            "run_name": run,
            "start_time": milliseconds(),
            "tags": [{"key": "mlflow.runName", "value": run}],
        }
        self._run: str = self._call("POST", "runs/create", body)["run"]["info"]["run_id"]

    @property
    def variables(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self._server,
            "MLFLOW_RUN_ID": self._run,
            "MLFLOW_EXPERIMENT_ID": self._experiment,
        }

    def finish(self, status: Status) -> Tracked:
        """Close the run as what it became, and read what it logged; a server gone by then is noted, no more."""
        try:
            return self._close(status)
        except RunFailure as error:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"mlgit: {error}; so what this run logged is not in its record\n")
            return Tracked()

    def _close(self, status: Status) -> Tracked:
        body = {"run_id": self._run, "status": _STATUS[status], "end_time": milliseconds()}
        self._call("POST", "runs/update", body)
        data = self._call("GET", "runs/get", {"run_id": self._run})["run"].get("data", {})
        return Tracked(
            metrics={each["key"]: plain(number(each["value"])) for each in data.get("metrics", [])},
            params={each["key"]: each["value"] for each in data.get("params", [])},
            tags={each["key"]: each["value"] for each in data.get("tags", []) if not each["key"].startswith("mlflow.")},
        )

    def _find_experiment(self, name: str) -> str:
        """Find the job's experiment, or make it; the server's own answer decides between two that make it at once."""
        found = self._call("GET", "experiments/get-by-name", {"experiment_name": name}, optional=True)
        made = found.get("experiment") or self._call("POST", "experiments/create", {"name": name})
        return str(made["experiment_id"])

    def _call(self, method: str, path: str, body: Mapping[str, Any], *, optional: bool = False) -> dict[str, Any]:
        url = f"{self._server}/api/2.0/mlflow/{path}"
        data = None if method == "GET" else json.dumps(body).encode()
        request = Request(  # noqa: S310 - the spec's reader lets http and https pass only
            f"{url}?{urlencode(body)}" if data is None else url,
            data,
            {"Content-Type": "application/json", **self._authorization},
            method=method,
        )
        try:
            with urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310 - the same
                answer = json.load(response)
        except (OSError, ValueError) as error:
            if optional and getattr(error, "code", None) == _MISSING:
                return {}
            reason = error.reason if isinstance(error, URLError) else error
            message = f"the tracking server {self._server} does not answer {path}: {reason}"
            raise RunFailure(Failure("staging", message)) from error
        return answer if isinstance(answer, dict) else {}


def _authorization(variables: Mapping[str, str]) -> dict[str, str]:
    """Log in as MLflow's client does: with a name and a password if there are, else with a token."""
    name = variables.get("MLFLOW_TRACKING_USERNAME")
    password = variables.get("MLFLOW_TRACKING_PASSWORD")
    if name and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
    token = variables.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
