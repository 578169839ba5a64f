"""Jobs on a Slurm cluster whose nodes share no disk with mlgit but for one folder, by whole commands."""

from __future__ import annotations

import json

import pytest
from engine.changed_folder import assert_a_run_goes_on
from services.ssh_node import PYTHON
from workspaces import APPLY, commit, edit, put_pipeline, until

from reconciler.runner.descendants import find_marked

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def disk(slurm, tmp_path_factory):
    """The folder that the nodes see."""
    return tmp_path_factory.mktemp("disk") / "mlgit"


@pytest.fixture
def folder(small, slurm, disk):
    """The small workspace, which the nodes do not see, with its job on the cluster."""
    cluster = f"{{type: slurm, folder: {disk}, python: {PYTHON}, partition: one}}"
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", f"backends: {{cluster: {cluster}}}")
    edit(small, "mlgit.yml", '"*": local', '"*": cluster')
    commit(small)
    slurm.hide(small)
    return small


def test_a_job_runs_on_the_cluster_and_its_output_becomes_a_model(folder, disk, mlgit, run_json):
    edit(
        folder, "src/sum.py", "import pathlib, sys\n", f"import os, pathlib, sys\nprint(os.listdir({str(folder)!r}))\n"
    )
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 0, planned.out + planned.err
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert "model/total: version 1 from run sum-" in ended.out
    assert mlgit("job", "logs", "sum", cwd=folder).out == "[]\ntotal 6\n"  # the folder is hidden from the job
    (run,) = run_json(folder, "job", "list")
    assert (run["status"], run["backend"]) == ("completed", "cluster")
    assert "No changes" in mlgit("plan", cwd=folder).out
    assert (disk / "runs" / run["run"]).is_dir()


def test_what_a_run_waits_for_is_in_the_status_and_cancel_takes_it_from_the_queue(folder, slurm, disk, mlgit, run_json):
    blocker = disk.parent / "blocker.sh"
    blocker.write_text("#!/bin/sh\nsleep 300\n")
    slurm.run("sbatch", "--partition=one", "--output=/dev/null", str(blocker))
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    until(lambda: "waits for resources that are in use (Resources)" in mlgit("status", cwd=folder).out)
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0
    (run,) = run_json(folder, "job", "list")
    assert run["status"] == "canceled"
    assert len(slurm.jobs()) == 1


