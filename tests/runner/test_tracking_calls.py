"""The calls of the tracking API without HTTP: histories of metrics, searches, and the model registry."""

from __future__ import annotations

import cProfile
import json
import pstats
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.runner.tracking.artifacts import ArtifactStore
from reconciler.runner.tracking.calls import TrackingApi
from reconciler.runner.tracking.errors import ApiError
from reconciler.runner.tracking.models import LoggedModels
from reconciler.runner.tracking.registered import RegisteredModels
from reconciler.runner.tracking.registry_calls import RegistryApi
from reconciler.runner.tracking.runs import TrackedRuns

pytestmark = pytest.mark.fast

RUN = "train-1a2b3c4d"
NOTE = """
mlgit: iris was not registered, because models are registered from files. To register it with every run of this job,
mlgit: save it into an output of the job: `outputs: {fitted: {type: mlflow_model}}`, and declare it in a file:
mlgit:   $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
mlgit:   name: iris
mlgit:   type: mlflow_model
mlgit:   path: azureml://jobs/train/outputs/fitted
"""


class Calls:
    """The API of one job; ``notes`` are what it writes into the log."""

    def __init__(self, folder: Path, outputs: dict[str, str]) -> None:
        self.notes: list[str] = []
        self.metrics = folder / "metrics.jsonl"
        self.runs = TrackedRuns(RUN, self.metrics)
        models = LoggedModels()
        registered = RegisteredModels("train", outputs, self.notes.append)
        self._api = TrackingApi(
            self.runs, models, ArtifactStore(folder / "artifacts"), RegistryApi(registered, models), "Default"
        )

    def __call__(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        return self._api.handle_call(method, path, body)

    def error(self, method: str, path: str, **body: Any) -> str:
        with pytest.raises(ApiError) as error:
            self(method, path, **body)
        return error.value.code

    def log(self, *rows: tuple[str, float, int, int], run: str = RUN, **fields: str) -> None:
        names = ("key", "value", "timestamp", "step")
        metrics = [{**dict(zip(names, row, strict=True)), **fields} for row in rows]
        self("POST", "runs/log-batch", run_id=run, metrics=metrics)

    def history(self, key: str, run: str = RUN) -> list[tuple[int, float]]:
        rows: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self("GET", "metrics/get-history", run_id=run, metric_key=key, page_token=token)
            rows += page["metrics"]
            token = page.get("next_page_token", "")
            if not token:
                return [(row["step"], row["value"]) for row in rows]

    def search(self, condition: str, *orders: str) -> list[str]:
        runs = self("POST", "runs/search", filter=condition, order_by=list(orders))["runs"]
        return [run["info"]["run_name"] for run in runs]


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    api = Calls(tmp_path, {"plots": "uri_folder", "fitted": "mlflow_model"})
    yield api
    api.runs.close()


def test_rows_equal_in_key_step_time_and_value_are_kept_once(calls: Calls) -> None:
    rows = [
        ("loss", 0.5, 7, 1),
        ("loss", float("nan"), 7, 1),
        ("loss", 0.5, 8, 1),
        ("loss", 0.5, 7, 2),
        ("acc", 0.5, 7, 1),
    ]
    calls.log(*rows)
    calls.log(*rows[::-1])
    calls.log(rows[0], rows[0])
    assert len(calls.history("loss")) == 4
    assert len(calls.history("acc")) == 1
    assert len(calls.metrics.read_text().splitlines()) == 5


def test_the_rows_of_a_nested_run_are_its_own(calls: Calls) -> None:
    child = calls("POST", "runs/create", experiment_id="0")["run"]["info"]["run_id"]
    calls.log(("loss", 0.5, 7, 1))
    calls.log(("loss", 0.5, 7, 1), run=child)
    assert calls.history("loss") == calls.history("loss", child) == [(1, 0.5)]
    assert [json.loads(line).get("run") for line in calls.metrics.read_text().splitlines()] == [None, child]


def test_a_model_keeps_equal_rows_once_and_its_last_value_is_by_step_and_time(calls: Calls) -> None:
    model = calls("POST", "logged-models", name="net")["model"]["info"]["model_id"]
    for _ in range(2):
        calls.log(("acc", 0.9, 2, 5), ("acc", 0.1, 9, 1), ("acc", 0.8, 1, 5), model_id=model)
    metrics = calls("GET", f"logged-models/{model}")["model"]["data"]["metrics"]
    assert [row["value"] for row in metrics] == [0.9, 0.1, 0.8]
    assert calls("POST", "logged-models/search", filter="metrics.acc = 0.9")["models"]
    assert not calls("POST", "logged-models/search", filter="metrics.acc = 0.8")["models"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_last_value_is_the_one_of_the_highest_step_then_time_then_value(calls: Calls, order: int) -> None:
    calls.log(*[("m", 3.0, 1, 1), ("m", 1.0, 5, 2), ("m", 9.0, 4, 2), ("m", 2.0, 5, 2)][::order])
    assert calls.runs.main.tracked_values().metrics == {"m": 2.0}


def test_a_number_beyond_the_range_of_mlflow_is_an_error_and_nothing_is_logged(calls: Calls) -> None:
    assert calls.error("POST", "runs/log-metric", run_id=RUN, key="m", value=1, step=2**63) == "INVALID_PARAMETER_VALUE"
    assert calls.metrics.read_text() == ""


def count_calls(work: Callable[[], object]) -> int:
    """Return the number of function calls that a piece of work makes."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_reading_all_histories_takes_twice_as_long_for_twice_as_many_points(tmp_path: Path) -> None:
    def count_reads(keys: int, points: int) -> int:
        folder = tmp_path / f"{keys}-{points}"
        folder.mkdir()
        calls = Calls(folder, {})
        calls.log(*[(f"k{number}", number, 1, 0) for number in range(keys)])
        for start in range(0, points, 1000):
            calls.log(*[("hot", float(step), step, step) for step in range(start, start + 1000)])
        count = count_calls(lambda: [calls.history(key) for key in ("hot", *(f"k{number}" for number in range(keys)))])
        assert len(calls.history("hot")) == points
        calls.runs.close()
        return count

    few = count_reads(30, 10_000)
    assert count_reads(60, 20_000) < 2.2 * few
    assert count_reads(300, 100_000) < 11 * few


@pytest.fixture
def searched(calls: Calls) -> Calls:
    """Create three runs beside the main one."""
    for name, loss, team in (("c0", 0.5, "it's"), ("c1", 0.25, "irises, AND roses"), ("c 2", None, None)):
        run = calls("POST", "runs/create", experiment_id="0", run_name=name)["run"]["info"]["run_id"]
        if loss is not None:
            calls.log(("loss", loss, 1, 0), run=run)
            calls("POST", "runs/set-tag", run_id=run, key="team", value=team)
            calls("POST", "runs/log-parameter", run_id=run, key="lr", value=str(loss))
    return calls


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("attributes.run_name IN ('c0','c1')", {"c0", "c1"}),
        ("run_name in ( 'c0' , \"c 2\" )", {"c0", "c 2"}),
        ("attributes.run_name NOT IN ('c0', 'c1')", {"c 2", RUN}),
        ("params.lr IN ('0.25') AND metrics.loss < 1", {"c1"}),
        ("metrics.loss IN (0.25, 7)", {"c1"}),
        ("tags.team IN ('irises, AND roses')", {"c1"}),
        ("tags.team IN ('x') and metrics.loss > 0", set()),
        ('tags.team = "it\'s"', {"c0"}),
        ("tags.team LIKE '%AND%' AND attributes.status = 'RUNNING'", {"c1"}),
        ("tags.`team` ILIKE 'IRIS%'", {"c1"}),
        ("tags.team IS NULL", {"c 2", RUN}),
        ("params.lr IS NOT NULL AND metrics.loss >= 0.5", {"c0"}),
        ("tags.team NOT IN ('none')", {"c0", "c1"}),
        ("tags.team != 'none'", {"c0", "c1"}),
        ("", {"c0", "c1", "c 2", RUN}),
    ],
)
def test_a_search_finds_the_runs_that_a_filter_of_mlflow_names(
    searched: Calls, condition: str, names: set[str]
) -> None:
    assert set(searched.search(condition)) == names


def test_a_search_has_the_order_that_it_asks_for(searched: Calls) -> None:
    assert searched.search("metrics.loss > 0", "metrics.loss ASC") == ["c1", "c0"]
    assert searched.search("metrics.loss > 0", "metrics.`loss` DESC") == ["c0", "c1"]
    assert searched.search("", "params.lr DESC", "attributes.run_name ASC")[:2] == ["c0", "c1"]


@pytest.mark.parametrize(
    "condition", ["run_name IN ()", "run_name IN 'c0'", "run_name IN ('c0'", "run_name IN (c0)", "IN ('c0')", "a IS 1"]
)
def test_a_filter_that_is_wrong_is_an_error(searched: Calls, condition: str) -> None:
    assert searched.error("POST", "runs/search", filter=condition) == "INVALID_PARAMETER_VALUE"


def test_a_registered_model_is_accepted_and_the_log_says_how_it_is_declared(calls: Calls) -> None:
    calls("POST", "registered-models/create", name="iris")
    version = calls("POST", "model-versions/create", name="iris", source="mlflow-artifacts:/run/m", run_id=RUN)
    assert (version["model_version"]["version"], version["model_version"]["status"]) == ("1", "READY")
    assert calls.notes == [NOTE]


def test_a_second_version_and_an_existing_name_are_noted_no_second_time(calls: Calls) -> None:
    calls("POST", "registered-models/create", name="iris")
    assert calls.error("POST", "registered-models/create", name="iris") == "RESOURCE_ALREADY_EXISTS"
    versions = [calls("POST", "model-versions/create", name="iris", source="x")["model_version"] for _ in range(2)]
    assert [version["version"] for version in versions] == ["1", "2"]
    assert len(calls.notes) == 1
    assert calls("GET", "registered-models/get", name="iris")["registered_model"]["latest_versions"] == versions[1:]
    assert calls("GET", "model-versions/search", filter="name='iris'")["model_versions"] == versions[::-1]


def test_a_registered_model_can_be_described_tagged_and_found_by_its_alias(calls: Calls) -> None:
    calls("POST", "registered-models/create", name="iris", tags=[{"key": "team", "value": "a"}])
    calls("POST", "model-versions/create", name="iris", source="x")
    calls("PATCH", "registered-models/update", name="iris", description="flowers")
    calls("POST", "registered-models/set-tag", name="iris", key="stage", value="trial")
    calls("DELETE", "registered-models/delete-tag", name="iris", key="team")
    calls("POST", "registered-models/alias", name="iris", alias="best", version="1")
    calls("POST", "model-versions/set-tag", name="iris", version="1", key="ok", value="yes")
    (model,) = calls("GET", "registered-models/search", filter="name LIKE 'ir%' AND tag.`x.y` != 'true'")[
        "registered_models"
    ]
    assert model["description"] == "flowers"
    assert model["tags"] == [{"key": "stage", "value": "trial"}]
    version = calls("GET", "registered-models/alias", name="iris", alias="best")["model_version"]
    assert version["tags"] == [{"key": "ok", "value": "yes"}]
    calls("DELETE", "registered-models/alias", name="iris", alias="best")
    assert calls.error("GET", "registered-models/alias", name="iris", alias="best") == "RESOURCE_DOES_NOT_EXIST"


def test_the_files_of_a_registered_version_are_those_of_its_model(calls: Calls) -> None:
    model = calls("POST", "logged-models", name="net")["model"]["info"]
    calls("POST", "registered-models/create", name="iris")
    for source, uri in (
        (f"models:/{model['model_id']}", model["artifact_uri"]),
        ("mlflow-artifacts:/a", "mlflow-artifacts:/a"),
    ):
        version = calls("POST", "model-versions/create", name="iris", source=source)["model_version"]["version"]
        assert calls("GET", "model-versions/get-download-uri", name="iris", version=version) == {"artifact_uri": uri}


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a\nb", "\x1b[2J"])
def test_a_name_that_cannot_be_that_of_a_model_is_an_error_and_not_noted(calls: Calls, name: str) -> None:
    assert calls.error("POST", "registered-models/create", name=name) == "INVALID_PARAMETER_VALUE"
    assert calls.notes == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "registered-models/get"), ("POST", "model-versions/create"), ("GET", "model-versions/get")],
)
def test_a_model_that_was_not_registered_is_not_found(calls: Calls, method: str, path: str) -> None:
    assert calls.error(method, path, name="iris", version="1", source="x") == "RESOURCE_DOES_NOT_EXIST"
