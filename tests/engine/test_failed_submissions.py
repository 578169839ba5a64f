"""A run that could not be submitted is not waited for: its action has failed, and the apply ends."""

from __future__ import annotations

import shutil

import pytest
from workspaces import commit, edit

pytestmark = pytest.mark.slow

SECONDS = 60
COMMANDS = (("apply", "--auto-approve", "--wait"), ("job", "rerun", "sum", "--auto-approve", "--wait"))


@pytest.mark.parametrize("folder", ["claims", "runs"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_that_waits_ends_if_a_run_cannot_be_submitted(applied, mlgit, mlgit_process, folder, command):
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 4")
    commit(applied)
    place = applied / ".mlgit/store" / folder
    shutil.rmtree(place)
    place.write_text("in the place of the folder", "utf-8")
    process = mlgit_process(*command, cwd=applied)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert str(place) in out + err
    place.unlink()
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0
