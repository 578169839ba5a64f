"""mlgit reconcile: follows a branch of a remote and applies its commits, in spite of errors and signals."""

from __future__ import annotations

import json
import signal
import textwrap

import pytest
from jsonschema import Draft202012Validator
from workspaces import git, until, write

from reconciler.package_files import data_folder
from reconciler.state.process import host_name

pytestmark = pytest.mark.slow


def runs(site, mlgit):
    return json.loads(mlgit("job", "list", "--format", "json", cwd=site.clone).out)


def test_one_iteration_applies_the_remote_branch_and_leaves_the_work_tree_unchanged(site, mlgit):
    pushed = site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    write(site.clone, {"data/numbers.csv": "n\n99\n", "notes.txt": "mine\n"})
    git(site.clone, "add", "notes.txt")
    site.hold_runs()
    before = git(site.clone, "status", "--porcelain"), git(site.clone, "rev-parse", "HEAD")
    result = mlgit("reconcile", "--once", cwd=site.clone)
    assert (result.code, result.err) == (0, "")
    assert f"origin/main is at {pushed[:10]}" in result.out
    assert "done    first run of job/sum" in result.out
    assert (git(site.clone, "status", "--porcelain"), git(site.clone, "rev-parse", "HEAD")) == before
    site.release_runs()
    until(lambda: site.executions() and runs(site, mlgit)[0]["status"] == "completed")
    result = mlgit("reconcile", "--once", cwd=site.clone)
    assert "done    model/total: version 1" in result.out
    quiet = mlgit("reconcile", "--once", cwd=site.clone)
    assert (quiet.code, len(quiet.out.splitlines())) == (0, 1)
    assert site.executions() == 1
    assert mlgit("plan", "--ref", "origin/main", "--detailed-exitcode", cwd=site.clone).code == 0


def test_pushed_commits_are_applied_and_runs_are_recorded(site, controller):
    running = controller()
    running.wait_for("model/total: version 1")
    pushed = site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    running.wait_for(f"origin/main is at {pushed[:10]}")
    running.wait_for("new run of job/sum on local because inputs.factor 2 -> 3")
    running.wait_for("model/total: new version 2")
    assert running.stop() == 0
    assert site.executions() == 2


def test_a_network_error_is_reported_once_and_the_controller_resumes_afterwards(site, controller):
    running = controller()
    running.wait_for("model/total: version 1")
    site.bare.rename(site.top / "away.git")
    running.wait_for("[remote-unreachable]")
    turns = 4 * 0.3
    with pytest.raises(AssertionError, match="did not happen"):
        until(lambda: running.count("[remote-unreachable]") > 1, turns)
    (site.top / "away.git").rename(site.bare)
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    running.wait_for("model/total: new version 2")
    assert running.stop() == 0
    assert running.count("[remote-unreachable]") == 1


def test_an_invalid_commit_is_reported_once_and_earlier_runs_are_recorded(site, controller):
    site.hold_runs()
    running = controller()
    running.wait_for("done    first run of job/sum")
    broken = site.edit("jobs/sum.yml", "command:", "comand:")
    assert "jobs/sum.yml:" in running.wait_for("[unknown-field]")
    site.release_runs()
    running.wait_for("model/total: version 1")
    site.edit("jobs/sum.yml", "comand:", "command:")
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    running.wait_for("model/total: new version 2")
    assert running.stop() == 0
    assert running.count("[unknown-field]") == 1
    assert running.count(f"origin/main is at {broken[:10]}") == 1


# Imported by Python at its start: the first iteration of the controller fails as it would by a bug.
_FAILING_ONCE = """
import itertools
from reconciler.controller import loop
counter, run_iteration = itertools.count(), loop.run_iteration

def fail_once(*arguments):
    if next(counter) == 0:
        raise ZeroDivisionError("a bug")
    return run_iteration(*arguments)

loop.run_iteration = fail_once
"""


def test_an_unexpected_error_does_not_end_the_controller(site, controller, tmp_path):
    (tmp_path / "start").mkdir()
    (tmp_path / "start/sitecustomize.py").write_text(_FAILING_ONCE)
    running = controller(env={"PYTHONPATH": str(tmp_path / "start")})
    running.wait_for("[turn-broken-off]")
    running.wait_for("model/total: version 1")
    assert running.stop() == 0
    assert running.count("[turn-broken-off]") == 1


def test_a_file_in_place_of_a_folder_of_mlgit_is_reported_until_it_is_removed(site, controller):
    blocking_file = site.clone / ".git/mlgit"
    blocking_file.write_text("a file where a folder should be\n")
    running = controller()
    running.wait_for("[journal-unusable]")
    blocking_file.unlink()
    running.wait_for("model/total: version 1")
    assert running.stop() == 0
    assert running.count("[journal-unusable]") == 1


