"""mlgit killed around a submission: the next apply finds out what happened, and the job is executed once."""

from __future__ import annotations

import signal

import pytest
from workspaces import APPLY, commit, edit, write

pytestmark = pytest.mark.slow

# A backend like local, that dies at a given moment, once.
_PLUGIN = """
import os, pathlib, signal
from reconciler.backends import local

def die(moment):
    order = pathlib.Path(__file__).with_name(moment)
    if order.exists():
        order.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

start = local._start_supervisor

def start_or_die(folder):
    die("before-start")
    pid = start(folder)
    die("after-start")
    return pid

local._start_supervisor = start_or_die

class Mortal(local.LocalBackend):
    def submit(self, submission):
        die("before-submit")
        super().submit(submission)
        die("after-submit")

def make(settings, store):
    return Mortal(store)
"""


@pytest.fixture
def mortal(bench, tmp_path):
    """Give the folder of a plug-in that dies at the moment whose name is a file in it."""
    plugin = tmp_path / "plugin"
    write(
        plugin,
        {
            "mortal.py": _PLUGIN,
            "mortal-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: mortal\nVersion: 1\n",
            "mortal-1.dist-info/entry_points.txt": "[mlgit.backends]\nmortal = mortal:make\n",
        },
    )
    edit(bench.folder, "mlgit.yml", "type: local", "type: mortal")
    commit(bench.folder)
    return plugin


@pytest.mark.parametrize("moment", ["before-submit", "before-start", "after-start", "after-submit"])
def test_a_run_is_executed_once_though_its_submission_was_cut_off(moment, bench, mortal, mlgit_process):
    (mortal / moment).touch()
    env = {"PYTHONPATH": str(mortal)}
    first = mlgit_process(*APPLY, cwd=bench.folder, env=env)
    first.communicate(timeout=30)
    assert first.returncode == -signal.SIGKILL
    second = mlgit_process(*APPLY, cwd=bench.folder, env=env)
    out, said = second.communicate(timeout=30)
    assert second.returncode == 0, said
    assert "model/total: version 1 from run sum-" in out
    assert len(bench.executions()) == 1
    assert "attempt" not in out
    third = mlgit_process("plan", cwd=bench.folder, env=env)
    assert third.communicate(timeout=30)[0].startswith("No changes. ")
