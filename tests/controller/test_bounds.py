"""What a controller does not decide unasked: it says so once, and goes on with the rest."""

from __future__ import annotations

import json
import os
import signal
import textwrap

import pytest
from workspaces import APPLY, SMALL, git, gone, until

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
    return {load["address"]: load for load in json.loads(mlgit("status", "--format", "json", cwd=site.clone).out)}


def all_done(site, mlgit):
    """Have everything applied, the run and what it made too."""
    reconcile(site, mlgit)
    until(lambda: runs(site, mlgit)[0]["status"] == "completed")
    assert reconcile(site, mlgit).code == 0


def lose(site):
    """Kill what looks after the newest run, and the run."""
    noted = max(site.clone.glob(".mlgit/store/runs/*/supervisor.json"), key=lambda path: path.stat().st_mtime_ns)
    until(noted.with_name("command.json").exists)
    supervisor = json.loads(noted.read_text())["pid"]
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: gone(supervisor))


def test_runs_over_the_limit_are_left_and_everything_else_is_done(site, mlgit):
    site.push({"mlgit.yml": CONFIG + "limits: {submit: 0}\n"})
    ended = reconcile(site, mlgit)
    assert ended.code == 1
    assert "this plan starts 1 run; limits: submit: is 0 [too-many-runs]" in ended.out
    assert "done    environment/plain: version 1" in ended.out
    assert (site.executions(), "job/sum" in records(site, mlgit)) == (0, False)


def test_what_a_controller_must_not_do_is_said_once(site, controller):
    site.push({"mlgit.yml": CONFIG + "limits: {submit: 0}\n"})
    going = controller()
    going.says("[too-many-runs]")
    site.push({"notes.txt": "newer\n"})
    going.says("origin/main is at", times=2)
    site.push({"notes.txt": "newest\n"})
    going.says("origin/main is at", times=3)
    assert going.end() == 0
    assert going.counted("[too-many-runs]") == 1


def test_a_run_that_is_lost_again_and_again_is_started_so_many_times_a_day(site, mlgit):
    site.push({"mlgit.yml": CONFIG + "limits: {runs_per_day: 2}\nretries: 9\n"})
    site.hold()
    for attempt in (1, 2):
        assert "run sum-" in reconcile(site, mlgit).out
        until(lambda: site.executions() == attempt)  # noqa: B023 - called before the next turn
        lose(site)
    ended = reconcile(site, mlgit)
    assert ended.code == 1
    assert "job/sum was started 2 times within a day from this commit" in ended.out
    assert "[runs-per-day]" in ended.out
    assert site.executions() == 2
    site.push({"notes.txt": "a new commit\n"})
    reconcile(site, mlgit)
    until(lambda: site.executions() == 3)


def test_what_was_rolled_back_waits_for_a_newer_commit(site, mlgit):
    all_done(site, mlgit)
    before = git(site.author, "rev-parse", "HEAD")
    unwanted = site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: unwanted")
    assert "data/numbers" in reconcile(site, mlgit).out
    git(site.clone, "fetch", "--quiet")
    assert mlgit("rollback", before, "--auto-approve", cwd=site.clone).code == 0
    ended = reconcile(site, mlgit)
    assert ended.code == 1
    assert f"rolled back from {unwanted[:10]}" in ended.out
    assert "done" not in ended.out
    site.edit("data/numbers.yml", "unwanted", "wanted")
    ended = reconcile(site, mlgit)
    assert ended.code == 0
    assert "done    data/numbers" in ended.out


def test_a_branch_that_goes_back_decides_nothing_and_runs_are_still_recorded(site, mlgit):
    before = git(site.author, "rev-parse", "HEAD")
    site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: newer")
    site.hold()
    reconcile(site, mlgit)
    site.let_go()
    until(lambda: runs(site, mlgit)[0]["status"] == "completed")
    git(site.author, "reset", "--quiet", "--hard", before)
    site.push({"notes.txt": "another history\n"})
    ended = reconcile(site, mlgit)
    assert ended.code == 1
    assert "[apply-rewinds]" in ended.out
    assert "done    model/total: version 1" in ended.out
    assert "done    data/numbers" not in ended.out


def test_what_is_protected_stays_and_the_rest_is_done(site, mlgit):
    site.push({"mlgit.yml": CONFIG + "protect: [model/*]\n"})
    all_done(site, mlgit)
    (site.author / "models/total.yml").unlink()
    site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: newer")
    ended = reconcile(site, mlgit)
    assert ended.code == 1
    assert "model/total is protected" in ended.out
    assert "done    data/numbers" in ended.out
    assert records(site, mlgit)["model/total"]["state"] == "live"


def test_most_of_everything_is_not_removed_unasked(site, mlgit):
    extra = {f"data/d{number}.yml": DATA.format(number) for number in range(8)}
    site.push(extra)
    all_done(site, mlgit)
    for name in extra:
        (site.author / name).unlink()
    site.edit("data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: newer")
    ended = reconcile(site, mlgit)
    assert ended.code == 1
    assert "[mass-delete]" in ended.out
    assert "done    data/numbers" in ended.out
    assert {records(site, mlgit)[f"data/d{number}"]["state"] for number in range(8)} == {"live"}


def test_what_another_apply_has_done_meanwhile_is_nothing_to_do(site, mlgit):
    assert mlgit(*APPLY, cwd=site.clone).code == 0
    ended = reconcile(site, mlgit)
    assert (ended.code, "done" in ended.out) == (0, False)
    assert site.executions() == 1


def test_pauses_grow_with_failures_up_to_ten_intervals():
    assert backoff_seconds(60, 0) == 60
    assert 30 <= backoff_seconds(60, 1) <= 60
    assert 60 <= backoff_seconds(60, 2) <= 120
    assert all(300 <= backoff_seconds(60, failures) <= 600 for failures in (5, 50, 5000))


@pytest.mark.parametrize("way", ["repair", "warn"])
def test_what_has_drifted_is_healed_or_said_as_mlgit_yml_wants(way, site, mlgit):
    site.push({"mlgit.yml": CONFIG + f"drift: {{data: {way}}}\n"})
    all_done(site, mlgit)
    lost = next(
        path for path in site.clone.glob(".mlgit/store/**/*") if path.is_file() and path.read_bytes() == NUMBERS
    )
    lost.chmod(0o600)
    lost.unlink()
    ended = reconcile(site, mlgit)
    assert ended.code == 0
    assert "data/numbers" in ended.out
    assert lost.exists() == (way == "repair")
