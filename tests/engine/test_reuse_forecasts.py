"""The forecast beside a plan: which steps the object store has a result of, also where the plan expects otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from workspaces import APPLY, commit, edit, write

pytestmark = pytest.mark.slow
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/"
FILES = {
    "components/prep/component.yml": f"""
        {SCHEMA}commandComponent.schema.json
        name: prep
        type: command
        inputs: {{numbers: {{type: uri_file}}}}
        outputs: {{table: {{type: uri_folder}}}}
        code: src
        additional_includes: [../common, ../note.txt]
        environment: azureml:plain@latest
        command: cat note.txt common/words.txt ${{{{inputs.numbers}}}} > ${{{{outputs.table}}}}/table.txt
        """,
    "components/prep/src/prep.txt": "prep\n",
    "components/common/words.txt": "words\n",
    "components/note.txt": "note\n",
    "jobs/pipe.yml": f"""
        {SCHEMA}pipelineJob.schema.json
        type: pipeline
        name: pipe
        settings: {{default_compute: azureml:local}}
        inputs: {{numbers: {{type: uri_file, path: azureml:numbers@latest}}}}
        jobs:
          prep:
            type: command
            component: azureml:prep@latest
            inputs: {{numbers: "${{{{parent.inputs.numbers}}}}"}}
          train:
            type: command
            command: cat ${{{{inputs.table}}}}/table.txt > ${{{{outputs.model}}}}/model.txt; echo ${{{{inputs.lr}}}}
            environment: azureml:plain@latest
            inputs: {{table: "${{{{parent.jobs.prep.outputs.table}}}}", lr: 0.1}}
            outputs: {{model: {{type: uri_folder}}}}
          remark:
            type: command
            command: echo first > ${{{{outputs.text}}}}
            environment: azureml:plain@latest
            outputs: {{text: {{type: uri_file}}}}
        """,
}
STORE = "forecast of the object store:"
EVENT_SCHEMA = Path(__file__).parents[2] / "schemas/event.schema.json"


@pytest.fixture
def pipe(small: Path) -> Path:
    """Return a workspace with a pipeline of three steps, the first one a registered component."""
    for name in ("jobs/sum.yml", "models/total.yml"):
        (small / name).unlink()
    write(small, FILES)
    commit(small)
    return small


def change_rate(folder, old, new):
    edit(folder, "jobs/pipe.yml", f"lr: {old}", f"lr: {new}")
    commit(folder)


def forecast_lines(mlgit, folder, *command):
    """Return the lines of a plan about the store, without the digits that end the id of a run."""
    planned = mlgit(*(command or ("plan",)), cwd=folder)
    assert planned.code == 0, planned.err
    lines = planned.out.splitlines()
    start = next(number for number, line in enumerate(lines) if STORE in line)
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("  ")), len(lines))
    return [line.strip() for line in lines[start:end]]


def forecast_event(mlgit, folder):
    events = map(json.loads, mlgit("plan", "--format", "json", cwd=folder).out.splitlines())
    return next(event for event in events if event["type"] == "plan-made")


def test_a_value_that_comes_back_is_forecast_to_be_reused_though_the_plan_sees_a_change(pipe, mlgit):
    assert STORE not in mlgit("plan", cwd=pipe).out, "it has nothing to add"
    assert mlgit(*APPLY, cwd=pipe).code == 0
    first = json.loads(mlgit("job", "show", "pipe", "--format", "json", cwd=pipe).out)["run"]
    change_rate(pipe, "0.1", "0.2")
    assert forecast_lines(mlgit, pipe) == [f"{STORE} 2 of 3 steps reused; train runs"]
    assert mlgit(*APPLY, cwd=pipe).code == 0
    edit(pipe, "jobs/pipe.yml", "echo first", "echo second")
    change_rate(pipe, "0.2", "0.1")
    back = [f"{STORE} 2 of 3 steps reused; remark runs", f"train: reused from {first}/train"]
    assert forecast_lines(mlgit, pipe) == back
    made = forecast_event(mlgit, pipe)
    assert made["forecast"][0]["steps"][1] == {"step": "train", "verdict": "same", "cause": f"{first}/train"}
    assert "forecast" not in made["body"]
    schema = json.loads(EVENT_SCHEMA.read_text("utf-8"))["$defs"]["plan-made"]["properties"]["forecast"]
    jsonschema.validate(made["forecast"], schema)
    assert f"\n  train: reused from {first}/train" in mlgit("plan", "--format", "markdown", cwd=pipe).out

    shutil.rmtree(pipe / ".mlgit/store/files")
    lost = "the result that it had is no longer in the store"
    assert forecast_lines(mlgit, pipe) == [
        f"{STORE} 0 of 3 steps reused; prep, remark run; 1 known after them",
        f"prep: runs because {lost}",
    ], "a plan that is printed again asks the store again"
    assert forecast_event(mlgit, pipe)["digest"] == made["digest"]
    edit(pipe, "mlgit.yml", ".mlgit/store}", ".mlgit/store, host: another}")
    assert forecast_lines(mlgit, pipe) == [f"{STORE} not asked: the store is on another only"]


def test_an_experiment_is_forecast_with_data_and_components_that_no_apply_has_registered(pipe, mlgit):
    ran = mlgit("run", "jobs/pipe.yml", cwd=pipe)
    assert ran.code == 0, ran.err
    lines = forecast_lines(mlgit, pipe, "run", "jobs/pipe.yml", "--again")
    assert lines[0] == f"{STORE} 3 of 3 steps reused"
    edit(pipe, "components/note.txt", "note", "another note")
    lines = forecast_lines(mlgit, pipe, "run", "jobs/pipe.yml")
    assert lines[0] == f"{STORE} 1 of 3 steps reused; prep runs; 1 known after it"
