"""Scripts that log with MLflow, in a curated environment as mlgit makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogue.built import build_recipe, python_of

from reconciler.catalogue.recipes import find_recipe

pytestmark = [pytest.mark.slow, pytest.mark.services]

IRIS = Path(__file__).parents[2] / "workspace-template/data/iris.csv"


@pytest.fixture
def curated_bench(bench: Any) -> Any:
    recipe = find_recipe("sklearn-1.5")
    assert recipe
    bench.spec["environment"]["path"] = [str(Path(python_of(build_recipe(recipe))).parent)]
    return bench


def test_a_script_of_sklearn_can_use_autologging(curated_bench: Any, scripts: Path) -> None:
    curated_bench.script((scripts / "autolog.py").read_text())
    curated_bench.spec["code"].append(curated_bench.row("iris.csv", IRIS.read_text()))
    result = curated_bench.run()
    assert result["status"] == "completed", curated_bench.log()
    assert result["metrics"]["training_accuracy_score"] > 0.9


def test_a_script_of_sklearn_can_log_figures_tables_and_models(curated_bench: Any, scripts: Path) -> None:
    curated_bench.script((scripts / "logging_calls.py").read_text())
    result = curated_bench.run()
    assert result["status"] == "completed", curated_bench.log()
    for name in ("figures/plot.png", "picture.png", "table.json"):
        assert (curated_bench.folder / "outputs/artifacts" / name).stat().st_size > 0
