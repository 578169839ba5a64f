"""status --watch --until-idle ends when nothing can happen any more, however the newest run of a job was left."""

from __future__ import annotations

import json
import subprocess

import pytest
from held_locks import locked
from workspaces import git, put

pytestmark = pytest.mark.slow

REF = "refs/mlgit/small/default/live"
WATCH = ("status", "--watch", "--until-idle", "--interval", "0.1s")


@pytest.fixture
def intended(applied):
    """Leave a run as an apply does that was killed before it submitted the run."""
    names = git(applied, "ls-tree", "-r", "--name-only", REF).split("\n")
    (name,) = (name for name in names if name.startswith("history/job/") and "/sum" in name)
    run = json.loads(git(applied, "show", f"{REF}:{name}"))
    for field in ("handle", "outputs", "ended_at", "started_at"):
        run.pop(field, None)
    put(applied, name, {**run, "status": "intended", "token": "0" * 64})
    return applied


def test_a_run_that_was_never_submitted_is_not_waited_for(intended, mlgit_process):
    watching = mlgit_process(*WATCH, cwd=intended)
    out, err = watching.communicate(timeout=120)
    assert (watching.returncode, err) == (0, "")
    assert "intended" in out


def test_a_run_that_an_apply_is_about_to_submit_is_waited_for(intended, opened, mlgit_process):
    with locked(opened(intended), exclusive=["job/sum"]):
        watching = mlgit_process(*WATCH, cwd=intended)
        with pytest.raises(subprocess.TimeoutExpired):
            watching.communicate(timeout=5)
    assert watching.communicate(timeout=120)[1] == ""
    assert watching.returncode == 0