def test_a_superseded_run_is_canceled_if_mlgit_yml_says_so(site, mlgit):
    site.hold_runs()
    site.edit("mlgit.yml", "store: {", "on_supersede: cancel\nstore: {")
    assert mlgit("reconcile", "--once", cwd=site.clone).code == 0
    until(site.executions)
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    result = mlgit("reconcile", "--once", cwd=site.clone)
    assert (result.code, "done    job/sum: cancel run sum-" in result.out) == (0, True), result.out
    old, new = runs(site, mlgit)
    assert (old["status"], old["failure"], new["status"] == "canceled") == ("canceled", "superseded", False)


def test_after_sigterm_a_run_continues_and_the_next_controller_records_it(site, controller, mlgit):
    site.hold_runs()
    running = controller()
    running.wait_for("done    first run of job/sum")
    until(site.executions)
    assert running.stop(signal.SIGTERM) == 0
    assert [run["status"] for run in runs(site, mlgit)] == ["running"]
    site.release_runs()
    until(lambda: runs(site, mlgit)[0]["status"] == "completed")
    assert "model/total: version 1" in mlgit("reconcile", "--once", cwd=site.clone).out
    assert site.executions() == 1


def test_ctrl_c_ends_the_controller_with_130(site, controller):
    running = controller()
    running.wait_for("done    first run of job/sum")
    assert running.stop(signal.SIGINT) == 130


@pytest.mark.services
def test_two_controllers_do_nothing_twice(site, controller, mlgit):
    processes = controller(), controller()
    until(lambda: sum(process.count("done    model/total: version 1") for process in processes))
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    until(lambda: sum(process.count("done    model/total: new version 2") for process in processes))
    assert [process.stop() for process in processes] == [0, 0]
    assert site.executions() == 2
    for action in (
        "data/numbers: version 1",
        "first run of job/sum",
        "model/total: version 1",
        "model/total: new version 2",
    ):
        assert sum(process.count(f"done    {action}") for process in processes) == 1
    assert mlgit("reconcile", "--once", cwd=site.clone).code == 0


@pytest.mark.services
def test_two_controllers_of_two_clones_share_a_live_state_and_do_nothing_twice(site, controller, mlgit):
    config = textwrap.dedent(f"""
        state: {{name: small, lineage: "11111111111111111111111111111111", remote: origin}}
        store: {{path: "{site.top}/store", host: {host_name()}}}
        backends: {{local: {{type: local, host: {host_name()}}}}}
        compute: {{"*": local}}
        """)
    site.push({"mlgit.yml": config})
    git(site.clone, "pull", "--quiet")
    git(site.top, "clone", "--quiet", "bare.git", "other")
    processes = controller(), controller(cwd=site.top / "other")
    until(lambda: sum(process.count("done    model/total: version 1") for process in processes))
    assert [process.stop() for process in processes] == [0, 0]
    assert site.executions() == 1
    for action in ("data/numbers: version 1", "first run of job/sum", "model/total: version 1"):
        assert sum(process.count(f"done    {action}") for process in processes) == 1


def test_a_failed_run_is_reported_once_and_not_retried(site, controller, mlgit):
    site.script("sys.exit(3)")
    site.push()
    running = controller()
    running.wait_for("done    job/sum: run")
    site.push({"notes.txt": "a newer commit does not make it better\n"})
    running.wait_for("origin/main is at", times=2)
    assert running.stop() == 0
    assert site.executions() == 1
    assert [run["status"] for run in runs(site, mlgit)] == ["failed"]


def test_the_event_stream_matches_its_schema(site, mlgit):
    result = mlgit("reconcile", "--once", "--format", "json", cwd=site.clone)
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["address"] for event in events if event["type"] == "action-done"][:2] == [
        "workspace/small",
        "data/numbers",
    ]
    iteration = next(event for event in events if event["type"] == "turn-ended")
    assert (iteration["failed"], iteration["stopped"], iteration["commit"]) == (
        0,
        0,
        git(site.author, "rev-parse", "HEAD"),
    )
    assert iteration["done"] == sum(event["type"] == "action-done" for event in events)
    assert events[-1]["exit_code"] == 0
    schema = Draft202012Validator(json.loads((data_folder("schemas") / "event.schema.json").read_text()))
    assert [error for event in events for error in schema.iter_errors(event)] == []


def test_without_a_remote_the_local_branch_is_followed(small, mlgit):
    result = mlgit("reconcile", "--once", cwd=small)
    assert result.code == 0
    assert f"HEAD is at {git(small, 'rev-parse', 'HEAD')[:10]}" in result.out


def test_an_unknown_ref_ends_one_iteration_with_1(small, mlgit):
    result = mlgit("reconcile", "--once", "--ref", "nowhere", cwd=small)
    assert result.code == 1
    assert "Git knows no revision nowhere [revision-unknown]" in result.out


@pytest.mark.parametrize("interval", ["0s", "soon", "-1", "5d"])
def test_an_invalid_interval_is_refused(interval, small, mlgit):
    result = mlgit("reconcile", f"--interval={interval}", cwd=small)
    assert result.code == 1
    assert f"{interval} is not a duration" in result.err
