"""Pipelines from file to record: submitted once, their steps recorded with their end, canceled as other runs."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, until, write

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
        command: python prep.py ${{{{inputs.numbers}}}} ${{{{outputs.table}}}}
        """,
    "components/prep/src/prep.py": """
        import pathlib, sys
        from common.words import HEADER
        pathlib.Path(sys.argv[2], "table.txt").write_text(pathlib.Path("note.txt").read_text() + HEADER)
        """,
    "components/common/words.py": 'HEADER = "n"\n',
    "components/note.txt": "note\n",
    "jobs/pipe.yml": f"""
        {SCHEMA}pipelineJob.schema.json
        type: pipeline
        name: pipe
        settings: {{default_compute: azureml:local}}
        inputs: {{numbers: {{type: uri_file, path: azureml:numbers@latest}}}}
        outputs: {{model: {{type: uri_folder}}}}
        jobs:
          prep:
            type: command
            component: azureml:prep@latest
            inputs: {{numbers: "${{{{parent.inputs.numbers}}}}"}}
          train:
            type: command
            command: echo trained; cat ${{{{inputs.table}}}}/table.txt > ${{{{outputs.model}}}}/model.txt
            environment: azureml:plain@latest
            inputs: {{table: "${{{{parent.jobs.prep.outputs.table}}}}"}}
            outputs: {{model: "${{{{parent.outputs.model}}}}"}}
        """,
}
TRAIN, WAIT = "echo trained;", "while [ ! -e {} ]; do sleep 0.02; done;"


@pytest.fixture
def pipe(small: Path) -> Path:
    """Return a workspace with a pipeline of two steps, the first one a registered component."""
    for name in ("jobs/sum.yml", "models/total.yml"):
        (small / name).unlink()
    write(small, FILES)
    commit(small)
    return small


@pytest.mark.services
def test_another_target_adopts_the_run_of_a_pipeline_and_reuses_steps_of_it(pipe, mlgit):
    with (pipe / "mlgit.yml").open("a") as file:
        file.write("targets: {prod: {reuse_from: [default]}}\n")
    commit(pipe)
    assert mlgit(*APPLY, cwd=pipe).code == 0
    adopted = mlgit(*APPLY, "--target", "prod", cwd=pipe)
    assert (adopted.code, "nothing is submitted" in adopted.out) == (0, True), adopted.err
    shown = json.loads(mlgit("job", "show", "pipe", "--target", "prod", "--format", "json", cwd=pipe).out)
    assert {step["step"] for step in shown["steps"]} == {"prep", "train"}
    assert shown["adopted_from"]["target"] == "default"
    edit(pipe, "jobs/pipe.yml", TRAIN, "echo again;")
    commit(pipe)
    assert "1 of 2 steps reused" in mlgit("plan", "--target", "prod", cwd=pipe).out
    assert mlgit(*APPLY, "--target", "prod", cwd=pipe).code == 0
    shown = json.loads(mlgit("job", "show", "pipe", "--target", "prod", "--format", "json", cwd=pipe).out)
    origins = {step["step"]: step.get("reused_from", "") for step in shown["steps"]}
    assert (origins["prep"].endswith("/prep of target default"), origins["train"]) == (True, "")


def steps_of(mlgit, folder):
    """Return the steps of the newest run by name, with status and reason or origin."""
    shown = json.loads(mlgit("job", "show", "pipe", "--format", "json", cwd=folder).out)
    return {step["step"]: step for step in shown["steps"]}


def kill_driver(folder):
    """Kill the driver of the newest run."""
    settings = max(folder.glob(".mlgit/store/drivers/*/driver.json"), key=lambda path: path.stat().st_mtime_ns)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_text("utf-8").split("\0")
        except OSError:
            continue
        if str(settings) in arguments:
            with suppress(ProcessLookupError):  # what the driver starts looks like it for a moment
                os.kill(int(process.name), signal.SIGKILL)


def test_a_changed_step_runs_and_the_other_one_is_reused_from_the_run_before(pipe, mlgit):
    first = mlgit(*APPLY, cwd=pipe)
    assert first.code == 0, first.err
    assert {name: step["status"] for name, step in steps_of(mlgit, pipe).items()} == dict.fromkeys(
        ("prep", "train"), "completed"
    )
    environment = json.loads(mlgit("job", "show", "pipe/prep", "--format", "json", cwd=pipe).out)["environment"]
    assert (environment["name"], environment["builder"]) == ("environment/plain@1", "venv")
    assert environment.keys() == {"name", "python", "builder", "platform", "identity"}
    edit(pipe, "jobs/pipe.yml", TRAIN, "echo trained again;")
    commit(pipe)
    assert mlgit(*APPLY, cwd=pipe).code == 0
    steps = steps_of(mlgit, pipe)
    assert steps["prep"]["reused_from"].endswith("/prep")
    assert "command" in steps["train"]["reason"]
    assert mlgit("job", "logs", "pipe/train", cwd=pipe).out == "trained again\n"
    target = pipe.parent / "downloaded"
    assert mlgit("job", "download", "pipe", str(target), cwd=pipe).code == 0
    assert [path.read_text() for path in target.rglob("model.txt")] == ["note\nn"]
    assert mlgit("plan", "--detailed-exitcode", cwd=pipe).code == 0


def test_a_driver_that_is_killed_while_apply_waits_is_started_again(pipe, mlgit):
    go = pipe.parent / "go"
    edit(pipe, "jobs/pipe.yml", TRAIN, WAIT.format(go))
    commit(pipe)

    def disturb() -> None:
        until(lambda: list(pipe.glob(".mlgit/store/runs/*train*/command.json")))
        kill_driver(pipe)
        go.touch()

    thread = threading.Thread(target=disturb)
    thread.start()
    result = mlgit(*APPLY, cwd=pipe)
    thread.join()
    assert result.code == 0, result.err
    assert "continued on" in mlgit("job", "logs", "pipe", cwd=pipe).out
    assert len(list(pipe.glob(".mlgit/store/runs/*train*"))) == 1


def test_a_run_that_leaves_git_is_canceled_with_its_steps(pipe, mlgit):
    edit(pipe, "jobs/pipe.yml", TRAIN, "sleep 300;")
    commit(pipe)
    assert mlgit("apply", "--auto-approve", cwd=pipe).code == 0
    until(lambda: list(pipe.glob(".mlgit/store/runs/*train*/command.json")))
    kill_driver(pipe)
    status = mlgit("status", cwd=pipe)
    assert "its driver ended; `mlgit apply` continues it" in status.out
    (pipe / "jobs/pipe.yml").unlink()
    commit(pipe)
    assert mlgit("apply", "--auto-approve", cwd=pipe).code == 0
    run = next(iter(pipe.glob(".mlgit/store/drivers/*"))).name
    shown = json.loads(mlgit("job", "show", run, "--format", "json", cwd=pipe).out)
    assert (shown["status"], [step["status"] for step in shown["steps"]]) == ("canceled", ["completed", "canceled"])
