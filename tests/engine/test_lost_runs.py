"""Lost runs: a run whose supervisor was killed is stopped, recorded as lost and retried."""

from __future__ import annotations

import pytest
from workspaces import APPLY, has_ended, until

pytestmark = pytest.mark.slow

SUBMIT = ("apply", "--auto-approve")


def test_a_lost_run_is_stopped_recorded_and_retried_up_to_the_limit(waiting, mlgit, run_json, golden):
    assert mlgit(*SUBMIT, cwd=waiting.folder).code == 0
    for attempt in (1, 2, 3):
        until(lambda attempt=attempt: len(waiting.executions()) == attempt)
        orphan = waiting.executions()[-1]
        waiting.kill_supervisor()
        assert not has_ended(orphan)
        until(lambda: run_json(waiting.folder, "job", "list")[-1]["status"] == "lost")
        golden(f"cli/lost/plan-after-{attempt}.txt", mlgit("plan", "--refresh", cwd=waiting.folder).out)
        applied = mlgit(*SUBMIT, cwd=waiting.folder)
        golden(f"cli/lost/apply-after-{attempt}.txt", applied.out)
        until(lambda orphan=orphan: has_ended(orphan))
    assert [run["status"] for run in run_json(waiting.folder, "job", "list")] == ["lost"] * 3
    planned = mlgit("plan", "--detailed-exitcode", cwd=waiting.folder)
    assert planned.code == 0
    golden("cli/lost/plan-when-lost-too-often.txt", planned.out)
    assert len(waiting.executions()) == 3
    waiting.let_it_end()
    assert mlgit("job", "rerun", "sum", "--auto-approve", "--wait", cwd=waiting.folder).code == 0
    assert len(waiting.executions()) == 4


def test_a_waiting_apply_retries_a_lost_run(waiting, mlgit_process, run_json):
    process = mlgit_process(*APPLY, cwd=waiting.folder)
    orphan = until(waiting.executions)[0]
    waiting.kill_supervisor()
    until(lambda: len(waiting.executions()) == 2)
    assert has_ended(orphan)
    waiting.let_it_end()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "attempt 1 was lost (attempt 2 of 3)" in out
    assert [(run["status"], run["attempt"]) for run in run_json(waiting.folder, "job", "list")] == [
        ("lost", 1),
        ("completed", 2),
    ]
    assert len(run_json(waiting.folder, "list", "model")) == 1
