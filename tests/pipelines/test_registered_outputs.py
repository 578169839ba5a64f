"""Models made of the outputs of a pipeline and of its steps: versions are made by the run that executed the step."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit

from pipelines.edits import PIPELINE, Edit, Replacement, commit_edit, make_repository

pytestmark = pytest.mark.services

MODEL = """
    $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
    name: {}
    type: custom_model
    path: azureml://jobs/twenty/outputs/{}
    """
PIPELINE_OUTPUT, STEP_OUTPUT = MODEL.format("weight", "model"), MODEL.format("weight_b", "train_b.model")


def replace(name: str, *replacement: str) -> Edit:
    return Edit(name, (Replacement(*replacement),))


def model(mlgit, folder, name: str) -> dict:
    shown = mlgit("show", f"model/{name}", "--format", "json", cwd=folder)
    assert shown.code == 0, shown.err
    return json.loads(shown.out)


def latest_run(mlgit, folder) -> str:
    return json.loads(mlgit("job", "show", "twenty", "--format", "json", cwd=folder).out)["run"]


def apply(mlgit, folder) -> str:
    applied = mlgit(*APPLY, cwd=folder)
    assert applied.code == 0, applied.err
    assert mlgit("plan", cwd=folder).out.startswith("No changes")
    return latest_run(mlgit, folder)


def test_a_version_is_made_by_the_run_that_executed_the_step_and_not_by_one_that_reused_it(tmp_path, mlgit):
    folder = make_repository(tmp_path / "twenty")
    commit_edit(
        folder, replace("models", "mlgit.yml", '- {glob: "jobs/', '- {glob: "models/*.yml"}\n    - {glob: "jobs/')
    )
    commit(folder, "model", {"models/weight.yml": PIPELINE_OUTPUT, "models/weight_b.yml": STEP_OUTPUT})
    planned = mlgit("plan", cwd=folder).out
    assert "+ model/weight: new version, known after job/twenty" in planned
    assert "+ model/weight_b: new version, known after job/twenty" in planned
    first = apply(mlgit, folder)
    made = [model(mlgit, folder, name) for name in ("weight", "weight_b")]
    assert [(item["version"], item["lineage"]["run"]) for item in made] == [("1", first), ("1", first)]
    assert made[1]["references"] == {"/path": f"job/twenty@{first} outputs/train_b.model"}
    assert made[0]["lineage"]["used"]["jobs/train_a/component"] == "component/train@1"

    # Both steps are reused: no new version, and one that is declared now is that of the first run.
    commit_edit(folder, replace("another factor", PIPELINE, "how: shift}", "how: shift, factor: 7}"))
    commit(folder, "another model", {"models/weight_c.yml": MODEL.format("weight_c", "train_c.model")})
    assert apply(mlgit, folder) != first
    names = ("weight", "weight_b", "weight_c")
    made = [model(mlgit, folder, name) for name in names]
    assert [(item["version"], item["lineage"]["run"]) for item in made] == [("1", first)] * 3

    # One of the three steps runs, with another result.
    commit_edit(folder, replace("another rate", PIPELINE, "rate: 0.1", "rate: 0.2"))
    third = apply(mlgit, folder)
    made = [model(mlgit, folder, name) for name in names]
    assert [(item["version"], item["lineage"]["run"]) for item in made] == [("1", first), ("1", first), ("2", third)]
