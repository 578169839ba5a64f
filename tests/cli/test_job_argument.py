"""The argument JOB: every `mlgit job` command takes a job by its name, its last part or its file, or a run."""

from __future__ import annotations

import re
import shutil

import pytest
from workspaces import commit, git, write

pytestmark = pytest.mark.slow

JOB = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: echo {text}
    environment: azureml:plain@latest
    compute: local
    """
JOBS = {
    "jobs/train.yml": JOB.format(text="train"),
    "a/eval.yml": JOB.format(text="a"),
    "b/eval.yml": JOB.format(text="b"),
    "deep/er/last.yml": JOB.format(text="last"),
}


@pytest.fixture(scope="module")
def _jobs(tmp_path_factory, _quiet_git, _applied):
    folder = shutil.copytree(_applied, tmp_path_factory.mktemp("jobs") / "small")
    commit(folder, "jobs", JOBS)
    return folder


@pytest.fixture
def jobs(_jobs, mlgit):
    """Apply five jobs, once for all tests; none of them changes anything."""
    if "deep/er/last" not in mlgit("list", "job", cwd=_jobs).out:
        assert mlgit("apply", "--auto-approve", "--wait", cwd=_jobs).code == 0
    return _jobs


def run_of(mlgit, folder, job):
    ended = mlgit("job", "show", job, cwd=folder)
    assert ended.code == 0, ended.err
    return re.search(r"(?m)^run: (\S+)$", ended.out)[1]


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("sum", "job/sum"),
        ("job/sum", "job/sum"),
        ("jobs/sum.yml", "job/sum"),
        ("jobs/train", "job/jobs/train"),
        ("job/jobs/train", "job/jobs/train"),
        ("train", "job/jobs/train"),
        ("job/train", "job/jobs/train"),
        ("jobs/train.yml", "job/jobs/train"),
        ("./jobs/../jobs/train.yml", "job/jobs/train"),
        ("last", "job/deep/er/last"),
        ("er/last", "job/deep/er/last"),
        ("a/eval", "job/a/eval"),
    ],
)
def test_a_job_is_found_by_its_name_by_the_end_of_it_and_by_its_file(jobs, mlgit, argument, address):
    assert f"job: {address}\n" in mlgit("job", "show", argument, cwd=jobs).out


@pytest.mark.parametrize("argument", ["train.yml", "../jobs/train.yml", "jobs/train.yml", "{folder}/jobs/train.yml"])
def test_a_file_is_found_from_the_current_folder_that_of_the_workspace_and_by_its_full_path(jobs, mlgit, argument):
    shown = mlgit("job", "show", argument.format(folder=jobs), cwd=jobs / "jobs")
    assert "job: job/jobs/train\n" in shown.out


@pytest.mark.parametrize("command", ["show", "logs", "metrics", "list", "wait"])
def test_every_command_takes_what_another_takes(jobs, mlgit, command):
    run = run_of(mlgit, jobs, "jobs/train")
    outputs = {mlgit("job", command, argument, cwd=jobs) for argument in ("jobs/train", "train", "jobs/train.yml", run)}
    (output,) = outputs
    assert output.code == 0
    assert output.out


@pytest.mark.parametrize("argument", ["jobs/train", "train", "jobs/train.yml", "{run}"])
def test_cancel_and_rerun_take_the_same(jobs, mlgit, tmp_path, argument):
    folder = shutil.copytree(jobs, tmp_path / "copy")
    run = run_of(mlgit, folder, "jobs/train")
    argument = argument.format(run=run)
    canceled = mlgit("job", "cancel", argument, cwd=folder)
    assert f"run {run} is completed: there is nothing to cancel" in canceled.err
    assert mlgit("job", "rerun", argument, "--auto-approve", "--wait", cwd=folder).code == 0
    assert run_of(mlgit, folder, "jobs/train") != run


def test_a_run_is_found_by_its_name_whichever_job_of_that_last_part_has_it(jobs, mlgit):
    runs = {job: run_of(mlgit, jobs, job) for job in ("a/eval", "b/eval")}
    assert all(run.startswith("eval-") for run in runs.values())
    for job, run in runs.items():
        assert f"job: job/{job}\n" in mlgit("job", "show", run, cwd=jobs).out


def test_a_run_is_found_by_its_name_after_its_job_was_renamed(jobs, mlgit, tmp_path):
    folder = shutil.copytree(jobs, tmp_path / "copy")
    run = run_of(mlgit, folder, "jobs/train")
    git(folder, "mv", "jobs/train.yml", "jobs/fit.yml")
    text = (folder / "mlgit.yml").read_text("utf-8")
    write(folder, {"mlgit.yml": text + "moved: [{from: job/jobs/train, to: job/jobs/fit}]\n"})
    commit(folder, "rename")
    assert mlgit("apply", "--auto-approve", "--wait", cwd=folder).code == 0
    assert run_of(mlgit, folder, run) == run
    assert run_of(mlgit, folder, "fit.yml" if (folder / "fit.yml").exists() else "jobs/fit.yml") == run


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("eval", "ambiguous"),
        ("trian", "misspelt"),
        ("jobs/trian.yml", "misspelt-file"),
        ("data/numbers.yml", "other-file"),
        ("sum-00000000", "no-such-run"),
        ("eval-00000000", "no-such-run-of-two-jobs"),
    ],
)
def test_every_command_says_the_same_about_what_it_does_not_know(jobs, mlgit, golden, argument, name):
    for command in ("show", "logs", "metrics", "cancel", "rerun", "list", "wait"):
        ended = mlgit("job", command, argument, cwd=jobs)
        assert (ended.code, ended.out) == (1, "")
        golden(f"cli/job-argument/{name}.txt", ended.err)


def test_a_job_that_is_declared_and_was_not_applied_is_known(small, mlgit, golden):
    ended = mlgit("job", "logs", "sum", cwd=small)
    assert ended.code == 1
    golden("cli/job-argument/not-applied.txt", ended.err)


def test_a_rerun_of_a_job_that_is_only_live_says_that_no_file_declares_it(applied, mlgit, golden):
    text = (applied / "mlgit.yml").read_text("utf-8")
    write(applied, {"mlgit.yml": text + "assets: {exclude: [jobs/, models/]}\n"})
    commit(applied, "exclude")
    ended = mlgit("job", "rerun", "sum", cwd=applied)
    assert ended.code == 1
    golden("cli/job-argument/undeclared.txt", ended.err)


def test_a_rerun_of_a_job_whose_file_is_wrong_shows_what_is_wrong(applied, mlgit):
    commit(applied, "wrong", {"jobs/sum.yml": "name: [\n"})
    ended = mlgit("job", "rerun", "sum", cwd=applied)
    assert ended.code == 1
    assert "jobs/sum.yml:1:1: error: this file declared job/sum when it was applied" in ended.err
