"""A pipeline while it runs: what run, wait, status, logs and cancel say of its steps, also without its driver."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from workspaces import commit, edit, until

pytestmark = [pytest.mark.slow, pytest.mark.services]

STEP = """
    import pathlib, sys, time
    name, go, out = sys.argv[1:]
    print(name, "begun", flush=True)
    deadline = time.monotonic() + 300
    while go != "-" and not pathlib.Path(go).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    (pathlib.Path(out) / "x.txt").write_text(name)
    print(name, "ended")
    """
PIPELINE = """
    $schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
    type: pipeline
    name: flow
    settings: {{default_compute: azureml:local}}
    jobs:
      prepare:
        command: python step.py prepare - ${{{{outputs.out}}}}
        code: ../steps
        environment: azureml:plain@latest
        outputs: {{out: {{type: uri_folder}}}}
      train:
        command: python step.py train {go} ${{{{outputs.out}}}} # ${{{{inputs.data}}}}
        code: ../steps
        environment: azureml:plain@latest
        inputs: {{data: "${{{{parent.jobs.prepare.outputs.out}}}}"}}
        outputs: {{out: {{type: uri_folder}}}}
      evaluate:
        command: python step.py evaluate - ${{{{outputs.out}}}} # ${{{{inputs.data}}}}
        code: ../steps
        environment: azureml:plain@latest
        inputs: {{data: "${{{{parent.jobs.train.outputs.out}}}}"}}
        outputs: {{out: {{type: uri_folder}}}}
    """


@pytest.fixture
def go(tmp_path):
    file = tmp_path / "go"
    yield file
    file.touch()


@pytest.fixture
def flow(applied, go):
    """Add a pipeline to the small workspace; its second step waits for a file."""
    commit(applied, "flow", {"jobs/flow.yml": PIPELINE.format(go=go), "steps/step.py": STEP})
    return applied


@pytest.fixture
def running(flow, mlgit):
    """Start the pipeline, and wait until its second step runs."""
    started = mlgit("run", "jobs/flow.yml", "--detach", cwd=flow)
    assert started.code == 0, started.err
    until(lambda: states(mlgit, flow)["train"] == "running")
    return flow


def states(mlgit, folder):
    shown = json.loads(mlgit("job", "show", "flow", "--format", "json", cwd=folder).out)
    return {step["step"]: step["status"] for step in shown["steps"]}


def kill_driver(folder: Path) -> None:
    """Kill the driver of the one pipeline of a workspace."""
    pids: list[int] = []

    def is_alone() -> bool:
        """Return True if only the driver is there: a process that it starts looks like it for a moment."""
        pids[:] = [int(entry.name) for entry in Path("/proc").iterdir() if is_driver(entry, folder)]
        return len(pids) == 1

    until(is_alone)
    os.kill(pids[0], signal.SIGKILL)


def is_driver(process: Path, folder: Path) -> bool:
    try:
        command = (process / "cmdline").read_text("utf-8")
    except OSError:
        return False
    return "reconciler.engine.driver" in command and str(folder) in command


def test_each_change_of_a_step_is_a_line_and_the_second_run_says_what_was_reused(flow, mlgit, go, golden):
    go.touch()
    first = mlgit("run", "jobs/flow.yml", cwd=flow)
    assert first.code == 0, first.err
    events = [line for line in first.out.splitlines() if re.match(r"  \w+: ", line)]
    assert [line for line in events if "completed" in line] == [
        line for line in events if re.match(r"  (prepare|train|evaluate): completed after \d", line)
    ]
    assert "3 steps: 3 completed." in first.out
    edit(flow, "jobs/flow.yml", "step.py evaluate", "step.py   evaluate")
    second = mlgit("run", "jobs/flow.yml", cwd=flow)
    assert second.code == 0, second.err
    assert "3 steps: 1 completed, 2 reused." in second.out
    text = re.sub(r"(?m)^  evaluate: (queued|running).*\n", "", second.out)
    golden("cli/run/pipeline-reused.txt", re.sub(r"after [^.:\n]*\.?\d* s", "after <duration>", text))
    again = mlgit("job", "logs", "flow/train", cwd=flow)
    assert again.out == "train begun\ntrain ended\n"
    assert "flow/train was reused from" in re.sub(r"-[0-9a-f]{8}", "", again.err)
    before, after = (run["run"] for run in json.loads(mlgit("job", "list", "flow", "--format", "json", cwd=flow).out))
    steps = mlgit("job", "compare", f"{before}/evaluate", f"{after}/evaluate", cwd=flow)
    assert (steps.code, steps.err, "Command:\n  command " in steps.out) == (0, "", True)
    runs = mlgit("job", "compare", before, after, cwd=flow).out
    assert "step prepare" in runs
    assert "reused" in runs


def test_a_run_whose_step_fails_names_the_command_that_shows_the_log_of_the_step(flow, mlgit):
    edit(flow, "jobs/flow.yml", "step.py train", "step.py")
    failed = mlgit("run", "jobs/flow.yml", cwd=flow)
    assert failed.code == 1
    run = re.search(r"`mlgit job logs (flow-[0-9a-f]{8}/train)` shows the log of train\.\n", failed.out)
    assert run, failed.out
    assert "ValueError" in mlgit("job", "logs", run[1], cwd=flow).out


def test_the_status_counts_the_steps_and_says_when_a_driver_ended_and_wait_continues_it(
    running, mlgit, mlgit_process, go
):
    assert "3 steps: 1 running, 1 completed, 1 not started\n" in mlgit("status", cwd=running).out
    kill_driver(running)
    status = mlgit("status", cwd=running).out
    assert "3 steps: 1 running, 1 completed, 1 not started; its driver ended; `mlgit apply` continues it\n" in status
    process = mlgit_process("job", "wait", "flow", cwd=running)
    assert process.stderr.readline().startswith("waiting for run flow-")
    go.touch()
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert re.search(r"  evaluate: completed after \d", out)
    assert set(states(mlgit, running).values()) == {"completed"}


def test_the_log_of_a_step_that_has_not_started_is_followed_from_its_start_to_its_end(running, mlgit_process, go):
    process = mlgit_process("job", "logs", "flow/evaluate", "--follow", cwd=running)
    go.touch()
    out, err = process.communicate(timeout=180)
    assert (process.returncode, out, err) == (0, "evaluate begun\nevaluate ended\n", "")


def test_a_canceled_pipeline_has_ended_with_all_its_steps(running, mlgit):
    canceled = mlgit("job", "cancel", "flow", cwd=running)
    assert canceled.code == 0, canceled.err
    assert "(3 steps: 1 canceled, 1 completed, 1 not started)" in canceled.out
    assert states(mlgit, running) == {"prepare": "completed", "train": "canceled", "evaluate": "notstarted"}
    assert mlgit("job", "wait", "flow/train", cwd=running).code == 1


def test_an_interrupted_wait_says_how_to_go_on(running, mlgit_process, mlgit):
    process = mlgit_process("job", "wait", "flow", cwd=running)
    assert process.stderr.readline().startswith("waiting for run flow-")
    until(lambda: "train: running" in process.stdout.readline())
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert re.fullmatch(r"Run (\S+) goes on: `mlgit job wait \1` follows it, .*\n", err)
    assert states(mlgit, running)["train"] == "running"
