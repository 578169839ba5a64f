"""mlgit job list of all runs: what the local cache remembers of it never differs from the live state."""

from __future__ import annotations

import cProfile
import pstats

import pytest
from workspaces import APPLY, commit, edit, git, put, until, write

pytestmark = pytest.mark.slow

JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: {command}
    environment: azureml:plain@latest
    compute: local
    """
JOBS = {f"jobs/{name}.yml": JOB.format(command=f"echo {name}") for name in ("one", "two", "three", "four")}


@pytest.fixture
def jobs(applied, mlgit):
    """Apply four more jobs, one of which fails."""
    commit(applied, "jobs", {**JOBS, "jobs/fails.yml": JOB.format(command="echo one && echo two && exit 4")})
    assert mlgit(*APPLY, cwd=applied).code == 1
    return applied


def listed(mlgit, folder):
    ended = mlgit("job", "list", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def listed_anew(mlgit, folder):
    """List without the cache."""
    (folder / ".git/mlgit/cache.sqlite").unlink()
    return listed(mlgit, folder)


def count_read_runs(mlgit, folder):
    """Return how many records of runs a list reads."""
    profile = cProfile.Profile()
    profile.runcall(listed, mlgit, folder)
    calls = pstats.Stats(profile).get_stats_profile().func_profiles
    return int(calls["decode_run_summary"].ncalls) if "decode_run_summary" in calls else 0


def test_a_list_from_the_cache_is_the_list_of_the_live_state(jobs, mlgit, golden):
    first = listed_anew(mlgit, jobs)
    golden("cli/job-list/all.txt", "\n".join(sorted(first.splitlines(), reverse=True)) + "\n")
    assert listed(mlgit, jobs) == first
    for command in (("job", "rerun", "sum", "--auto-approve", "--wait"), ("job", "rerun", "two", "--auto-approve")):
        assert mlgit(*command, cwd=jobs).code == 0
        until(lambda: "running" not in (text := listed(mlgit, jobs)) and "queued" not in text)
        assert listed(mlgit, jobs) == listed_anew(mlgit, jobs)
    assert len(listed(mlgit, jobs).splitlines()) == len(first.splitlines()) + 2


def test_a_list_reads_only_the_folders_that_have_changed(jobs, mlgit):
    assert count_read_runs(mlgit, jobs) == 6
    assert count_read_runs(mlgit, jobs) == 0
    assert mlgit("job", "rerun", "sum", "--auto-approve", "--wait", cwd=jobs).code == 0
    assert count_read_runs(mlgit, jobs) in {2, 3, 4}  # those of its folder, in which another job may be
    assert count_read_runs(mlgit, jobs) == 0


def test_the_status_of_a_run_that_has_not_ended_is_never_from_the_cache(small, mlgit, tmp_path):
    go = tmp_path / "go"
    commit(small, "waits", {"jobs/waits.yml": JOB.format(command=f"while ! test -e {go}; do sleep 0.02; done")})
    assert mlgit("apply", "--auto-approve", cwd=small).code == 0
    until(lambda: listed(mlgit, small).count("completed") == 1)
    until(lambda: listed(mlgit, small).count("running") == 1)
    go.touch()
    until(lambda: listed(mlgit, small).count("completed") == 2)
    assert mlgit("apply", cwd=small).code == 0
    assert listed(mlgit, small).count("completed") == 2


def test_the_runs_of_a_renamed_job_are_listed_with_it_and_those_of_an_older_state_are_not(jobs, mlgit):
    before = listed(mlgit, jobs)
    git(jobs, "mv", "jobs/one.yml", "jobs/renamed.yml")
    text = (jobs / "mlgit.yml").read_text("utf-8")
    write(jobs, {"mlgit.yml": text + "moved: [{from: job/jobs/one, to: job/jobs/renamed}]\n"})
    commit(jobs, "rename")
    assert mlgit(*APPLY, cwd=jobs).code == 1  # jobs/fails has failed
    assert sorted(listed(mlgit, jobs).splitlines()) == sorted(before.splitlines())
    assert listed(mlgit, jobs) == listed_anew(mlgit, jobs)
    assert mlgit("state", "restore", "~2", "--auto-approve", cwd=jobs).code == 0
    assert listed(mlgit, jobs) == listed_anew(mlgit, jobs)
    _, older = listed(mlgit, jobs).splitlines()[1:]
    assert older.split() in [line.split() for line in before.splitlines() if line.startswith("  sum-")]


def test_a_target_has_a_list_of_its_own(jobs, mlgit):
    edit(jobs, "mlgit.yml", "store:", "targets: {other: {}}\nstore:")
    commit(jobs, "target")
    listed(mlgit, jobs)
    assert mlgit("job", "list", "--target", "other", cwd=jobs).out == "There are no runs yet.\n"
    assert listed(mlgit, jobs) == listed_anew(mlgit, jobs)


@pytest.mark.parametrize("path", ["history/job/ab/sum/ab/x.json", "current/ab/job/x.json"])
def test_a_damaged_record_is_an_error_whatever_the_cache_has(jobs, mlgit, path):
    listed(mlgit, jobs)
    put(jobs, path, {"nothing": 1})
    for _ in range(2):
        ended = mlgit("job", "list", cwd=jobs)
        assert (ended.code, ended.out, "[state-corrupt]" in ended.err) == (1, "", True)
