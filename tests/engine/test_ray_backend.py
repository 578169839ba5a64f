"""Jobs on a Ray cluster whose nodes share no disk with mlgit but for one folder, by whole commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from engine.changed_folder import assert_a_run_goes_on
from services.ssh_node import PYTHON
from workspaces import APPLY, commit, edit, put_pipeline, until, write

from reconciler.runner.descendants import find_marked

pytestmark = [pytest.mark.slow, pytest.mark.services]
_BOUND = "secrets: {ray-token: {from: 'file:.secrets/token', for: [backend/cluster], fields: [/token]}}\n"


@pytest.fixture
def disk(ray_cluster, tmp_path_factory):
    """The folder that the nodes see."""
    return tmp_path_factory.mktemp("disk") / "mlgit"


@pytest.fixture
def folder(small, ray_cluster, disk):
    """The small workspace, which the nodes do not see, with its job on the cluster."""
    cluster = f"{{type: ray, address: '{ray_cluster.address}', folder: {disk}, python: {PYTHON}, cpus: 1}}"
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", f"{_BOUND}backends: {{cluster: {cluster}}}")
    edit(small, "mlgit.yml", '"*": local', '"*": cluster')
    write(small, {".gitignore": ".secrets\n.mlgit\n", ".secrets/token": ray_cluster.token})
    commit(small)
    ray_cluster.hide(small)
    return small


def test_a_job_runs_on_the_cluster_and_its_output_becomes_a_model(folder, ray_cluster, disk, mlgit, run_json):
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
    search = ["grep", "-rlF", ray_cluster.token, str(folder), str(disk)]
    written = subprocess.run(search, capture_output=True, text=True, check=False)
    assert written.stdout.split() == [str(folder / ".secrets/token")]


def test_a_step_of_a_pipeline_runs_on_the_cluster(folder, disk, mlgit, run_json):
    put_pipeline(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert run_json(folder, "job", "list")[0]["status"] == "completed"
    (log,) = disk.glob("runs/*/user_logs/std_log.txt")
    assert log.read_text() == "one step\n"


def test_a_run_goes_on_where_it_was_submitted_if_the_folder_of_its_backend_changes(folder, disk, mlgit, run_json):
    assert_a_run_goes_on(folder, disk, mlgit, run_json)


def test_an_apply_that_was_killed_is_resumed_and_its_run_is_executed_once(folder, disk, mlgit, mlgit_process, run_json):
    edit(folder, "src/sum.py", "import pathlib, sys\n", "import pathlib, sys, time\ntime.sleep(3)\n")
    commit(folder)
    process = mlgit_process(*APPLY, cwd=folder)
    until(lambda: list(disk.glob("runs/sum-*/job.json")))
    process.kill()
    process.communicate()
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    (run,) = run_json(folder, "job", "list")
    assert (run["status"], [path.name for path in disk.glob("runs/*")]) == ("completed", [run["run"]])
    assert mlgit("job", "logs", "sum", cwd=folder).out == "total 6\n"


def test_status_says_that_ray_cannot_be_reached_and_cancel_leaves_no_process(
    folder, ray_cluster, disk, mlgit, run_json
):
    edit(
        folder,
        "src/sum.py",
        "import pathlib, sys\n",
        "import pathlib, subprocess, sys, time\nsubprocess.Popen(['setsid', 'sleep', '300'])\ntime.sleep(300)\n",
    )
    commit(folder)
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0  # it does not wait
    (run,) = run_json(folder, "job", "list")
    files = disk / "runs" / run["run"]
    until(lambda: len(find_marked(files)) >= 2)
    ray_cluster.cut()
    try:
        status = mlgit("status", cwd=folder)
        assert status.code == 0
        assert f"Ray at {ray_cluster.address} does not answer: Connection refused" in status.out + status.err
    finally:
        ray_cluster.join()
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0
    until(lambda: not find_marked(files))
    until(lambda: run_json(folder, "job", "list")[0]["status"] == "canceled")


def test_what_no_node_has_is_refused_with_what_there_is_until_it_is_corrected(folder, mlgit):
    edit(folder, "mlgit.yml", "cpus: 1}", "cpus: 64}")
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1
    printed = ended.out + ended.err
    assert "job/sum asks for 64 CPUs, and no node of the Ray cluster has that" in printed
    assert "of its 2 nodes none has more than 2 CPUs and " in printed
    edit(folder, "mlgit.yml", "cpus: 64}", "cpus: 1}")
    commit(folder)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 0, ended.out + ended.err


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
        ("address: head:8265", "the address of a dashboard, such as http://head.example.com:8265"),
        ("address: 'http://ml:word@head:8265'", "the address of a dashboard, such as http://head.example.com:8265"),
        ("memory: 16", "this must be a string, not 16"),
        ("user: ml", "the field machine is missing in cluster, which user needs"),
        ("max_workers: 4", "unknown field max_workers in cluster"),
    ],
)
def test_a_setting_that_is_wrong_is_an_error_at_its_line(folder, mlgit, setting, message):
    text = Path(folder / "mlgit.yml").read_text()
    old = text[text.index("address:") : text.index(", folder:")] if setting.startswith("address") else "cpus: 1"
    edit(folder, "mlgit.yml", old, setting)
    commit(folder)
    planned = mlgit("plan", cwd=folder)
    printed = planned.out + planned.err
    assert planned.code == 1, printed
    assert "mlgit.yml:" in printed
    assert message in printed
    assert "word" not in printed.replace("password", "")
