"""Cancels by command: all processes of a run are stopped, and a second cancel looks again."""

from __future__ import annotations

import signal
import subprocess

import pytest
from workspaces import commit, edit, has_ended, until

from reconciler.runner.descendants import MARK_VARIABLE, find_marked

pytestmark = pytest.mark.slow

# The command of the case runs/04-setsid-children.
DETACHED = "setsid sleep 300 & setsid bash -c 'trap \"\" TERM; sleep 301' & echo up; sleep 200"


@pytest.fixture
def folder(small):
    text = (small / "jobs/sum.yml").read_text()
    command = "command: python sum.py ${{inputs.numbers}} ${{inputs.factor}} ${{outputs.total}}"
    assert command in text
    edit(small, "jobs/sum.yml", command, "command: |-\n  " + DETACHED)
    commit(small)
    return small


@pytest.mark.services  # the processes are given ten seconds to end
def test_cancel_leaves_no_process_and_a_second_cancel_looks_again(folder, mlgit):
    assert mlgit("apply", "--auto-approve", cwd=folder).code == 0
    run_folder = until(lambda: next(folder.glob(".mlgit/store/runs/sum-*"), None))
    processes = until(lambda: len(find_marked(run_folder)) >= 3 and find_marked(run_folder))
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0
    assert all(map(has_ended, processes))

    again = mlgit("job", "cancel", "sum", cwd=folder)
    assert (again.code, "there is nothing to cancel" in again.err) == (1, True)

    with subprocess.Popen(["sleep", "300"], env={MARK_VARIABLE: str(run_folder)}) as remaining:
        until(lambda: find_marked(run_folder))
        again = mlgit("job", "cancel", "sum", cwd=folder)
        assert remaining.wait(120) == -signal.SIGKILL
    assert again.code == 0
    assert "canceled; processes that it had left were stopped" in again.out


def test_a_command_that_a_signal_without_a_name_ends_is_not_retried(folder, mlgit):
    edit(folder, "jobs/sum.yml", DETACHED, "kill -35 $$")
    commit(folder)
    result = mlgit("apply", "--auto-approve", "--wait", cwd=folder)
    assert result.code == 1
    assert "the command was ended by signal 35" in result.out
    assert len(list(folder.glob(".mlgit/store/runs/sum-*"))) == 1
