"""What is specific to the backend `slurm`, on a cluster whose nodes see neither the store nor the checkout."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from services.slurm import open_slurm
from services.ssh_node import CHECKOUT, PYTHON, SshNode
from workspaces import until

from reconciler.backends import load_backend
from reconciler.diagnostics import UserError
from reconciler.model import Handle, Phase
from reconciler.model.plugins import BackendContext
from reconciler.model.providers import CANCELED
from reconciler.model.tasks import Image, Resources, TaskOutput

MODEL = {"model": TaskOutput("uri_folder")}
pytestmark = pytest.mark.services


@pytest.fixture(params=["slurm"])
def bench(bench):
    return bench


def job_of(bench, handle):
    """Return the number that Slurm gave a run."""
    return json.loads((bench.folder / "runs" / handle.id / "job.json").read_text())["job"]


def runner_of(bench, task):
    """Return the process of the runner of a run."""
    return json.loads((bench.folder / "tokens" / task.token).read_text())["pid"]


def problem_of(caught):
    return caught.value.diagnostics[0]


def test_the_nodes_see_neither_the_store_nor_the_checkout(bench):
    bench.file("a.csv", "1\n")
    for folder in (bench.store.root, CHECKOUT):
        assert any(folder.iterdir())
        assert bench.cluster.list_folder(folder) == ""


def test_a_run_stands_as_recorded_while_the_controller_is_down_and_is_known_when_it_is_back(bench):
    backend = bench.backend
    ended = bench.submit(bench.task("echo before"))
    bench.wait_until_ended(ended)
    handle = bench.submit(bench.task("echo up; sleep 15; echo down > ${{outputs.model}}/a", outputs=MODEL))
    bench.wait_until_running(handle)
    bench.cluster.stop_controller()
    try:
        until(lambda: backend.poll([handle])[handle].phase is Phase.UNKNOWN)
        conditions = backend.poll([handle, ended])
        assert "does not answer: " in conditions[handle].message
        assert conditions[ended].phase is Phase.SUCCEEDED
        assert bench.log(handle) == "up\n"
        with pytest.raises(UserError) as caught:
            bench.submit(bench.task("true", name="other"))
        assert problem_of(caught).code == "backend-unreachable"
    finally:
        bench.cluster.start_controller()
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    content = backend.collect(handle, bench.store).outputs["model"]
    assert [file.path for file in bench.store.manifest(content)] == ["a"]


def test_a_run_whose_node_was_killed_is_lost_and_not_started_again_by_its_token(bench):
    task = bench.task("echo up; sleep 300")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    commands = bench.processes(handle)
    bench.cluster.kill_node("n1", runner_of(bench, task))
    for process in commands:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.message) == (Phase.GONE, "its node failed")
    assert bench.log(handle) == "up\n"
    assert bench.submit(task) == handle
    assert bench.condition(handle).phase is Phase.GONE


def test_a_run_that_another_job_preempts_is_lost_and_is_not_begun_again_by_slurm(bench):
    bench.settings["partition"] = "one"
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(handle)
    bench.settings["partition"] = "urgent"
    urgent = bench.submit(bench.task("echo urgent", name="urgent"))
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.message) == (Phase.GONE, "it was preempted by another job")
    assert bench.wait_until_ended(urgent).phase is Phase.SUCCEEDED
    assert bench.condition(handle) == condition
    assert bench.log(handle) == "up\n"


def test_a_run_that_was_preempted_is_lost_also_if_slurm_has_forgotten_why_it_ended(bench):
    bench.settings["partition"] = "one"
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(handle)
    bench.settings["partition"] = "urgent"
    bench.wait_until_ended(bench.submit(bench.task("echo urgent", name="urgent")))
    until((bench.folder / "runs" / handle.id / "result.json").exists)
    until(lambda: not bench.cluster.jobs())
    bench.cluster.forget_jobs()
    condition = bench.condition(handle)
    assert (condition.phase, condition.message) == (Phase.GONE, "it was preempted by another job")


def test_a_run_that_can_never_start_says_why_and_can_be_canceled(bench):
    handle = bench.submit(bench.task("true", resources=Resources(timeout=7200)))
    until(lambda: "PartitionTimeLimit" in bench.condition(handle).message)
    condition = bench.condition(handle)
    assert condition.phase is Phase.PENDING
    assert condition.message.startswith("never starts: its time limit is above that of the partition; lower limits.")
    assert bench.backend.cancel(handle)
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    assert condition.result["run"] == handle.id
    assert not bench.backend.cancel(handle)


def test_a_run_never_asks_for_more_time_than_the_backend_allows(bench):
    bench.settings["time"] = "50m"
    handle = bench.submit(bench.task("sleep 1", resources=Resources(timeout=7200)))
    assert bench.cluster.run("squeue", "--noheader", "--format=%l", f"--jobs={job_of(bench, handle)}") == "50:00\n"
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED


def test_a_run_that_slurm_ends_at_its_time_limit_has_failed_by_a_timeout(bench):
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(handle)
    bench.cluster.run("scontrol", "update", f"jobid={job_of(bench, handle)}", "endtime=now")
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.FAILED
    assert condition.result["failure"]["class"] == "timeout"
    assert bench.condition(handle) == condition
    until(lambda: not bench.processes(handle))


def test_a_run_whose_batch_script_is_killed_is_lost_and_leaves_no_process(bench):
    """The cluster has ProctrackType=proctrack/pgid: Slurm sees no process that has a session of its own."""
    task = bench.task("echo up; setsid sleep 301 & sleep 300")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    os.kill(bench.batch_script(handle), signal.SIGKILL)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.GONE
    assert condition.message.startswith("its batch script was killed on its node (")
    until(lambda: not bench.processes(handle))
    until((bench.folder / "runs" / handle.id / "result.json").exists)
    assert bench.condition(handle) == condition


def test_a_run_that_is_canceled_with_scancel_is_canceled(bench):
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(handle)
    bench.cluster.run("scancel", job_of(bench, handle))
    condition = bench.wait_until_ended(handle)
    assert (condition.phase, condition.reason) == (Phase.FAILED, CANCELED)
    until(lambda: not bench.processes(handle))


@pytest.mark.parametrize("settings", [{"nodelist": "n2"}, {"exclude": "n1"}])
def test_a_run_is_on_the_nodes_that_the_settings_name(bench, settings):
    bench.settings |= {"partition": "both", **settings}
    handle = bench.submit(bench.task("echo up; sleep 300"))
    bench.wait_until_running(handle)
    assert bench.cluster.jobs("%N") == ["n2"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"partition": "absent"}, "invalid partition specified: absent"),
        ({"constraint": "a100"}, "Invalid feature specification"),
        ({"gres": "gpu:1"}, "Invalid generic resource (gres) specification"),
        ({"memory": "9G"}, "Memory specification can not be satisfied"),
        ({"nodelist": "absent"}, "Invalid node name specified"),
    ],
)
def test_a_run_that_slurm_refuses_says_why_and_what_there_is(bench, settings, words):
    task = bench.task("true")
    with pytest.raises(UserError) as caught:
        bench.open(**settings).submit(task, bench.store)
    problem = problem_of(caught)
    assert problem.code == "submission-refused"
    assert f"Slurm refuses job/train: {words}" in problem.message
    assert "the partitions there are: both, main, one, urgent" in problem.hint
    assert bench.backend.find(task.token) is None
    assert bench.wait_until_ended(bench.submit(task)).phase is Phase.SUCCEEDED


def test_a_submission_that_was_killed_before_its_note_is_found_by_the_name_of_its_job(bench, tmp_path, monkeypatch):
    sbatch = tmp_path / "bin/sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(f'#!/bin/sh\n/usr/bin/sbatch "$@" > {tmp_path}/jobs\nkill -KILL $PPID\n')
    sbatch.chmod(stat.S_IRWXU)
    compute, *_ = bench.narrow()
    first = bench.submit(bench.task("echo first; sleep 300", name="first", compute=compute))
    bench.wait_until_running(first)
    task = bench.task("echo once", compute=compute)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(sbatch.parent), prepend=":")
        with pytest.raises(UserError):
            bench.submit(task)
    assert (tmp_path / "jobs").read_text().strip().isdecimal()
    handle = bench.backend.find(task.token)
    assert handle == bench.submit(task)
    assert bench.cluster.jobs("%j").count(task.token) == 1
    bench.backend.cancel(first)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED
    assert bench.log(handle) == "once\n"


def test_a_submission_that_another_command_has_begun_is_waited_for_and_not_repeated(bench, tmp_path, monkeypatch):
    """As the program of a command that was killed, and started again, which goes on until sbatch has answered."""
    sbatch = tmp_path / "bin/sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(f'#!/bin/sh\necho called >> {tmp_path}/calls\nsleep 3\nexec /usr/bin/sbatch "$@"\n')
    sbatch.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(sbatch.parent), prepend=":")
    task = bench.task("echo once")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(open_slurm(bench.folder, tmp_path / "notes").submit, task, bench.store)
        until((tmp_path / "calls").exists)
        handle = bench.submit(task)
    assert first.result() == handle
    assert (tmp_path / "calls").read_text() == "called\n"
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED


def test_a_folder_of_any_name_is_used(bench, tmp_path):
    bench.folder = tmp_path / "a %j \"b\" 'c' $(id) #"
    bench.folder.mkdir()
    handle = bench.submit(bench.task("echo up; exit 3"))
    assert bench.wait_until_ended(handle).phase is Phase.FAILED
    assert bench.log(handle) == "up\n"
    assert (bench.folder / "runs" / handle.id / "slurm.log").exists()


def test_a_node_without_the_python_loses_the_run_and_says_so(bench, tmp_path):
    python = tmp_path / "bin/python3"
    python.parent.mkdir()
    python.symlink_to(PYTHON)
    bench.cluster.hide(python.parent)
    handle = bench.open(python=str(python)).submit(bench.task("true"), bench.store)
    condition = bench.wait_until_ended(handle)
    assert condition.phase is Phase.GONE
    words = f"its node has no {python}; set python: of the backend to one that all nodes have"
    assert condition.message.endswith(words)


def test_a_virtual_environment_that_no_node_sees_can_have_the_python_of_the_backend(bench, tmp_path):
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    bench.cluster.hide(tmp_path / "venv")
    backend = bench.open(python=str(tmp_path / "venv/bin/python"))
    handle = backend.submit(bench.task("echo up"), bench.store)
    assert bench.wait_until_ended(handle).phase is Phase.SUCCEEDED


def test_jobs_are_submitted_by_ssh_from_a_machine_of_the_cluster(bench, tmp_path):
    node = SshNode(tmp_path / "sshd", has_network=False, variables=bench.cluster.environment)
    node.start()
    try:
        settings = {"machine": "127.0.0.1", "port": node.port, "user": node.user, "known_hosts": "known_hosts"}
        values = {"/private_key": node.key("client")}
        context = BackendContext("cluster", str(node.folder), values.get)
        where = {"type": "slurm", "folder": str(bench.folder), "python": PYTHON}
        backend = load_backend({**where, **settings}, tmp_path / "notes", context)
        handle = backend.submit(bench.task("echo up > ${{outputs.model}}/a", outputs=MODEL), bench.store)
        until(lambda: backend.poll([handle])[handle].phase is Phase.SUCCEEDED)
        content = backend.collect(handle, bench.store).outputs["model"]
        assert [file.path for file in bench.store.manifest(content)] == ["a"]
        assert backend.describe(handle).locations["log"].startswith("127.0.0.1:/")
    finally:
        node.stop()


def test_an_image_is_refused(bench):
    with pytest.raises(UserError) as caught:
        bench.submit(bench.task("true", environment=Image("python", "sha256:0")))
    assert problem_of(caught).code == "environment-form"


def test_a_machine_without_the_python_says_so(bench, tmp_path):
    with pytest.raises(UserError) as caught:
        bench.open(python="/no/such/python").find("0" * 40)
    assert "the program of mlgit could not be started" in problem_of(caught).message


def test_many_runs_are_polled_by_one_listing(bench, tmp_path, monkeypatch):
    squeue = tmp_path / "bin/squeue"
    squeue.parent.mkdir()
    squeue.write_text(f'#!/bin/sh\necho asked >> {tmp_path}/asked\nexec /usr/bin/squeue "$@"\n')
    squeue.chmod(stat.S_IRWXU)
    handles = [bench.submit(bench.task(f"sleep {60 + number}", name=f"run-{number}")) for number in range(3)]
    monkeypatch.setenv("PATH", str(squeue.parent), prepend=":")
    conditions = bench.backend.poll([*handles, *(Handle("slurm", f"gone-{number:08x}") for number in range(200))])
    assert len(conditions) == 203
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_job_gets_few_variables_of_who_submits_and_none_of_a_login_shell(bench, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("SBATCH_COMMENT", "word")
    task = bench.task("echo up; sleep 60")
    bench.wait_until_running(bench.submit(task))
    runner = json.loads((bench.folder / "tokens" / task.token).read_text())["pid"]
    words = Path(f"/proc/{runner}/environ").read_text().split("\0")
    names = {word.partition("=")[0] for word in words if word and not word.startswith("SLURM")}
    of_slurm = {"ENVIRONMENT", "HOSTNAME", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"}
    assert names - of_slurm <= {"HOME", "USER", "LOGNAME", "LANG", "PATH"}
    assert {"HOME", "PATH"} <= names
