"""Outputs with a name are registered when their job has completed: of a job, a pipeline, its nodes, and a sweep."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, edit, git, write

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/"
COMPOSITES = {
    "jobs/pipe.yml": f"""
        {SCHEMA}pipelineJob.schema.json
        type: pipeline
        name: pipe
        settings: {{default_compute: azureml:local}}
        outputs: {{best: {{type: custom_model, name: best}}}}
        jobs:
          prep:
            type: command
            command: echo 1 > ${{{{outputs.table}}}}
            environment: azureml:plain@latest
            outputs: {{table: {{type: uri_file, name: table, version: "7"}}}}
          train:
            type: command
            command: cat ${{{{inputs.table}}}} > ${{{{outputs.model}}}}/model.txt
            environment: azureml:plain@latest
            inputs: {{table: "${{{{parent.jobs.prep.outputs.table}}}}"}}
            outputs: {{model: "${{{{parent.outputs.best}}}}"}}
        """,
    "jobs/tune.yml": f"""
        {SCHEMA}sweepJob.schema.json
        type: sweep
        name: tune
        compute: azureml:local
        trial:
          command: python sum.py ${{{{inputs.numbers}}}} ${{{{search_space.factor}}}} ${{{{outputs.total}}}}
          code: ../src
          environment: azureml:plain@latest
        inputs: {{numbers: {{type: uri_file, path: azureml:numbers@latest}}}}
        outputs: {{total: {{type: custom_model, name: tuned}}}}
        search_space: {{factor: {{type: choice, values: [1, 3]}}}}
        sampling_algorithm: grid
        objective: {{goal: maximize, primary_metric: total}}
        limits: {{max_total_trials: 2, max_concurrent_trials: 1}}
        """,
    "src/sum.py": """
        import pathlib, sys
        import mlflow
        numbers, factor, out = sys.argv[1:]
        total = sum(int(line) for line in pathlib.Path(numbers).read_text().split()[1:]) * float(factor)
        mlflow.log_metric("total", total)
        (pathlib.Path(out) / "total.txt").write_text(str(total))
        """,
}


def records(mlgit, folder):
    """Return what is live, by address."""
    return {item["address"]: item for item in json.loads(mlgit("list", "--format", "json", cwd=folder).out)}


@pytest.fixture
def named(small):
    """Return a workspace whose job registers its output."""
    (small / "models/total.yml").unlink()
    edit(small, "jobs/sum.yml", "total: {type: uri_folder}", "total: {type: custom_model, name: iris}")
    commit(small)
    return small


@pytest.mark.slow
def test_the_output_of_a_job_is_registered_with_its_lineage_and_comes_back_with_its_job(named, mlgit):
    run = mlgit("run", "jobs/sum.yml", cwd=named)
    assert run.code == 0, run.err
    assert run.out.count("an experiment registers nothing: model/iris when `mlgit apply` has run the job") == 1
    ended = mlgit(*APPLY, cwd=named)
    assert ended.code == 0, ended.err
    shown = json.loads(mlgit("show", "model/iris", "--format", "json", cwd=named).out)
    assert (shown["version"], shown["source"], shown["lineage"]["job"]) == ("1", "jobs/sum.yml", "job/sum")
    target = named.parent / "got"
    assert mlgit("get", "model/iris", str(target), cwd=named).code == 0
    assert [path.read_text() for path in target.rglob("total.txt")] == ["12.0"]
    declared = json.loads(mlgit("list", "--declared", "model", "--format", "json", cwd=named).out)
    assert [(item["address"], item["source"]) for item in declared] == [("model/iris", "jobs/sum.yml")]
    (named / "jobs/sum.yml").unlink()
    commit(named)
    refused = mlgit("import", "model/iris", cwd=named)
    assert "is registered from an output of job/sum" in refused.err
    assert json.loads(mlgit("import", "--all", "--format", "json", cwd=named).out)[0]["path"] == "jobs/sum.yml"
    commit(named)
    assert mlgit("plan", "--detailed-exitcode", cwd=named).code == 0


@pytest.mark.services
def test_outputs_of_a_pipeline_of_its_nodes_and_of_a_sweep_are_registered(small, mlgit):
    for name in ("jobs/sum.yml", "models/total.yml"):
        (small / name).unlink()
    write(small, COMPOSITES)
    edit(small, "environments/plain.yml", '"python>=3.11"', '"python>=3.11", pip: [mlflow-skinny]')
    git(small, "add", "--all")
    commit(small)
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 0, ended.err
    live = records(mlgit, small)
    assert {live[name]["version"] for name in ("model/best", "model/tuned")} == {"1"}
    assert live["data/table"]["version"] == "7"
    assert mlgit("plan", "--detailed-exitcode", cwd=small).code == 0
