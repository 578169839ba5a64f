"""mlgit reconcile: it follows a branch of a remote and applies what it finds there, whatever happens meanwhile."""

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


def test_one_turn_applies_what_the_remote_has_and_leaves_what_is_checked_out(site, mlgit):
    pushed = site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    write(site.clone, {"data/numbers.csv": "n\n99\n", "notes.txt": "mine\n"})
    git(site.clone, "add", "notes.txt")
    site.hold()
    before = git(site.clone, "status", "--porcelain"), git(site.clone, "rev-parse", "HEAD")
    ended = mlgit("reconcile", "--once", cwd=site.clone)
    assert (ended.code, ended.err) == (0, "")
    assert f"origin/main is at {pushed[:10]}" in ended.out
    assert "done    first run of job/sum" in ended.out
    assert (git(site.clone, "status", "--porcelain"), git(site.clone, "rev-parse", "HEAD")) == before
    site.let_go()
    until(lambda: site.executions() and runs(site, mlgit)[0]["status"] == "completed")
    ended = mlgit("reconcile", "--once", cwd=site.clone)
    assert "done    model/total: version 1" in ended.out
    quiet = mlgit("reconcile", "--once", cwd=site.clone)
    assert (quiet.code, len(quiet.out.splitlines())) == (0, 1)
    assert site.executions() == 1
    assert mlgit("plan", "--ref", "origin/main", "--detailed-exitcode", cwd=site.clone).code == 0


def test_what_is_pushed_is_applied_and_what_runs_is_brought_to_its_end(site, controller):
    going = controller()
    going.says("model/total: version 1")
    pushed = site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    going.says(f"origin/main is at {pushed[:10]}")
    going.says("new run of job/sum because inputs.factor 2 -> 3")
    going.says("model/total: new version 2")
    assert going.end() == 0
    assert site.executions() == 2


def test_a_network_that_is_gone_is_told_once_and_work_goes_on_when_it_is_back(site, controller):
    going = controller()
    going.says("model/total: version 1")
    site.bare.rename(site.here / "away.git")
    going.says("[remote-unreachable]")
    turns = 4 * 0.3
    with pytest.raises(AssertionError, match="did not happen"):
        until(lambda: going.counted("[remote-unreachable]") > 1, turns)
    (site.here / "away.git").rename(site.bare)
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    going.says("model/total: new version 2")
    assert going.end() == 0
    assert going.counted("[remote-unreachable]") == 1


def test_a_broken_commit_is_told_once_and_what_ran_before_is_brought_to_its_end(site, controller):
    site.hold()
    going = controller()
    going.says("done    first run of job/sum")
    broken = site.edit("jobs/sum.yml", "command:", "comand:")
    assert "jobs/sum.yml:" in going.says("[unknown-field]")
    site.let_go()
    going.says("model/total: version 1")
    site.edit("jobs/sum.yml", "comand:", "command:")
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    going.says("model/total: new version 2")
    assert going.end() == 0
    assert going.counted("[unknown-field]") == 1
    assert going.counted(f"origin/main is at {broken[:10]}") == 1


def test_a_machine_that_misbehaves_does_not_end_it(site, controller):
    in_the_way = site.clone / ".git/mlgit"
    in_the_way.write_text("a file where a folder should be\n")
    going = controller()
    going.says("[turn-broken-off]")
    in_the_way.unlink()
    going.says("model/total: version 1")
    assert going.end() == 0
    assert going.counted("[turn-broken-off]") == 1


def test_a_superseded_run_is_canceled_unasked_where_mlgit_yml_says_so(site, mlgit):
    site.hold()
    site.edit("mlgit.yml", "store: {", "on_supersede: cancel\nstore: {")
    assert mlgit("reconcile", "--once", cwd=site.clone).code == 0
    until(site.executions)
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    ended = mlgit("reconcile", "--once", cwd=site.clone)
    assert (ended.code, "done    job/sum: cancel run sum-" in ended.out) == (0, True), ended.out
    old, new = runs(site, mlgit)
    assert (old["status"], old["failure"], new["status"] == "canceled") == ("canceled", "superseded", False)