def test_a_run_whose_node_is_killed_is_repeated_as_the_second_attempt(folder, slurm, disk, mlgit, run_json):
    edit(folder, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(5)\n")
    commit(folder)
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    (run,) = run_json(folder, "job", "list")
    files = disk / "runs" / run["run"]
    until((files / "command.json").exists)
    for process in find_marked(files):
        slurm.kill_node("n2", process)
    until(lambda: ("job/sum", "lost") in [(row["address"], row["state"]) for row in run_json(folder, "status")])
    slurm.start_node("n2")
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    runs = run_json(folder, "job", "list")
    assert sorted(run["status"] for run in runs) == ["completed", "lost"]
    printed = mlgit("job", "list", cwd=folder).out
    assert "its node failed" in printed
    assert "attempt 2" in printed


def preempt(slurm, disk, job):
    """Let a job that has a higher priority take the node of another one."""
    urgent = disk.parent / "urgent.sh"
    urgent.write_text("#!/bin/sh\n")
    slurm.run("sbatch", "--partition=urgent", "--output=/dev/null", str(urgent))


def requeue(slurm, disk, job):
    """Requeue a job, which was submitted with --no-requeue, as who runs the cluster can."""
    slurm.run("scontrol", "update", f"jobid={job}", "requeue=1")
    slurm.run("scontrol", "requeue", job)


@pytest.mark.parametrize(
    ("lose", "message"),
    [(preempt, "it was preempted by another job"), (requeue, "its job was requeued, and is not begun again")],
)
def test_a_run_that_slurm_takes_from_its_node_is_repeated_as_the_second_attempt(  # noqa: PLR0913, PLR0917 - fixtures
    folder, slurm, disk, mlgit, run_json, lose, message
):
    waiting = f"while not pathlib.Path({str(disk / 'go')!r}).exists(): time.sleep(0.1)\n"
    edit(folder, "src/sum.py", "import pathlib, sys\n", f"import pathlib, sys, time\n{waiting}")
    commit(folder)
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    (run,) = run_json(folder, "job", "list")
    files = disk / "runs" / run["run"]
    until((files / "command.json").exists)
    lose(slurm, disk, json.loads((files / "job.json").read_text())["job"])
    until(lambda: ("job/sum", "lost") in [(row["address"], row["state"]) for row in run_json(folder, "status")])
    (disk / "go").touch()
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    runs = run_json(folder, "job", "list")
    assert sorted((run["attempt"], run["status"]) for run in runs) == [(1, "lost"), (2, "completed")]
    printed = mlgit("job", "list", cwd=folder).out
    assert message in printed
    assert "attempt 2" in printed


def test_a_run_goes_on_where_it_was_submitted_if_the_folder_of_its_backend_changes(folder, disk, mlgit, run_json):
    assert_a_run_goes_on(folder, disk, mlgit, run_json)


def test_what_slurm_refuses_is_said_once_in_its_words(folder, mlgit):
    edit(folder, "mlgit.yml", "partition: one", "partition: absent")
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    printed = ended.out + ended.err
    assert "Slurm refuses job/sum: invalid partition specified: absent" in printed
    assert "correct the settings of the backend cluster in mlgit.yml; the partitions there are: both, main" in printed
    edit(folder, "mlgit.yml", "partition: absent", "partition: one")
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err


def test_what_the_cluster_has_not_is_a_warning_of_the_plan_before_anything_is_submitted(folder, mlgit):
    edit(folder, "jobs/sum.yml", "compute: local\n", "compute: local\nlimits: {timeout: 3600}\n")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 0, planned.out + planned.err
    message = "job/sum: asks for a time limit of 3600 seconds, but the compute local has 3300"
    source = "the partition one ends jobs after 60 minutes, 5 of them for files"
    assert f"warning: {message} ({source}) [compute-too-small]" in planned.err
    edit(folder, "mlgit.yml", "partition: one", "partition: absent, time: 2h")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 0, planned.out + planned.err
    there = "main, both, one, urgent"
    message = f"warning: job/sum: cluster: Slurm has no partition absent; the partitions there are: {there}"
    assert message in planned.err


def test_what_the_cluster_cannot_do_is_refused_in_the_plan_with_its_position(folder, mlgit):
    edit(folder, "jobs/sum.yml", "compute: local\n", "compute: local\nresources: {instance_count: 2}\n")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    printed = planned.out + planned.err
    assert "jobs/sum.yml:" in printed
    assert "more need distribution: pytorch, tensorflow, mpi or ray" in printed
    assert mlgit(*APPLY, cwd=folder).code == 1


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("time: 2:00:00", "this must be a string, not 7200"),
        ("user: ml", "the field machine is missing in cluster, which user needs"),
        ("nodes: 2", "nodes is not allowed here [field-not-allowed]"),
        ("nodes: 2", "help: write resources.instance_count of a job, which is on how many nodes it runs"),
        ("ntasks_per_node: 4", "help: write distribution.process_count_per_instance of a job"),
        ("gpus: 1", "help: write gres:, such as gres: gpu:2"),
        ("nodlist: n1", "unknown field nodlist in cluster"),
        ("partition: 'a b'", "a name, as sinfo or sacctmgr shows it"),
    ],
)
def test_a_setting_that_is_wrong_is_an_error_at_its_line(folder, mlgit, setting, message):
    old = "partition: one"
    edit(folder, "mlgit.yml", old, setting)
    commit(folder)
    printed = (planned := mlgit("plan", cwd=folder)).out + planned.err
    assert planned.code == 1, printed
    assert "mlgit.yml:" in printed
    assert message in printed


def test_max_instances_of_a_compute_limits_one_run_and_the_plan_says_so(folder, mlgit):
    edit(folder, "jobs/sum.yml", "compute: local\n", "compute: azureml:nodes\n")
    (folder / "compute").mkdir(exist_ok=True)
    (folder / "compute/nodes.yml").write_text("name: nodes\ntype: amlcompute\nsize: big\nmax_instances: 1\n")
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 0, planned.out + planned.err
    limit = "max_instances is the most instances that one run can have; how many runs go on at once, Slurm decides"
    assert f"compute/nodes: {limit} (compute/nodes.yml:4:16)" in planned.out + planned.err
    two = "compute: azureml:nodes\nresources: {instance_count: 2}\ndistribution: {type: pytorch}\n"
    edit(folder, "jobs/sum.yml", "compute: azureml:nodes\n", two)
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    assert planned.code == 1, planned.out + planned.err
    assert "job/sum: asks for 2 instances, but the compute nodes has 1 (max_instances)" in planned.out + planned.err


def test_a_step_of_a_pipeline_runs_on_the_cluster(folder, disk, mlgit, run_json):
    put_pipeline(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    (run,) = run_json(folder, "job", "list")
    assert run["status"] == "completed"
    (log,) = disk.glob("runs/*/user_logs/std_log.txt")
    assert log.read_text() == "one step\n"
