"""A run apart from the process that a scheduler has started, and kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from workspaces import has_ended, until

from reconciler.runner.apart import END_FILE
from reconciler.runner.descendants import find_marked

FAMILY = "trap '' TERM; echo up; setsid sleep 310 & sleep 311 & wait; sleep 312"


@pytest.fixture
def start(bench):
    """A function that starts a run apart and returns the process that a scheduler knows."""

    def start_apart(**changes):
        (bench.root / "spec.json").write_text(json.dumps({**bench.spec, "grace": 0.5, **changes}))
        command = [sys.executable, "-I", "-S", str(bench.root / "runner.pyz"), "--apart", str(bench.root / "spec.json")]
        return subprocess.Popen(command, env=bench.variables, start_new_session=True)

    return start_apart


def runner_of(bench):
    """Return the process of the run, once its command goes on."""
    until(lambda: len(find_marked(bench.folder)) >= 3)
    return json.loads((bench.root / "store/tokens/c0ffee").read_text())["pid"]


def result_of(bench):
    return json.loads((bench.folder / "result.json").read_text())["status"]


@pytest.mark.parametrize(("command", "code", "status"), [("true", 0, "completed"), ("exit 3", 1, "failed")])
def test_the_process_that_a_scheduler_knows_ends_as_the_run(bench, start, command, code, status):
    assert start(command=command).wait(120) == code
    assert result_of(bench) == status
    assert not (bench.folder / END_FILE).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_ends_the_run_and_then_the_process_that_was_asked(bench, start, number):
    process = start(command=FAMILY)
    runner_of(bench)
    process.send_signal(number)
    assert process.wait(120) == 1
    assert (result_of(bench), find_marked(bench.folder)) == ("canceled", ())


def test_a_run_outlives_the_kill_of_the_group_that_a_scheduler_knows_and_ends_in_order(bench, start):
    process = start(command=FAMILY)
    runner = runner_of(bench)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(120)
    until(lambda: has_ended(runner))
    assert (result_of(bench), find_marked(bench.folder)) == ("canceled", ())


def test_a_run_that_was_killed_leaves_no_process_and_a_note(bench, start):
    process = start(command=FAMILY)
    os.kill(runner_of(bench), signal.SIGKILL)
    assert process.wait(120) == 1
    assert find_marked(bench.folder) == ()
    assert (bench.folder / END_FILE).exists()
    assert not (bench.folder / "result.json").exists()


def test_a_run_whose_token_another_one_has_ends_as_a_duplicate(bench, start):
    (bench.root / "store/tokens").mkdir(parents=True)
    (bench.root / "store/tokens/c0ffee").write_text("{}")
    assert start().wait(120) == 75
    assert not (bench.folder / "result.json").exists()


def test_a_spec_that_cannot_be_read_is_an_error(bench):
    command = [sys.executable, "-I", "-S", str(bench.root / "runner.pyz"), "--apart", str(bench.root / "absent.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "absent.json cannot be read" in done.stderr) == (1, True)
