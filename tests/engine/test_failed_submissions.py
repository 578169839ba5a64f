"""A run that could not be submitted: the apply says so, and ends; the next one submits it."""

from __future__ import annotations

import shutil

import pytest
from workspaces import APPLY, commit, edit, write

pytestmark = pytest.mark.slow


def test_an_apply_that_waits_does_not_wait_for_a_run_that_it_could_not_submit(small, mlgit, mlgit_process, run_json):
    write(small, {".mlgit/store/runs": "a file in the way of the folders of runs"})
    process = mlgit_process(*APPLY, cwd=small)
    out, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "[file-unusable]" in out
    (small / ".mlgit/store/runs").unlink()
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert [(run["status"], run["attempt"]) for run in run_json(small, "job", "list")] == [("completed", 1)]


@pytest.mark.parametrize("folder", ["tokens", "runs"])
@pytest.mark.parametrize("command", [APPLY, ("job", "rerun", "sum", "--auto-approve", "--wait")], ids=" ".join)
def test_a_command_that_waits_ends_if_a_run_cannot_be_submitted(applied, mlgit, mlgit_process, folder, command):
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 4")
    commit(applied)
    place = applied / ".mlgit/store" / folder
    shutil.rmtree(place)
    place.write_text("in the place of the folder", "utf-8")
    process = mlgit_process(*command, cwd=applied)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 1
    assert str(place) in out + err
    place.unlink()
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0
