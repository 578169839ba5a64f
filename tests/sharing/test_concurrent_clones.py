"""Concurrent applies of several clones of one remote: all succeed, everything is executed once, no lock remains."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pytest
from workspaces import APPLY, commit, edit, git, until

pytestmark = [pytest.mark.slow, pytest.mark.services]


def start(folder, *options):
    command = [sys.executable, "-m", "reconciler", *APPLY, *options]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def wait_for_success(processes):
    outputs = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n\n".join(outputs)
    return outputs


@pytest.mark.parametrize("clones", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_concurrent_applies_of_clones_all_succeed_and_execute_everything_once(clones, team, mlgit, data):
    for number in range(3):
        data(team.first, f"n{number}")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    folders = [team.clone(f"clone-{number}") for number in range(clones)]
    wait_for_success([start(folder) for folder in folders])
    assert team.executions() == 1
    assert team.lock_refs() == []
    fresh = team.clone("fresh")
    assert mlgit("plan", cwd=fresh).out.startswith("No changes. ")
    runs = json.loads(mlgit("job", "list", "--format", "json", cwd=fresh).out)
    assert [run["status"] for run in runs] == ["completed"]
    versions = {version["version"] for version in json.loads(mlgit("list", "data", "--format", "json", cwd=fresh).out)}
    assert versions == {"1"}


@pytest.mark.parametrize("clones", [3, pytest.param(8, marks=pytest.mark.soak)])
def test_concurrent_applies_of_overlapping_selections_lose_no_record(clones, without_job, mlgit, data):
    team = without_job
    for number in range(clones + 1):
        data(team.first, f"n{number}")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    selections = [(f"data/n{number}", f"data/n{number + 1}") for number in range(clones)]
    folders = [team.clone(f"clone-{number}") for number in range(clones)]
    pairs = zip(folders, selections, strict=True)
    wait_for_success([start(folder, *(f"--select={entry}" for entry in addresses)) for folder, addresses in pairs])
    live = json.loads(mlgit("list", "data", "--format", "json", cwd=team.first).out)
    assert {entry["address"]: entry["version"] for entry in live} == {
        f"data/n{number}": "1" for number in range(clones + 1)
    }
    assert team.lock_refs() == []


# A backend like local that kills, or stops, its own process once the run was submitted.
_SIGNALLING_BACKEND = """
import dataclasses, os, pathlib, signal
from reconciler.backends import _local, local

class SignallingBackend(_local.LocalBackend):
    def submit(self, task, store):
        handle = super().submit(task, store)
        for signal_file in pathlib.Path(__file__).parent.glob("SIG*"):
            signal_file.rename(signal_file.with_name("done"))
            os.kill(os.getpid(), getattr(signal, signal_file.name))
        return handle

def make(settings, store):
    return SignallingBackend(store)

BACKEND = dataclasses.replace(local.BACKEND, open="signalling:make")
"""


@pytest.fixture
def signalling(team, monkeypatch):
    """Return the folder of the plug-in, which sends its process the signal that a file in the folder is named after."""
    folder = team.folder / "plugin"
    (folder / "signalling-1.dist-info").mkdir(parents=True)
    (folder / "signalling.py").write_text(_SIGNALLING_BACKEND)
    (folder / "signalling-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: signalling\nVersion: 1\n")
    (folder / "signalling-1.dist-info/entry_points.txt").write_text(
        "[mlgit.backends]\nsignalling = signalling:BACKEND\n"
    )
    edit(team.first, "mlgit.yml", "type: local", "type: signalling")
    edit(team.first, "mlgit.yml", "name: small,", "name: small, lease: 4,")
    commit(team.first, "signalling")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_another_clone_adopts_the_submission_of_a_killed_apply(team, signalling):
    (signalling / "SIGKILL").touch()
    first = start(team.first)
    first.communicate(timeout=180)
    assert first.returncode == -signal.SIGKILL
    assert team.lock_refs() != []
    shutil.rmtree(team.first)  # journal and all
    (out,) = wait_for_success([start(team.clone("fresh"))])
    assert "took over from " in out
    assert "model/total: version 1" in out
    assert team.executions() == 1
    assert team.lock_refs() == []


def test_an_apply_stopped_past_its_lease_cannot_overwrite_the_records_of_another_clone(team, signalling):
    (signalling / "SIGSTOP").touch()
    first = start(team.first)
    until((signalling / "done").exists)
    (out,) = wait_for_success([start(team.clone("fresh"))])
    assert "took over from " in out
    before = team.live()
    first.send_signal(signal.SIGCONT)
    output, _ = first.communicate(timeout=180)
    assert first.returncode == 1
    assert "[lock-lost]" in output
    assert team.live() == before
    assert team.executions() == 1
    assert team.lock_refs() == []


def test_a_lock_that_cannot_be_released_is_no_failure_and_is_released_by_the_next_apply(without_job, mlgit):
    team = without_job
    reject_heartbeat_deletion = (
        'while read -r old new ref; do case "$ref $new" in *heartbeat/*" 0000"*) exit 1 ;; esac; done; exit 0'
    )
    team.hook("pre-receive", reject_heartbeat_deletion)
    (out,) = wait_for_success([start(team.first)])
    assert "Applied 2 changes." in out
    assert len(team.lock_refs()) == 2
    team.hook("pre-receive", "exit 0")
    second = mlgit(*APPLY, cwd=team.first)
    assert second.code == 0, second.err
    assert "No changes. " in second.out
    assert "Released the locks of " in second.out
    assert team.lock_refs() == []
