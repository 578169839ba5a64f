"""RUN/STEP: every `mlgit job` command takes a step of a pipeline, or a trial of a sweep, as it takes a run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from workspaces import git

from reconciler.cli.json_events import EventStream
from reconciler.format.schemas import is_valid_for_schema
from reconciler.model import DRIVER, Action, Address, Event, Handle, Op, Progress, Run, RunStatus, StepRun
from reconciler.project.session import open_session
from reconciler.state.write_batch import WriteBatch

pytestmark = pytest.mark.slow

PIPELINE = "flow-1a2b3c4d"
COMMANDS = ("show", "logs", "metrics", "download", "wait", "cancel")


@pytest.fixture(scope="module")
def flow(tmp_path_factory, _quiet_git, _applied):
    """Record a pipeline that has failed: its steps are runs of the job sum, beside which it was."""
    folder = shutil.copytree(_applied, tmp_path_factory.mktemp("flow") / "small")
    with open_session(folder) as session:
        state = session.state_store.read()
        record = state.current[Address("job", "sum")]
        executed = state.find_run(record.address, record.run)
        write_pipeline(session, executed)
    return folder


def write_pipeline(session, executed):
    pipeline = Run(
        PIPELINE,
        Address("job", "flow"),
        "a" * 64,
        "b" * 64,
        1,
        DRIVER,
        RunStatus.FAILED,
        failure="user",
        message="step tune failed",
        commit=executed.commit,
        submitted_at="2026-11-29T12:00:00Z",
        started_at="2026-11-29T12:00:00Z",
        ended_at="2026-11-29T12:00:40Z",
        handle=Handle("driver", PIPELINE, {"token": "a" * 64}),
        experiment=True,
        spec={
            "jobs": {
                "tune": {"objective": {"primary_metric": "accuracy"}, "environment_variables": {"API_KEY": "hush-hush"}}
            }
        },
    )
    ran = {"backend": "local", "handle": executed.handle, "attempt": 1, "environment": "c" * 64}
    times = {"started_at": "2026-11-29T12:00:10Z", "ended_at": "2026-11-29T12:00:14Z"}
    steps = (
        StepRun("prepare", RunStatus.COMPLETED, reused_from="flow-0a0b0c0d/prepare", outputs=executed.outputs, **ran),
        StepRun(
            "outer.train",
            RunStatus.COMPLETED,
            run=f"{PIPELINE}_outer_train-11223344",
            reason="inputs.lr 0.1 -> 0.2",
            component="train@2",
            inputs={"lr": 0.2, "data": "4c5e"},
            outputs=executed.outputs,
            metrics={"loss": 0.25},
            needs=("prepare",),
            **ran,
            **times,
        ),
        StepRun("tune", RunStatus.FAILED, failure="user", message="no trial completed with hush-hush", **times),
        StepRun("tune.0", RunStatus.FAILED, params={"lr": 0.1}, exit_code=3, message="it failed", **ran, **times),
        StepRun("evaluate", RunStatus.NOT_STARTED, needs=("outer.train", "tune")),
    )
    session.state_store.write(WriteBatch(runs=(pipeline,), steps={PIPELINE: steps}), "test")


def test_a_pipeline_is_shown_with_what_happened_to_each_step(flow, mlgit, golden):
    golden("cli/job-show/pipeline.txt", mlgit("job", "show", PIPELINE, cwd=flow).out)
    shown = json.loads(mlgit("job", "show", "flow", "--format", "json", cwd=flow).out)
    by_step = {step["step"]: step for step in shown["steps"]}
    assert list(by_step) == ["prepare", "outer.train", "tune", "tune.0", "evaluate"]
    assert by_step["prepare"]["reused_from"] == "flow-0a0b0c0d/prepare"
    assert by_step["outer.train"]["inputs"] == {"lr": 0.2, "data": "4c5e"}
    assert by_step["outer.train"]["duration_seconds"] == 4
    assert by_step["evaluate"] == {"step": "evaluate", "status": "notstarted", "needs": ["outer.train", "tune"]}


def test_a_step_is_shown_as_a_run_of_its_own(flow, mlgit, golden):
    text = mlgit("job", "show", f"{PIPELINE}/outer.train", cwd=flow).out
    golden("cli/job-show/step.txt", text.replace(str(flow), "<folder>"))
    shown = json.loads(mlgit("job", "show", "flow/prepare", "--format", "json", cwd=flow).out)
    assert (shown["run"], shown["parent"]) == (f"{PIPELINE}/prepare", PIPELINE)
    assert shown["reused_from"] == "flow-0a0b0c0d/prepare"
    assert shown["log"].endswith("std_log.txt")


def test_no_secret_of_a_pipeline_is_shown_of_its_steps(flow, mlgit):
    for argument in (PIPELINE, f"{PIPELINE}/tune"):
        for form in ("text", "json"):
            assert "hush-hush" not in mlgit("job", "show", argument, "--format", form, cwd=flow).out


@pytest.mark.parametrize(
    "argument", [f"{PIPELINE}/outer.train", "flow/outer.train", f"{PIPELINE}_outer_train-11223344"]
)
def test_a_step_is_found_by_its_run_by_its_job_and_by_the_id_of_its_child_run(flow, mlgit, argument):
    logged = mlgit("job", "logs", argument, cwd=flow)
    assert (logged.code, logged.out, logged.err) == (0, "total 6\n", "")


def test_the_log_of_a_step_that_was_reused_is_that_of_the_run_it_is_from(flow, mlgit):
    logged = mlgit("job", "logs", "flow/prepare", "--follow", cwd=flow)
    assert (logged.code, logged.out) == (0, "total 6\n")
    assert logged.err == f"{PIPELINE}/prepare was reused from flow-0a0b0c0d/prepare, whose log this is:\n"


def test_the_outputs_of_a_step_are_written_into_a_folder(flow, mlgit, tmp_path):
    assert mlgit("job", "download", "flow/outer.train", str(tmp_path / "out"), cwd=flow).code == 0
    assert (tmp_path / "out/named-outputs/total/total.txt").read_text("utf-8") == "12.0"


def test_the_metrics_of_a_pipeline_name_the_steps_that_have_some(flow, mlgit):
    shown = mlgit("job", "metrics", "flow", cwd=flow)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == f"run {PIPELINE} has logged no metrics itself; its steps have: {PIPELINE}/outer.train\n"


def test_a_step_that_has_ended_is_not_waited_for(flow, mlgit):
    ended = {step: mlgit("job", "wait", f"flow/{step}", cwd=flow) for step in ("outer.train", "tune.0", "evaluate")}
    assert [result.code for result in ended.values()] == [0, 1, 1]
    assert [result.out for result in ended.values()] == [
        f"run {PIPELINE}/outer.train is completed\n",
        f"run {PIPELINE}/tune.0 is failed\n",
        f"run {PIPELINE}/evaluate is not started\n",
    ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("unknown-step", ("show", f"{PIPELINE}/prepar")),
        ("unknown-inner-step", ("show", f"{PIPELINE}/train")),
        ("steps-of-a-component", ("logs", f"{PIPELINE}/outer")),
        ("step-of-a-command", ("show", "sum/prepare")),
        ("cancel-a-step", ("cancel", f"{PIPELINE}/tune")),
        ("rerun-a-step", ("rerun", "sum/tune")),
        ("log-of-a-sweep", ("logs", f"{PIPELINE}/tune")),
        ("log-of-a-step-not-started", ("logs", f"{PIPELINE}/evaluate")),
    ],
)
def test_what_cannot_be_done_with_a_step_is_said_with_what_can(flow, mlgit, golden, name, arguments):
    ended = mlgit("job", *arguments, cwd=flow)
    assert (ended.code, ended.out) == (1, "")
    golden(f"cli/job-argument/{name}.txt", ended.err)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_an_unknown_step_in_the_same_words(flow, mlgit, command):
    before = git(flow, "for-each-ref", "refs/mlgit")
    ended = mlgit("job", command, "flow/evaluat", cwd=flow)
    assert (ended.code, "did you mean evaluate?" in ended.err, "[step-unknown]" in ended.err) == (1, True, True)
    assert git(flow, "for-each-ref", "refs/mlgit") == before


def test_two_steps_are_compared(flow, mlgit):
    compared = mlgit("job", "compare", "flow/tune.0", "flow/outer.train", cwd=flow)
    assert (compared.code, compared.err, "hush-hush" in compared.out) == (0, "", False)
    assert f"{PIPELINE}/outer.train" in compared.out


def test_a_stream_of_events_has_one_for_each_change_of_a_step(capsys):
    run = Run(PIPELINE, Address("job", "flow"), "", "", 1, DRIVER, RunStatus.RUNNING)
    steps = [
        StepRun("prepare", RunStatus.COMPLETED, reused_from="flow-0a0b0c0d/prepare"),
        StepRun("a.b", RunStatus.RUNNING),
    ]
    stream = EventStream()
    stream.read_steps = lambda _run: steps
    for _ in range(2):
        stream.on_running_runs((run,))
    steps[1] = StepRun("a.b", RunStatus.FAILED, message="it failed", attempt=1)
    ended = replace(run, status=RunStatus.FAILED)
    stream.on_event(Event(Progress.DONE, Action(Op.RECORD, run.address, version=run.id, run=ended)))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event for event in events if not is_valid_for_schema(event, "event")] == []
    assert [(event["type"], event.get("step"), event.get("status")) for event in events] == [
        ("run", None, "running"),
        ("step", "prepare", "completed"),
        ("step", "a.b", "running"),
        ("step", "a.b", "failed"),
        ("action-done", None, None),
    ]
