"""`mlgit state repair` knows each file of the live state: it removes none that can be read."""

from __future__ import annotations

import json

import pytest
from workspaces import git, put

from reconciler.state import paths

REF = "refs/mlgit/small/default/live"
STEPS = [{"step": "prepare", "status": "completed", "outputs": {"out": {"files": 1, "size": 2}}}]


@pytest.mark.slow
def test_steps_and_builds_are_kept_and_restored_from_the_newest_good_copy(applied, mlgit):
    files = git(applied, "ls-tree", "-r", "--name-only", REF).split()
    builds, steps = next(name for name in files if name.startswith("builds/")), paths.steps_path("sum-1")
    put(applied, steps, STEPS)
    assert mlgit("state", "repair", cwd=applied).out == "Every record of the live state can be read.\n"
    for name, damage in ((steps, [{**STEPS[0], "inputs": 1}]), (builds, [])):
        before = json.loads(git(applied, "show", f"{REF}:{name}"))
        put(applied, name, damage)
        repaired = mlgit("state", "repair", "--auto-approve", cwd=applied)
        assert repaired.code == 0, repaired.err
        assert json.loads(git(applied, "show", f"{REF}:{name}")) == before
