"""What the backend `slurm` learns from the accounting of a cluster about jobs that its controller has forgotten."""

from __future__ import annotations

import json
import os
import signal
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from workspaces import until

from reconciler.model import Phase
from reconciler.model.providers import CANCELED

pytestmark = pytest.mark.services


@pytest.fixture
def slurm(accounted_slurm):
    """The cluster of the bench, which here keeps accounting."""
    return accounted_slurm


@pytest.fixture(params=["slurm"])
def bench(bench):
    return bench


def job_of(bench, handle):
    """Return the number that Slurm gave a run."""
    return json.loads((bench.folder / "runs" / handle.id / "job.json").read_text())["job"]


def cancel_waiting_runs(bench, count):
    """Submit runs of which none starts, cancel them with scancel, and let the controller forget them."""
    bench.settings["partition"] = "one"
    first = bench.submit(bench.task("echo up; sleep 300", name="first"))
    bench.wait_until_running(first)
    tasks = [bench.task("true", name=f"run-{number}") for number in range(count)]
    handles = [bench.submit(task) for task in tasks]
    bench.cluster.run("scancel", *(job_of(bench, handle) for handle in handles))
    bench.backend.cancel(first)
    bench.wait_until_ended(first)
    forget(bench, *tasks)
    return handles


def forget(bench, *tasks):
    """Let the controller forget its jobs once the accounting knows how those of some tasks have ended."""
    names = ",".join(task.token for task in tasks)
    listing = ("sacct", "--noheader", "--allocations", "--starttime=now-1hours", "--format=State", f"--name={names}")

    def are_known():
        states = bench.cluster.run(*listing).split("\n")[:-1]
        return len(states) == len(tasks) and not any(state.strip() in ("PENDING", "RUNNING") for state in states)

    until(lambda: not bench.cluster.jobs())
    until(are_known)
    bench.cluster.forget_jobs()


def wrap(tmp_path, *programs):
    """Let programs of Slurm note that they were called, and return the file that has the notes."""
    for program in programs:
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho {program} >> {tmp_path}/called\nexec /usr/bin/{program} "$@"\n')
        path.chmod(stat.S_IRWXU)
    return tmp_path / "called"


def test_runs_that_were_canceled_with_scancel_are_canceled_also_if_slurm_has_forgotten_them(
    bench, tmp_path, monkeypatch
):
    handles = cancel_waiting_runs(bench, 3)
    called = wrap(tmp_path, "sacct", "scontrol")
    monkeypatch.setenv("PATH", str(called.parent / "bin"), prepend=":")
    backend = bench.backend
    conditions = backend.poll(handles)
    assert {(item.phase, item.reason) for item in conditions.values()} == {(Phase.FAILED, CANCELED)}
    assert called.read_text().split() == ["scontrol", "sacct"]  # for all, and only once
    assert backend.poll(handles) == conditions
    assert called.read_text().split() == ["scontrol", "sacct"]


def test_a_run_is_not_lost_while_the_accounting_does_not_answer(bench):
    (handle,) = cancel_waiting_runs(bench, 1)
    bench.cluster.stop_accounting()
    condition = bench.condition(handle)
    assert condition.phase is Phase.UNKNOWN
    assert "the accounting of Slurm on " in condition.message
    assert " does not answer: " in condition.message
    assert "database" in condition.message
    bench.cluster.start_accounting()
    until(lambda: bench.condition(handle).phase is Phase.FAILED)
    assert bench.condition(handle).reason == CANCELED


def test_a_run_whose_node_has_failed_says_so_also_if_slurm_has_forgotten_it(bench):
    task = bench.task("echo up; sleep 300")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    commands = bench.processes(handle)
    runner = json.loads((bench.folder / "tokens" / task.token).read_text())["pid"]
    bench.cluster.kill_node("n1", runner)
    for process in commands:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    until(lambda: not bench.cluster.jobs())
    bench.cluster.start_node("n1")
    forget(bench, task)
    condition = bench.condition(handle)
    assert (condition.phase, condition.message) == (Phase.GONE, "its node failed")
    assert bench.condition(handle) == condition


def test_a_run_whose_batch_script_was_killed_says_so_also_if_slurm_has_forgotten_it(bench):
    task = bench.task("echo up; sleep 300")
    handle = bench.submit(task)
    bench.wait_until_running(handle)
    os.kill(bench.batch_script(handle), signal.SIGKILL)
    forget(bench, task)
    condition = bench.condition(handle)
    assert condition.phase is Phase.GONE
    assert condition.message == "its batch script was killed on its node (ExitCode 0:9)"
    until(lambda: not bench.processes(handle))


def test_a_job_that_neither_the_controller_nor_the_accounting_knows_is_lost(bench):
    handle = bench.submit(bench.task("true"))
    bench.wait_until_ended(handle)
    folder = Path(bench.folder / "runs" / handle.id)
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "result.json").unlink()
    (folder / "spec.json").write_text(json.dumps({**spec, "token": "0" * 40}))
    condition = bench.condition(handle)
    assert condition.phase is Phase.GONE
    assert condition.message == "its job has left no result, and Slurm does not know it any more"
