"""The tracking API, called without an MLflow client: responses and errors."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.runner.result import FinalStatus
from reconciler.runner.spec import RunSpec
from reconciler.runner.tracking import open_tracking
from reconciler.runner.tracking.server import MAX_BODY_BYTES
from reconciler.runner.tracking.session import TrackingSession

_API = "/api/2.0/mlflow/"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Client:
    """Calls the tracking API of one run."""

    session: TrackingSession
    folder: Path

    def send(self, method: str, path: str, data: bytes | None = None, token: str | None = None) -> tuple[int, bytes]:
        token = self.session.variables["MLFLOW_TRACKING_TOKEN"] if token is None else token
        url = self.session.variables["MLFLOW_TRACKING_URI"] + path
        request = urllib.request.Request(url, data, method=method)  # noqa: S310 - the loopback
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        status, content = self.send(method, _API + path, json.dumps(body).encode() if body else None)
        assert status == 200, content
        document: dict[str, Any] = json.loads(content)
        return document

    def error(self, method: str, path: str, data: bytes | None = None, **options: Any) -> tuple[int, str]:
        status, content = self.send(method, path, data, **options)
        error = json.loads(content)
        assert error["message"]
        return status, error["error_code"]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]


def make_spec(folder: Path, tracking: str | None = None, **variables: str) -> RunSpec:
    folder.mkdir(exist_ok=True)
    return RunSpec(
        token="c0ffee",  # noqa: S106 - no credential
        run="train-1",
        address="job/train",
        command="",
        token_file=folder / "token",
        folder=folder,
        code=(),
        inputs={},
        outputs={},
        path_entries=(),
        environment={},
        variables=variables,
        tracking_server=tracking,
    )


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with open_tracking(make_spec(tmp_path / "tracked")) as session:
        yield Client(session, tmp_path / "tracked")


def test_a_metric_is_on_disk_when_its_call_returns(client: Client) -> None:
    client.call("POST", "runs/log-metric", run_id="train-1", key="loss", value=0.5, timestamp=7, step=3)
    assert client.lines() == [{"key": "loss", "value": 0.5, "timestamp": 7, "step": 3}]


def test_the_last_value_of_a_metric_is_that_of_its_highest_step(client: Client) -> None:
    rows = [{"key": "m", "value": step, "timestamp": 1, "step": step} for step in (2, 9, 5)]
    client.call("POST", "runs/log-batch", run_id="train-1", metrics=rows)
    assert client.session.finish(FinalStatus.COMPLETED).metrics == {"m": 9}
    assert [row["value"] for row in client.lines()] == [2, 9, 5]


def test_nan_and_infinity_are_written_as_strings(client: Client) -> None:
    for value in ("NaN", "Infinity", "-Infinity"):
        client.call("POST", "runs/log-metric", run_id="train-1", key=value, value=value, timestamp="7", step="0")
    assert [row["value"] for row in client.lines()] == ["NaN", "Infinity", "-Infinity"]
    assert client.session.finish(FinalStatus.COMPLETED).metrics["NaN"] == "NaN"


def test_a_nested_run_is_not_part_of_the_main_run(client: Client) -> None:
    child = client.call(
        "POST", "runs/create", experiment_id="0", tags=[{"key": "mlflow.parentRunId", "value": "train-1"}]
    )
    child_id = child["run"]["info"]["run_id"]
    client.call(
        "POST", "runs/log-batch", run_id=child_id, metrics=[{"key": "m", "value": 1, "timestamp": 1, "step": 0}]
    )
    client.call("POST", "runs/set-tag", run_id=child_id, key="mine", value="x")
    tracked = client.session.finish(FinalStatus.COMPLETED)
    assert (tracked.metrics, tracked.tags) == ({}, {})
    assert client.lines()[0]["run"] == child_id
    history = client.call("GET", f"metrics/get-history?run_id={child_id}&metric_key=m")
    assert len(history["metrics"]) == 1


def test_a_long_history_is_returned_in_pages(client: Client) -> None:
    rows = [{"key": "m", "value": step, "timestamp": step, "step": step} for step in range(25)]
    client.call("POST", "runs/log-batch", run_id="train-1", metrics=rows)
    steps: list[int] = []
    page: dict[str, Any] = {"next_page_token": ""}
    while "next_page_token" in page:
        token = page["next_page_token"]
        query = f"run_id=train-1&metric_key=m&max_results=10&page_token={token}"
        page = client.call("GET", f"metrics/get-history?{query}")
        steps += [metric["step"] for metric in page["metrics"]]
    assert steps == list(range(25))


def test_a_search_returns_the_runs_that_match_in_the_requested_order(client: Client) -> None:
    child_id = client.call("POST", "runs/create", experiment_id="0")["run"]["info"]["run_id"]
    for run_id, loss in (("train-1", 0.5), (child_id, 0.2)):
        client.call("POST", "runs/log-metric", run_id=run_id, key="loss", value=loss, timestamp=1)
        client.call("POST", "runs/set-tag", run_id=run_id, key="team", value="irises")

    def search(condition: str) -> list[str]:
        runs = client.call("POST", "runs/search", filter=condition, order_by=["metrics.loss ASC"]).get("runs", [])
        return [run["info"]["run_id"] for run in runs]

    assert search("metrics.loss < 1 AND tags.team = 'irises'") == [child_id, "train-1"]
    assert search("metrics.loss > 0.3 AND tags.team LIKE 'iris%'") == ["train-1"]
    assert search("params.lr = '0.1'") == []


@pytest.mark.parametrize("token", ["", "wrong", "ä"])
def test_a_call_without_the_token_is_an_error(client: Client, token: str) -> None:
    body = json.dumps({"run_id": "train-1", "key": "x", "value": "x" * 100_000}).encode()
    assert client.error("POST", _API + "runs/set-tag", body, token=token) == (401, "UNAUTHENTICATED")
    assert client.error("PUT", f"{_FILES}/run/x", b"x", token=token) == (401, "UNAUTHENTICATED")
    assert not (client.folder / "artifacts/run").exists()


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("runs/log-metric", b"{", (400, "BAD_REQUEST")),
        ("runs/log-metric", b"[]", (400, "BAD_REQUEST")),
        ("runs/log-metric", b"[" * 100_000, (400, "BAD_REQUEST")),
        ("runs/log-metric", b'{"run_id": "other"}', (404, "RESOURCE_DOES_NOT_EXIST")),
        ("runs/log-metric", b'{"run_id": ["train-1"]}', (404, "RESOURCE_DOES_NOT_EXIST")),
        ("runs/log-metric", b'{"run_id": "train-1"}', (400, "INVALID_PARAMETER_VALUE")),
        ("runs/log-metric", b'{"run_id": "train-1", "key": "m", "value": "much"}', (400, "INVALID_PARAMETER_VALUE")),
        ("runs/log-metric", b'{"run_id": "train-1", "key": "m", "value": true}', (400, "INVALID_PARAMETER_VALUE")),
        ("runs/log-batch", b'{"run_id": "train-1", "metrics": [1]}', (400, "INVALID_PARAMETER_VALUE")),
        ("runs/search", b'{"filter": "metrics.x >"}', (400, "INVALID_PARAMETER_VALUE")),
        ("runs/search", b'{"filter": "planets.x = 1"}', (400, "INVALID_PARAMETER_VALUE")),
        ("gateway-proxy", b"{}", (404, "ENDPOINT_NOT_FOUND")),
    ],
)
def test_an_invalid_call_gets_the_error_code_of_mlflow(
    client: Client, path: str, body: bytes, expected: tuple[int, str]
) -> None:
    assert client.error("POST", _API + path, body) == expected


def test_an_unknown_path_is_an_error(client: Client) -> None:
    assert client.error("GET", "/") == (404, "ENDPOINT_NOT_FOUND")


def test_a_body_that_is_too_large_is_an_error(client: Client) -> None:
    address = urlsplit(client.session.variables["MLFLOW_TRACKING_URI"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    headers = {"Authorization": f"Bearer {client.session.variables['MLFLOW_TRACKING_TOKEN']}"}
    connection.request("POST", _API + "runs/set-tag", b"x" * (MAX_BODY_BYTES + 1), headers)
    response = connection.getresponse()
    assert response.status == 413
    assert json.load(response)["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    connection.close()


def test_an_artifact_is_stored_listed_read_and_deleted(client: Client) -> None:
    assert client.send("PUT", f"{_FILES}/run/plots/a%20b.txt", b"hello")[0] == 200
    assert (client.folder / "artifacts/run/plots/a b.txt").read_bytes() == b"hello"
    assert client.send("GET", f"{_FILES}/run/plots/a%20b.txt") == (200, b"hello")
    listing = json.loads(client.send("GET", f"{_FILES}?path=run/plots")[1])
    assert listing == {"files": [{"path": "a b.txt", "is_dir": False, "file_size": 5}]}
    assert client.send("DELETE", f"{_FILES}/run/plots")[0] == 200
    assert client.error("GET", f"{_FILES}/run/plots/a%20b.txt") == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    "name", ["../x", "run/../../x", "%2e%2e/x", "/etc/x", "run/%2e%2e/%2e%2e/x", "link/x", "a%00b"]
)
def test_an_artifact_never_leaves_its_folder(client: Client, name: str) -> None:
    (client.folder / "artifacts").mkdir()  # it is made with the first call else
    (client.folder / "artifacts/link").symlink_to(client.folder)
    for method in ("PUT", "GET", "DELETE"):
        data = b"x" if method == "PUT" else None
        assert client.error(method, f"{_FILES}/{name}", data) == (400, "INVALID_PARAMETER_VALUE")
    assert not (client.folder / "x").exists()


def test_an_artifact_below_a_file_is_an_error(client: Client) -> None:
    client.send("PUT", f"{_FILES}/run/x", b"x")
    assert client.error("PUT", f"{_FILES}/run/x/y", b"y") == (400, "INVALID_PARAMETER_VALUE")
    assert [path.name for path in (client.folder / "artifacts").iterdir()] == ["run"]


def test_a_body_in_chunks_is_read_and_the_connection_is_kept(client: Client) -> None:
    address = urlsplit(client.session.variables["MLFLOW_TRACKING_URI"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    headers = {"Authorization": f"Bearer {client.session.variables['MLFLOW_TRACKING_TOKEN']}"}
    for name, chunks in (("empty", []), ("two", [b"hello ", b"world"])):
        connection.request("PUT", f"{_FILES}/run/{name}", iter(chunks), headers, encode_chunked=True)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"{}")
    connection.close()
    assert (client.folder / "artifacts/run/empty").read_bytes() == b""
    assert (client.folder / "artifacts/run/two").read_bytes() == b"hello world"


def test_a_run_on_another_server_is_created_ended_and_read_back(client: Client, tmp_path: Path) -> None:
    server, token = (client.session.variables[f"MLFLOW_TRACKING_{name}"] for name in ("URI", "TOKEN"))
    with open_tracking(make_spec(tmp_path / "other", server, MLFLOW_TRACKING_TOKEN=token)) as session:
        assert "MLFLOW_TRACKING_TOKEN" not in session.variables
        run_id = session.variables["MLFLOW_RUN_ID"]
        client.call("POST", "runs/log-metric", run_id=run_id, key="m", value="NaN", timestamp=1)
        client.call("POST", "runs/log-parameter", run_id=run_id, key="lr", value="0.1")
        client.call("POST", "runs/set-tag", run_id=run_id, key="team", value="irises")
        tracked = session.finish(FinalStatus.FAILED)
    assert (tracked.metrics, tracked.params, tracked.tags) == ({"m": "NaN"}, {"lr": "0.1"}, {"team": "irises"})
    info = client.call("GET", f"runs/get?run_id={run_id}")["run"]["info"]
    assert (info["status"], info["run_name"]) == ("FAILED", "train-1")


def test_a_tracking_server_that_does_not_answer_is_a_staging_failure(bench: Any) -> None:
    failure = bench.run(tracking="http://127.0.0.1:9")["failure"]
    assert failure["class"] == "staging"
    assert "http://127.0.0.1:9 did not answer" in failure["message"]