def test_sigterm_lets_a_run_go_on_and_the_next_controller_records_it(site, controller, mlgit):
    site.hold()
    going = controller()
    going.says("done    first run of job/sum")
    until(site.executions)
    assert going.end(signal.SIGTERM) == 0
    assert [run["status"] for run in runs(site, mlgit)] == ["running"]
    site.let_go()
    until(lambda: runs(site, mlgit)[0]["status"] == "completed")
    assert "model/total: version 1" in mlgit("reconcile", "--once", cwd=site.clone).out
    assert site.executions() == 1


def test_ctrl_c_ends_it_with_130(site, controller):
    going = controller()
    going.says("done    first run of job/sum")
    assert going.end(signal.SIGINT) == 130


def test_two_controllers_do_nothing_twice(site, controller, mlgit):
    both = controller(), controller()
    until(lambda: sum(each.counted("done    model/total: version 1") for each in both), 60)
    site.edit("jobs/sum.yml", "factor: 2", "factor: 3")
    until(lambda: sum(each.counted("done    model/total: new version 2") for each in both), 60)
    assert [each.end() for each in both] == [0, 0]
    assert site.executions() == 2
    for each in (
        "data/numbers: version 1",
        "first run of job/sum",
        "model/total: version 1",
        "model/total: new version 2",
    ):
        assert sum(going.counted(f"done    {each}") for going in both) == 1
    assert mlgit("reconcile", "--once", cwd=site.clone).code == 0


def test_two_controllers_of_two_clones_share_a_live_state_and_do_nothing_twice(site, controller, mlgit):
    config = textwrap.dedent(f"""
        state: {{name: small, lineage: "11111111111111111111111111111111", remote: origin}}
        store: {{path: "{site.here}/store", host: {host_name()}}}
        backends: {{local: {{type: local, host: {host_name()}}}}}
        compute: {{"*": local}}
        """)
    site.push({"mlgit.yml": config})
    git(site.clone, "pull", "--quiet")
    git(site.here, "clone", "--quiet", "bare.git", "other")
    both = controller(), controller(cwd=site.here / "other")
    until(lambda: sum(each.counted("done    model/total: version 1") for each in both), 60)
    assert [each.end() for each in both] == [0, 0]
    assert site.executions() == 1
    for each in ("data/numbers: version 1", "first run of job/sum", "model/total: version 1"):
        assert sum(going.counted(f"done    {each}") for going in both) == 1


def test_a_failed_run_is_said_once_and_not_tried_again(site, controller, mlgit):
    site.script("sys.exit(3)")
    site.push()
    going = controller()
    going.says("done    job/sum: run")
    site.push({"notes.txt": "a newer commit does not make it better\n"})
    going.says("origin/main is at", times=2)
    assert going.end() == 0
    assert site.executions() == 1
    assert [run["status"] for run in runs(site, mlgit)] == ["failed"]


def test_a_program_reads_the_stream_of_events(site, mlgit):
    ended = mlgit("reconcile", "--once", "--format", "json", cwd=site.clone)
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["address"] for each in told if each["type"] == "action-done"][:2] == [
        "workspace/small",
        "data/numbers",
    ]
    turn = next(each for each in told if each["type"] == "turn-ended")
    assert (turn["failed"], turn["stopped"], turn["commit"]) == (0, 0, git(site.author, "rev-parse", "HEAD"))
    assert turn["done"] == sum(each["type"] == "action-done" for each in told)
    assert told[-1]["exit_code"] == 0
    schema = Draft202012Validator(json.loads((data_folder("schemas") / "event.schema.json").read_text()))
    assert [error for each in told for error in schema.iter_errors(each)] == []


def test_a_local_branch_is_followed_where_no_remote_is(small, mlgit):
    ended = mlgit("reconcile", "--once", cwd=small)
    assert ended.code == 0
    assert f"HEAD is at {git(small, 'rev-parse', 'HEAD')[:10]}" in ended.out


def test_a_ref_that_is_not_there_ends_one_turn_with_1(small, mlgit):
    ended = mlgit("reconcile", "--once", "--ref", "nowhere", cwd=small)
    assert ended.code == 1
    assert "Git knows no revision nowhere [revision-unknown]" in ended.out


@pytest.mark.parametrize("interval", ["0s", "soon", "-1", "5d"])
def test_an_interval_that_is_none_is_refused(interval, small, mlgit):
    ended = mlgit("reconcile", f"--interval={interval}", cwd=small)
    assert ended.code == 1
    assert f"{interval} is not a duration" in ended.err
