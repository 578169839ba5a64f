"""A run that could not be submitted: the apply says so, and ends; the next one submits it."""

from __future__ import annotations

import pytest
from workspaces import APPLY, write

pytestmark = pytest.mark.slow


def test_an_apply_that_waits_does_not_wait_for_a_run_that_it_could_not_submit(small, mlgit, mlgit_process, run_json):
    write(small, {".mlgit/store/runs": "a file in the way of the folders of runs"})
    process = mlgit_process(*APPLY, cwd=small)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "[file-unusable]" in out
    (small / ".mlgit/store/runs").unlink()
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 0, ended.out + ended.err
    assert [(run["status"], run["attempt"]) for run in run_json(small, "job", "list")] == [("completed", 1)]
