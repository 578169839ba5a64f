"""Locks: an apply leaves out what another one locks, and takes over the locks of one that has ended."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from workspaces import APPLY, SMALL, commit, edit, git, until, write

from reconciler.engine import locking

pytestmark = pytest.mark.slow

LOCKS = "refs/mlgit/small/default/locks"


def lock_refs(folder):
    """Return the refs of locks and heartbeats."""
    refs = git(folder, "for-each-ref", "--format=%(refname)", "refs/mlgit").splitlines()
    return [ref for ref in refs if "/locks" in ref or "/heartbeat/" in ref]


@pytest.fixture
def building(workspace, paced, mlgit_process):
    """Yield an apply that is building an environment."""
    ci = {"GITHUB_SERVER_URL": "https://ci.example.org", "GITHUB_REPOSITORY": "team/iris", "GITHUB_RUN_ID": "7"}
    process = mlgit_process(*APPLY, cwd=workspace.folder, env={**paced.environment, **ci})
    until(paced.builds)
    yield process
    paced.go_on()
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    process.communicate(timeout=180)


def declare_data(folder, name="more"):
    """Declare another data asset."""
    files = {f"data/{name}.yml": SMALL["data/numbers.yml"].replace("numbers", name), f"data/{name}.csv": f"{name}\n"}
    commit(folder, name, files)


def wait_for_success(process):
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    return out


def test_actions_locked_by_another_apply_are_left_out_and_all_others_are_executed(  # noqa: PLR0913, PLR0917 - fixtures
    building, workspace, paced, mlgit, golden, run_json
):
    declare_data(workspace.folder)
    second = mlgit("apply", "--auto-approve", cwd=workspace.folder)
    assert second.code == 1, second.err
    golden("cli/locks/left-out.txt", second.out)
    assert "data/more" in [asset["address"] for asset in run_json(workspace.folder, "list", "data")]
    assert paced.builds() == ["plain"]
    paced.go_on()
    wait_for_success(building)
    assert mlgit("plan", cwd=workspace.folder).out.startswith("No changes. ")
    assert len(workspace.executions()) == 1
    assert lock_refs(workspace.folder) == []


@pytest.mark.services
def test_a_waiting_apply_continues_when_the_lock_is_released(building, workspace, paced, mlgit_process):
    second = mlgit_process(*APPLY, cwd=workspace.folder, env=paced.environment)
    assert second.stdout
    next(line for line in second.stdout if "is locked by ada on here" in line)
    paced.go_on()
    wait_for_success(building)
    wait_for_success(second)
    assert len(workspace.executions()) == 1
    assert paced.builds() == ["plain"]
    assert lock_refs(workspace.folder) == []


def test_unlock_lists_and_releases_locks_and_the_former_holder_can_write_nothing(  # noqa: PLR0913, PLR0917 - fixtures
    building, workspace, paced, mlgit, golden, run_json
):
    (lock,) = run_json(workspace.folder, "unlock")
    assert (lock["user"], lock["host"], lock["ci"]) == (
        "ada",
        "here",
        "https://ci.example.org/team/iris/actions/runs/7",
    )
    assert "environment/plain" in lock["exclusive"]
    assert [intent["token"][:8] for intent in lock["intents"]] == [intent["run"][-8:] for intent in lock["intents"]]
    wrong = mlgit("unlock", "0" * 12, cwd=workspace.folder)
    assert (wrong.code, "[holder-unknown]" in wrong.err) == (1, True)
    away = mlgit("unlock", lock["holder"], "--auto-approve", cwd=workspace.folder)
    golden("cli/locks/unlock.txt", away.out.replace(lock["holder"], "<holder>"))
    assert lock_refs(workspace.folder) == []
    assert mlgit("unlock", cwd=workspace.folder).out == "There are no locks.\n"
    before = git(workspace.folder, "rev-parse", "refs/mlgit/small/default/live")
    paced.go_on()
    _, err = building.communicate(timeout=180)
    assert building.returncode == 1
    golden("cli/locks/lost.txt", err)
    assert git(workspace.folder, "rev-parse", "refs/mlgit/small/default/live") == before
    assert workspace.executions() == []
    assert mlgit(*APPLY, cwd=workspace.folder).code == 0


def test_a_corrupt_lock_is_reported_and_can_be_released(workspace, paced, mlgit):
    write(workspace.folder / ".git", {"broken": "no claim"})
    tree = _tree(workspace.folder, git(workspace.folder, "hash-object", "-w", ".git/broken"))
    git(workspace.folder, "update-ref", LOCKS, git(workspace.folder, "commit-tree", "-m", "x", tree))
    paced.go_on()
    result = mlgit(*APPLY, cwd=workspace.folder)
    assert result.code == 1
    assert "the lock abc.json cannot be read [lock-corrupt]" in result.err
    assert mlgit("unlock", "abc", "--auto-approve", cwd=workspace.folder).code == 0
    assert mlgit(*APPLY, cwd=workspace.folder).code == 0


def test_the_lock_of_a_killed_apply_is_taken_over_at_once_and_reported(building, workspace, paced, mlgit):
    building.kill()
    building.wait(120)
    paced.go_on()
    second = mlgit(*APPLY, cwd=workspace.folder)
    assert second.code == 0, second.err
    note = "took over from ada on here (https://ci.example.org/team/iris/actions/runs/7), since "
    assert note in second.out
    assert mlgit("log", cwd=workspace.folder).out.count(note) == 1
    assert len(workspace.executions()) == 1
    assert lock_refs(workspace.folder) == []


@pytest.mark.parametrize("journal", ["deleted", "torn", "nonsense"])
def test_a_damaged_journal_changes_nothing(journal, building, workspace, paced, mlgit):
    building.kill()
    building.wait(120)
    paced.go_on()
    path = workspace.folder / ".git/mlgit/journal-small-default.jsonl"
    assert json.loads(path.read_text().splitlines()[0])["event"] == "begun"
    if journal == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if journal == "torn" else b'\xff\x00{"event": "begun"}\n[]\n{"holder"')
    second = mlgit(*APPLY, cwd=workspace.folder)
    assert second.code == 0, second.err
    assert "took over from ada on here" in second.out
    assert len(workspace.executions()) == 1
    assert mlgit("plan", cwd=workspace.folder).out.startswith("No changes. ")


def test_the_lock_of_a_killed_apply_is_released_even_if_nothing_is_left_to_do(building, workspace, paced, mlgit):
    building.kill()
    building.wait(120)
    for name in ("jobs/sum.yml", "models/total.yml", "environments/plain.yml"):
        (workspace.folder / name).unlink()
    commit(workspace.folder, "less")
    result = mlgit(*APPLY, cwd=workspace.folder)
    assert result.code == 0, result.err
    assert lock_refs(workspace.folder) == []


@pytest.mark.services
def test_a_holder_that_was_stopped_past_its_lease_can_write_nothing(building, workspace, paced, mlgit, mlgit_process):
    building.send_signal(signal.SIGSTOP)
    early = mlgit("apply", "--auto-approve", cwd=workspace.folder)
    assert early.code == 1  # its lease has not expired yet
    assert "is locked by ada on here" in early.out
    paced.go_on()
    second = mlgit_process(*APPLY, cwd=workspace.folder, env=paced.environment)
    assert "took over from ada on here" in wait_for_success(second)
    before = git(workspace.folder, "rev-parse", "refs/mlgit/small/default/live")
    building.send_signal(signal.SIGCONT)
    _, err = building.communicate(timeout=180)
    assert building.returncode == 1
    assert "[lock-lost]" in err
    assert git(workspace.folder, "rev-parse", "refs/mlgit/small/default/live") == before
    assert len(workspace.executions()) == 1
    assert mlgit("plan", cwd=workspace.folder).out.startswith("No changes. ")
    assert lock_refs(workspace.folder) == []


@pytest.mark.services
def test_heartbeats_keep_the_lock_of_a_long_action_alive(building, workspace, paced, mlgit):
    began = time.monotonic()
    while time.monotonic() < began + 10:  # more than twice its lease
        second = mlgit("apply", "--auto-approve", cwd=workspace.folder)
        assert second.code == 1
        assert "took over" not in second.out
    paced.go_on()
    wait_for_success(building)


def test_a_clock_that_is_set_back_by_a_day_changes_nothing(building, workspace, paced, mlgit, monkeypatch):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86_400)
    monkeypatch.setattr(locking, "utc_timestamp", lambda: "2001-01-01T00:00:00Z")
    for _ in range(2):
        second = mlgit("apply", "--auto-approve", cwd=workspace.folder)
        assert second.code == 1
        assert "is locked by ada on here" in second.out
    building.kill()
    building.wait(120)
    paced.go_on()
    second = mlgit(*APPLY, cwd=workspace.folder)
    assert second.code == 0, second.err
    assert "took over from ada on here" in second.out
    assert lock_refs(workspace.folder) == []


# A backend like local that stops its thread, once, between the intent and the submission.
_SLEEPER = """
import dataclasses, pathlib, signal, threading
from reconciler.backends import _local, local

