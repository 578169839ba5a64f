"""The tracking of the runner with real MLflow clients, the newest version and an old one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.services]

CLIENTS = {"mlflow-new": ["mlflow-skinny>=3"], "mlflow-old": ["mlflow-skinny==2.9.2", "setuptools<81"]}
SCIENCE = ["mlflow-skinny>=3", "pandas", "scikit-learn", "skops"]
FIGURES = [*SCIENCE, "matplotlib", "pillow"]
ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "workspace-template"


@pytest.mark.parametrize("client", CLIENTS)
def test_a_script_can_use_the_functions_of_mlflow(
    client: str, bench: Any, scripts: Path, environment_with: Callable[..., Path]
) -> None:
    bench.spec["environment"]["path"] = [str(environment_with(client, *CLIENTS[client]))]
    bench.script((scripts / "fluent.py").read_text())
    result = bench.run()
    assert result["status"] == "completed", bench.log()
    assert result["metrics"] == {"plain": 1.0, "loss": 0.2, "odd": "NaN"}
    assert result["params"] == {"lr": "0.1", "epochs": "5", "kind": "größer"}
    assert result["tags"] == {"team": "irises", "stage": "trial"}
    losses = [row for row in bench.metrics() if row["key"] == "loss" and "run" not in row]
    assert [(row["step"], row["value"]) for row in losses] == [(0, 1.0), (1, 0.5), (2, 1 / 3), (3, 0.25), (4, 0.2)]
    assert [row["value"] for row in bench.metrics() if "run" in row] == [100.0]
    assert "mlgit: iris was not registered, because models are registered from files." in bench.log()
    assert (bench.folder / "outputs/artifacts/notes/hello.txt").read_text() == "hello"
    assert (bench.folder / "outputs/artifacts/notes/empty.txt").read_text() == ""
    assert json.loads((bench.folder / "outputs/artifacts/a name with blanks.json").read_text()) == {"a": [1, 2]}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_started_run_is_the_one_of_the_job_in_every_process(
    client: str, ranks: int, bench: Any, scripts: Path, environment_with: Callable[..., Path]
) -> None:
    bench.spec["environment"]["path"] = [str(environment_with(client, *CLIENTS[client]))]
    bench.script((scripts / "attach.py").read_text())
    result = bench.run(
        experiment="irises", commit="f" * 40, distribution={"type": "pytorch", "process_count_per_instance": ranks}
    )
    assert result["status"] == "completed", bench.log()
    assert result["metrics"] == {"loss": 0.5}


def test_autologging_and_logged_models_are_supported(
    bench: Any, scripts: Path, environment_with: Callable[..., Path]
) -> None:
    bench.spec["environment"]["path"] = [str(environment_with("science", *SCIENCE))]
    bench.spec["variables"] = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"}
    bench.script((scripts / "autolog.py").read_text())
    bench.spec["code"].append(bench.row("iris.csv", (TEMPLATE / "data/iris.csv").read_text()))
    result = bench.run()
    assert result["status"] == "completed", bench.log()
    assert result["params"]["max_iter"] == "500"
    assert result["metrics"]["training_accuracy_score"] > 0.9
    assert (bench.folder / "outputs/artifacts/iris/MLmodel").is_file()


def test_everything_else_that_a_script_may_log_is_supported(
    bench: Any, scripts: Path, environment_with: Callable[..., Path]
) -> None:
    bench.spec["environment"]["path"] = [str(environment_with("science-with-figures", *FIGURES))]
    bench.spec["variables"] = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"}
    bench.script((scripts / "logging_calls.py").read_text())
    result = bench.run()
    assert result["status"] == "completed", bench.log()
    losses = [(row["step"], row["value"]) for row in bench.metrics() if row["key"] == "loss"]
    assert losses == [(0, 1.0), (1, 0.5), (2, 0.25)]  # each model logs them again
    for name in ("figures/plot.png", "picture.png", "table.json", "folder/inner/a.txt"):
        assert (bench.folder / "outputs/artifacts" / name).stat().st_size > 0
    assert "mlgit:   path: azureml://jobs/train/outputs/model\n" in bench.log()


def test_the_training_script_of_the_template_logs_a_model_without_warnings(
    bench: Any, environment_with: Callable[..., Path]
) -> None:
    bench.spec["environment"]["path"] = [str(environment_with("science", *SCIENCE))]
    script = TEMPLATE / "components/train/src/train.py"
    bench.spec |= {
        "command": "python train.py --data ${{inputs.iris}} --lr ${{inputs.lr}} --out ${{outputs.model}}",
        "code": [["train.py", str(script), 0o100644]],
        "inputs": {
            "iris": bench.files("uri_file", "ro_mount", ["iris.csv", str(TEMPLATE / "data/iris.csv"), 0o100644]),
            "lr": {"kind": "literal", "value": 0.1},
        },
        "outputs": {"model": {"type": "mlflow_model"}},
    }
    result = bench.run()
    assert result["status"] == "completed", bench.log()
    assert result["metrics"]["accuracy"] > 0.9
    assert result["params"] == {"lr": "0.1", "epochs": "200"}
    assert (bench.folder / "outputs/model/MLmodel").is_file()
    assert "epoch 200: loss" in bench.log()
    assert "warning" not in bench.log().lower()
