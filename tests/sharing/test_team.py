"""Several clones at work at once over one remote: nobody starves, nothing is done twice, nothing is left behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import pytest
from workspaces import APPLY, commit, edit, git, until

pytestmark = pytest.mark.slow


def start(folder, *options):
    command = [sys.executable, "-m", "reconciler", *APPLY, *options]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def all_well(processes):
    ended = [process.communicate(timeout=400)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), "\n\n".join(ended)
    return ended


@pytest.mark.parametrize("clones", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_clones_that_apply_all_at_once_all_end_well_and_do_everything_once(clones, team, mlgit, data):
    for number in range(3):
        data(team.first, f"n{number}")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    folders = [team.clone(f"clone-{number}") for number in range(clones)]
    all_well([start(folder) for folder in folders])
    assert team.executions() == 1
    assert team.held() == []
    fresh = team.clone("fresh")
    assert mlgit("plan", cwd=fresh).out.startswith("No changes. ")
    runs = json.loads(mlgit("job", "list", "--format", "json", cwd=fresh).out)
    assert [run["status"] for run in runs] == ["completed"]
    versions = {load["version"] for load in json.loads(mlgit("list", "data", "--format", "json", cwd=fresh).out)}
    assert versions == {"1"}


@pytest.mark.parametrize("clones", [3, pytest.param(8, marks=pytest.mark.soak)])
def test_clones_that_apply_sets_that_overlap_lose_no_record(clones, without_job, mlgit, data):
    team = without_job
    for number in range(clones + 1):
        data(team.first, f"n{number}")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    chosen = [(f"data/n{number}", f"data/n{number + 1}") for number in range(clones)]
    folders = [team.clone(f"clone-{number}") for number in range(clones)]
    pairs = zip(folders, chosen, strict=True)
    all_well([start(folder, *(f"--select={entry}" for entry in wanted)) for folder, wanted in pairs])
    live = json.loads(mlgit("list", "data", "--format", "json", cwd=team.first).out)
    assert {entry["address"]: entry["version"] for entry in live} == {
        f"data/n{number}": "1" for number in range(clones + 1)
    }
    assert team.held() == []


# A backend like local that kills, or stops, its own process once the run was submitted.
_MORTAL = """
import os, pathlib, signal
from reconciler.backends import local

class Mortal(local.LocalBackend):
    def submit(self, submission):
        super().submit(submission)
        for order in pathlib.Path(__file__).parent.glob("SIG*"):
            order.rename(order.with_name("done"))
            os.kill(os.getpid(), getattr(signal, order.name))

def make(settings, store):
    return Mortal(store)
"""


@pytest.fixture
def mortal(team, monkeypatch):
    """Give the folder of the plug-in; a file in it called as a signal is what it does next."""
    folder = team.folder / "plugin"
    (folder / "mortal-1.dist-info").mkdir(parents=True)
    (folder / "mortal.py").write_text(_MORTAL)
    (folder / "mortal-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: mortal\nVersion: 1\n")
    (folder / "mortal-1.dist-info/entry_points.txt").write_text("[mlgit.backends]\nmortal = mortal:make\n")
    edit(team.first, "mlgit.yml", "type: local", "type: mortal")
    edit(team.first, "mlgit.yml", "name: small,", "name: small, lease: 2,")
    commit(team.first, "mortal")
    git(team.first, "push", "--quiet", "origin", "HEAD:main")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


def test_what_a_killed_apply_had_submitted_another_clone_adopts(team, mortal):
    (mortal / "SIGKILL").touch()
    first = start(team.first)
    first.communicate(timeout=90)
    assert first.returncode == -signal.SIGKILL
    assert team.held() != []
    shutil.rmtree(team.first)  # journal and all
    (out,) = all_well([start(team.clone("fresh"))])
    assert "took over from " in out
    assert "model/total: version 1" in out
    assert team.executions() == 1
    assert team.held() == []


def test_an_apply_that_slept_past_its_lease_cannot_write_over_what_another_clone_did(team, mortal):
    (mortal / "SIGSTOP").touch()
    first = start(team.first)
    until((mortal / "done").exists, 90)
    (out,) = all_well([start(team.clone("fresh"))])
    assert "took over from " in out
    before = team.live()
    first.send_signal(signal.SIGCONT)
    output, _ = first.communicate(timeout=90)
    assert first.returncode == 1
    assert "[lock-lost]" in output
    assert team.live() == before
    assert team.executions() == 1
    assert team.held() == []


def test_a_claim_that_could_not_be_given_back_is_no_failure_and_goes_with_the_next_apply(without_job, mlgit):
    team = without_job
    refused = 'while read -r old new ref; do case "$ref $new" in *beat/*" 0000"*) exit 1 ;; esac; done; exit 0'
    team.hook("pre-receive", refused)
    (out,) = all_well([start(team.first)])
    assert "Applied 2 changes." in out
    assert len(team.held()) == 2
    team.hook("pre-receive", "exit 0")
    again = mlgit(*APPLY, cwd=team.first)
    assert again.code == 0, again.err
    assert "No changes. " in again.out
    assert "Released the locks of " in again.out
    assert team.held() == []