class Sleeper(_local.LocalBackend):
    def submit(self, task, store):
        order = pathlib.Path(__file__).with_name("sleep")
        if order.exists():
            order.rename(order.with_name("asleep"))
            # To this thread: a signal to the process may stop another thread first.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return super().submit(task, store)

def make(settings, store):
    return Sleeper(store)

BACKEND = dataclasses.replace(local.BACKEND, open="sleeper:make")
"""


@pytest.mark.services
def test_a_submission_finished_by_two_applies_is_executed_once(workspace, paced, mlgit, mlgit_process):
    write(
        paced.folder,
        {
            "sleeper.py": _SLEEPER,
            "sleep": "",
            "sleeper-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: sleeper\nVersion: 1\n",
            "sleeper-1.dist-info/entry_points.txt": "[mlgit.backends]\nsleeper = sleeper:BACKEND\n",
        },
    )
    edit(workspace.folder, "mlgit.yml", "type: local", "type: sleeper")
    commit(workspace.folder)
    paced.go_on()
    first = mlgit_process(*APPLY, cwd=workspace.folder, env=paced.environment)
    until((paced.folder / "asleep").exists)
    second = mlgit_process(*APPLY, cwd=workspace.folder, env=paced.environment)
    assert "took over from" in wait_for_success(second)
    first.send_signal(signal.SIGCONT)
    _, err = first.communicate(timeout=180)
    assert first.returncode == 1
    assert "[lock-lost]" in err
    assert len(workspace.executions()) == 1
    plan = mlgit_process("plan", cwd=workspace.folder, env=paced.environment)
    assert wait_for_success(plan).startswith("No changes. ")


def _tree(folder, oid):
    line = f"100644 blob {oid}\tabc.json\n"
    result = subprocess.run(["git", "mktree"], cwd=folder, input=line, capture_output=True, text=True, check=True)
    return result.stdout.strip()
