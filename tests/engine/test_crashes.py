"""mlgit killed around a submission: the next apply finds the run by its token, and the job is executed once."""

from __future__ import annotations

import signal

import pytest
from workspaces import APPLY, commit, edit, write

pytestmark = [pytest.mark.slow, pytest.mark.services]

# A backend like local that kills its process at a given step, once.
_PLUGIN = """
import dataclasses, os, pathlib, signal
from reconciler.backends import _local, local

def kill_at(step):
    file = pathlib.Path(__file__).with_name(step)
    if file.exists():
        file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

start = _local.start

def start_or_be_killed(*arguments, **options):
    kill_at("before-start")
    start(*arguments, **options)
    kill_at("after-start")

_local.start = start_or_be_killed

class Killable(_local.LocalBackend):
    def submit(self, task, store):
        kill_at("before-submit")
        handle = super().submit(task, store)
        kill_at("after-submit")
        return handle

def make(settings, store):
    return Killable(store)

BACKEND = dataclasses.replace(local.BACKEND, open="killable:make")
"""


@pytest.fixture
def killable(workspace, tmp_path):
    """Return the folder of a plug-in; the name of a file in it is the step at which its process is killed."""
    plugin = tmp_path / "plugin"
    write(
        plugin,
        {
            "killable.py": _PLUGIN,
            "killable-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: killable\nVersion: 1\n",
            "killable-1.dist-info/entry_points.txt": "[mlgit.backends]\nkillable = killable:BACKEND\n",
        },
    )
    edit(workspace.folder, "mlgit.yml", "type: local", "type: killable")
    commit(workspace.folder)
    return plugin


@pytest.mark.parametrize("step", ["before-submit", "before-start", "after-start", "after-submit"])
def test_a_run_whose_submission_was_killed_is_executed_once(step, workspace, killable, mlgit_process):
    (killable / step).touch()
    env = {"PYTHONPATH": str(killable)}
    first = mlgit_process(*APPLY, cwd=workspace.folder, env=env)
    first.communicate(timeout=120)
    assert first.returncode == -signal.SIGKILL
    second = mlgit_process(*APPLY, cwd=workspace.folder, env=env)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert "model/total: version 1 from run sum-" in out
    assert len(workspace.executions()) == 1
    assert "attempt" not in out
    third = mlgit_process("plan", cwd=workspace.folder, env=env)
    assert third.communicate(timeout=120)[0].startswith("No changes. ")
