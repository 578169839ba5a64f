"""Bounds of the controller: decisions that need a person are reported once, and the rest is done."""

from __future__ import annotations

import json
import os
import signal
import textwrap

import pytest
from workspaces import APPLY, SMALL, git, has_ended, until

from reconciler.controller.loop import backoff_seconds

pytestmark = pytest.mark.slow

NUMBERS = SMALL["data/numbers.csv"].encode()
CONFIG = textwrap.dedent(SMALL["mlgit.yml"])
DATA = """
$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
name: d{}
type: uri_file
path: numbers.csv
"""


def reconcile(site, mlgit):
    return mlgit("reconcile", "--once", cwd=site.clone)


def runs(site, mlgit):
    return json.loads(mlgit("job", "list", "--format", "json", cwd=site.clone).out)


def records(site, mlgit):
    return {record["address"]: record for record in json.loads(mlgit("status", "--format", "json", cwd=site.clone).out)}


def apply_all(site, mlgit):
    """Apply everything, wait for the run, and record it."""
    reconcile(site, mlgit)
    until(lambda: runs(site, mlgit)[0]["status"] == "completed")
    assert reconcile(site, mlgit).code == 0


def kill_supervisor(site):
    """Kill the supervisor of the newest run."""
    path = max(site.clone.glob(".mlgit/store/runs/*/supervisor.json"), key=lambda path: path.stat().st_mtime_ns)
    until(path.with_name("command.json").exists)
    supervisor = json.loads(path.read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: has_ended(supervisor))


def test_runs_over_the_limit_are_left_out_and_everything_else_is_done(site, mlgit):
    site.push({"mlgit.yml": CONFIG + "limits: {submit: 0}\n"})
    result = reconcile(site, mlgit)
    assert result.code == 1
    assert "this plan starts 1 run; limits: submit: is 0 [too-many-runs]" in result.out
    assert "done    environment/plain: version 1" in result.out
    assert (site.executions(), "job/sum" in records(site, mlgit)) == (0, False)


def test_a_decision_that_is_left_out_is_reported_once(site, controller):
    site.push({"mlgit.yml": CONFIG + "limits: {submit: 0}\n"})
    running = controller()
    running.wait_for("[too-many-runs]")
    site.push({"notes.txt": "newer\n"})
    running.wait_for("origin/main is at", times=2)
    site.push({"notes.txt": "newest\n"})
    running.wait_for("origin/main is at", times=3)
    assert running.stop() == 0
    assert running.count("[too-many-runs]") == 1


def test_a_run_that_is_lost_repeatedly_is_started_up_to_runs_per_day(site, mlgit):
    site.push({"mlgit.yml": CONFIG + "limits: {runs_per_day: 2}\nretries: 9\n"})
    site.hold_runs()
    for attempt in (1, 2):
        assert "run sum-" in reconcile(site, mlgit).out
        until(lambda: site.executions() == attempt)  # noqa: B023 - called in this iteration
        kill_supervisor(site)
    result = reconcile(site, mlgit)
    assert result.code == 1
    assert "job/sum was started 2 times within a day from this commit" in result.out
    assert "[runs-per-day]" in result.out
    assert site.executions() == 2
    site.push({"notes.txt": "a new commit\n"})
    reconcile(site, mlgit)
    until(lambda: site.executions() == 3)


def test_a_rolled_back_commit_waits_for_a_newer_one(site, mlgit):
    apply_all(site, mlgit)
    before = git(site.author, "rev-parse", "HEAD")
    unwanted = site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: unwanted")
    assert "data/numbers" in reconcile(site, mlgit).out
    git(site.clone, "fetch", "--quiet")
    assert mlgit("rollback", before, "--auto-approve", cwd=site.clone).code == 0
    result = reconcile(site, mlgit)
    assert result.code == 1
    assert f"rolled back from {unwanted[:10]}" in result.out
    assert "done" not in result.out
    site.edit("data/numbers.yml", "unwanted", "wanted")
    result = reconcile(site, mlgit)
    assert result.code == 0
    assert "done    data/numbers" in result.out


def test_a_rewound_branch_decides_nothing_and_runs_are_still_recorded(site, mlgit):
    before = git(site.author, "rev-parse", "HEAD")
    site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: newer")
    site.hold_runs()
    reconcile(site, mlgit)
    site.release_runs()
    until(lambda: runs(site, mlgit)[0]["status"] == "completed")
    git(site.author, "reset", "--quiet", "--hard", before)
    site.push({"notes.txt": "another history\n"})
    result = reconcile(site, mlgit)
    assert result.code == 1
    assert "[apply-rewinds]" in result.out
    assert "done    model/total: version 1" in result.out
    assert "done    data/numbers" not in result.out


def test_protected_assets_stay_and_the_rest_is_done(site, mlgit):
    site.push({"mlgit.yml": CONFIG + "protect: [model/*]\n"})
    apply_all(site, mlgit)
    (site.author / "models/total.yml").unlink()
    site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: newer")
    result = reconcile(site, mlgit)
    assert result.code == 1
    assert "model/total is protected" in result.out
    assert "done    data/numbers" in result.out
    assert records(site, mlgit)["model/total"]["state"] == "live"


def test_a_mass_delete_is_left_out_and_the_rest_is_done(site, mlgit):
    extra = {f"data/d{number}.yml": DATA.format(number) for number in range(8)}
    site.push(extra)
    apply_all(site, mlgit)
    for name in extra:
        (site.author / name).unlink()
    site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: newer")
    result = reconcile(site, mlgit)
    assert result.code == 1
    assert "[mass-delete]" in result.out
    assert "done    data/numbers" in result.out
    assert {records(site, mlgit)[f"data/d{number}"]["state"] for number in range(8)} == {"live"}


def test_nothing_is_left_to_do_after_another_apply(site, mlgit):
    assert mlgit(*APPLY, cwd=site.clone).code == 0
    result = reconcile(site, mlgit)
    assert (result.code, "done" in result.out) == (0, False)
    assert site.executions() == 1


def test_pauses_grow_with_failures_up_to_ten_intervals():
    assert backoff_seconds(60, 0) == 60
    assert 30 <= backoff_seconds(60, 1) <= 60
    assert 60 <= backoff_seconds(60, 2) <= 120
    assert all(300 <= backoff_seconds(60, failures) <= 600 for failures in (5, 50, 5000))


@pytest.mark.parametrize("policy", ["repair", "warn"])
def test_drift_is_repaired_or_reported_as_mlgit_yml_says(policy, site, mlgit):
    site.push({"mlgit.yml": CONFIG + f"drift: {{data: {policy}}}\n"})
    apply_all(site, mlgit)
    lost = next(
        path for path in site.clone.glob(".mlgit/store/**/*") if path.is_file() and path.read_bytes() == NUMBERS
    )
    lost.chmod(0o600)
    lost.unlink()
    result = reconcile(site, mlgit)
    assert result.code == 0
    assert "data/numbers" in result.out
    assert lost.exists() == (policy == "repair")
