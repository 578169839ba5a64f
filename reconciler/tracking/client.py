"""MLflow's REST API (https://mlflow.org/docs/latest/api_reference/rest-api.html), as far as mlgit mirrors into it.

By requests: the package mlflow-skinny takes 1.4 s to import and needs twenty others for these calls.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import requests

from reconciler.abbreviation import abbreviate_text
from reconciler.secrets.urls import URL_SECRET_MASK, mask_url_secrets

_API, _ARTIFACTS = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
_PROXIED = "mlflow-artifacts:/"
_TIMEOUT_SECONDS = 60.0
_PAGE = 1000  # the most that a search returns at once
_BATCH = 100  # parameters, tags or metrics of one request
_EXISTS, _MISSING = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"

Document = Mapping[str, Any]


class TrackingError(Exception):
    """The registry did not do what it was asked; ``code`` is MLflow's, "" if it did not answer."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(mask_url_secrets(message))
        self.code = code


class Credentials(NamedTuple):
    """A token, or else a user and a password; blank for none."""

    token: str = ""
    username: str = ""
    password: str = ""


class TrackingClient:
    """A registry at a URL. Its methods raise TrackingError."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = url.rstrip("/")
        pair = b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()  # as a header has it
        self._secrets = tuple(filter(None, (credentials.token, credentials.password, pair)))
        self._session = requests.Session()
        if credentials.token:
            self._session.headers["Authorization"] = f"Bearer {credentials.token}"
        elif credentials.username:
            self._session.auth = (credentials.username, credentials.password)

    def find_experiment(self, name: str) -> str:
        """Return the id of an experiment, "" if there is none."""
        try:
            answer = self._get("/experiments/get-by-name", {"experiment_name": name})
        except TrackingError as error:
            if error.code == _MISSING:
                return ""
            raise
        return str(answer["experiment"]["experiment_id"])

    def ensure_experiment(self, name: str) -> str:
        """Return the id of an experiment, which is created if there is none."""
        return self.find_experiment(name) or str(self._post("/experiments/create", {"name": name})["experiment_id"])

    def search_runs(self, experiments: Sequence[str], tag: str, value: str) -> Iterator[Document]:
        """Yield the runs of experiments that have a tag."""
        body = {"experiment_ids": list(experiments), "filter": _equals(f"tags.`{tag}`", value), "max_results": _PAGE}
        token = ""
        while experiments:
            answer = self._post("/runs/search", {**body, "page_token": token} if token else body)
            yield from answer.get("runs", ())
            token = answer.get("next_page_token", "")
            if not token:
                return

    def create_run(self, experiment: str, name: str, started: int, tags: Mapping[str, str]) -> Document:
        """Create a run that goes on; ``started`` is in milliseconds. Return its info."""
        body = {"experiment_id": experiment, "run_name": name, "start_time": started, "tags": _pairs(tags)}
        info: Document = self._post("/runs/create", body)["run"]["info"]
        return info

    def log_batch(self, run: str, params: Mapping[str, str], metrics: Sequence[Document]) -> None:
        """Log parameters and values of metrics of a run."""
        parameters = _pairs(params)
        for start in range(0, len(parameters), _BATCH):
            self._post("/runs/log-batch", {"run_id": run, "params": parameters[start : start + _BATCH]})
        for start in range(0, len(metrics), _BATCH):
            self._post("/runs/log-batch", {"run_id": run, "metrics": list(metrics[start : start + _BATCH])})

    def end_run(self, run: str, status: str, ended: int) -> None:
        """Record the end of a run, in milliseconds."""
        self._post("/runs/update", {"run_id": run, "status": status, "end_time": ended})

    def upload_artifact(self, artifact_uri: str, path: str, stream: BinaryIO) -> None:
        """Upload a file below the artifacts of a run, through the server."""
        if not artifact_uri.startswith(_PROXIED):
            raise TrackingError(f"artifacts are at {artifact_uri}, and mlgit uploads them through the server only")
        place = artifact_uri.removeprefix(_PROXIED).strip("/")
        self._send("PUT", f"{_ARTIFACTS}/{quote(f'{place}/{path}')}", data=stream)

    def ensure_model(self, name: str) -> None:
        """Create a registered model, if there is none of a name."""
        with suppress(_ExistsError):
            self._post("/registered-models/create", {"name": name})

    def search_versions(self, name: str) -> Iterator[Document]:
        """Yield the versions of a registered model."""
        query = {"filter": _equals("name", name), "max_results": _PAGE}
        token = ""
        while True:
            answer = self._get("/model-versions/search", {**query, "page_token": token} if token else query)
            yield from answer.get("model_versions", ())
            token = answer.get("next_page_token", "")
            if not token:
                return

    def create_version(self, name: str, source: str, run: str, tags: Mapping[str, str]) -> str:
        """Create a version of a registered model of artifacts of a run; return its number."""
        body = {"name": name, "source": source, "run_id": run, "tags": _pairs(tags)}
        return str(self._post("/model-versions/create", body)["model_version"]["version"])

    def find_alias(self, name: str, alias: str) -> str:
        """Return the version that an alias of a registered model names, "" if there is none."""
        try:
            answer = self._get("/registered-models/alias", {"name": name, "alias": alias})
        except TrackingError as error:
            if error.code in (_MISSING, "INVALID_PARAMETER_VALUE"):  # as servers of several ages say it
                return ""
            raise
        return str(answer["model_version"]["version"])

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias of a registered model name a version."""
        self._post("/registered-models/alias", {"name": name, "alias": alias, "version": version})

    def _get(self, path: str, query: Mapping[str, Any]) -> Document:
        return self._send("GET", _API + path, params=query)

    def _post(self, path: str, body: Document) -> Document:
        return self._send("POST", _API + path, json=body)

    def _send(self, method: str, path: str, **content: Any) -> Document:
        try:
            response = self._session.request(method, self.url + path, timeout=_TIMEOUT_SECONDS, **content)
            document = response.json() if response.content else {}
        except requests.JSONDecodeError as error:
            message = f"{self.url} is no MLflow server: it answered {response.status_code}, without JSON"
            raise TrackingError(message) from error
        except requests.RequestException as error:
            raise TrackingError(f"the MLflow server {self.url} cannot be used: {_reason(error)}") from error
        if response.ok and isinstance(document, dict):
            return document
        raise self._refusal(response.status_code, document)

    def _refusal(self, status: int, document: Any) -> TrackingError:
        """Return what a server says of a request that it refused, which can have the request in it."""
        fields = document if isinstance(document, dict) else {}
        code, text = (str(fields.get(name, "")) for name in ("error_code", "message"))
        for secret in self._secrets:
            code, text = code.replace(secret, URL_SECRET_MASK), text.replace(secret, URL_SECRET_MASK)
        said = abbreviate_text(text.partition("\n")[0]) or code or "no reason"
        message = f"the MLflow server {self.url} answered {status}: {said}"
        return _ExistsError(message, code) if code == _EXISTS else TrackingError(message, code)


class _ExistsError(TrackingError):
    """There is one of that name already."""


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectionError):
        return "it does not answer"
    return "it took too long" if isinstance(error, requests.Timeout) else f"{type(error).__name__}"


def _pairs(values: Mapping[str, str]) -> list[Document]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _equals(name: str, value: str) -> str:
    quotation = '"' if "'" in value else "'"
    return f"{name} = {quotation}{value}{quotation}"
