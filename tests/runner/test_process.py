"""How a run ends: by itself, by its time limit, by a signal; and that no process of it remains."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from workspaces import has_ended

_PRINT_OPEN_INODES = """
import os
for descriptor in range(64):
    try:
        print(os.fstat(descriptor).st_ino)
    except OSError:
        pass
"""
_STUBBORN = "trap '' TERM; echo started; sleep 300"


def test_a_run_whose_command_succeeds_is_completed(bench: Any) -> None:
    result = bench.run(command="echo hello; echo problem >&2")
    assert (result["status"], result["failure"], result["exit_code"]) == ("completed", None, 0)
    assert (result["token"], result["run"], result["log"]) == ("c0ffee", "train-1a2b3c4d", "user_logs/std_log.txt")
    assert bench.log() == "hello\nproblem\n"
    assert datetime.fromisoformat(result["started"]) <= datetime.fromisoformat(result["ended"])
    assert (bench.folder / "heartbeat").exists()
    token_file = json.loads(Path(bench.spec["token_file"]).read_text())
    assert token_file["run"] == "train-1a2b3c4d"


def test_an_exit_code_is_reported_without_what_the_command_wrote(bench: Any) -> None:
    result = bench.run(command="for i in 1 2 3 4 5 6 7; do echo line $i; done; exit 3")
    assert (result["status"], result["exit_code"], result["failure"]["class"]) == ("failed", 3, "user")
    assert result["failure"]["message"] == "the command ended with exit code 3"
    assert bench.log().endswith("line 6\nline 7\n")


def test_an_empty_log_is_reported(bench: Any) -> None:
    assert bench.run(command="exit 3")["failure"]["message"] == "the command ended with exit code 3; its log is empty"


def test_a_killed_command_is_reported_with_its_signal(bench: Any) -> None:
    result = bench.run(command="kill -KILL $$")
    assert result["exit_code"] is None
    assert result["failure"]["signal"] == "SIGKILL"
    assert "memory" in result["failure"]["message"]


def test_a_missing_program_is_reported(bench: Any) -> None:
    failure = bench.run(command="python9.99 train.py")["failure"]
    assert (failure["class"], failure["exit_code"]) == ("user", 127)
    assert "was not found" in failure["message"]
    assert "python9.99" in bench.log()


def test_a_second_runner_with_the_same_token_does_nothing(bench: Any) -> None:
    bench.run(command="echo once")
    before = {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*")}
    second = bench.start(command="echo twice")
    _, stderr = second.communicate(timeout=120)
    assert second.returncode == 75
    assert "duplicate" in stderr
    assert {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*")} == before


def test_background_processes_of_a_command_are_killed(bench: Any) -> None:
    result = bench.run(command="sleep 300 & echo $!")
    assert result["status"] == "completed"
    bench.wait_until(lambda: has_ended(int(bench.log())))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_run(bench: Any, number: signal.Signals) -> None:
    runner = bench.start(command="echo started; sleep 300")
    bench.wait_for_log("started")
    runner.send_signal(number)
    runner.communicate(timeout=120)
    result = bench.result()
    assert runner.returncode == 1
    assert (result["status"], result["failure"]) == ("canceled", None)
    group = json.loads((bench.folder / "command.json").read_text())["pgid"]
    bench.wait_until(lambda: has_ended(group))


def test_a_canceled_command_can_save_its_work_first(bench: Any) -> None:
    bench.script(
        "import signal, sys, time\n"
        "def save(*_):\n    time.sleep(0.5); print('saved'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\nprint('started')\ntime.sleep(300)\n"
    )
    runner = bench.start(command="python script.py; echo never")
    bench.wait_for_log("started")
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=120)
    assert bench.log() == "started\nsaved\n"


def test_a_command_that_ignores_sigterm_is_killed(bench: Any) -> None:
    runner = bench.start(command=_STUBBORN, grace=0.2)
    bench.wait_for_log("started")
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=120)
    assert bench.result()["status"] == "canceled"


def test_a_run_that_exceeds_its_time_limit_is_stopped(bench: Any) -> None:
    result = bench.run(command="sleep 300", timeout=0.3)
    assert (result["status"], result["failure"]["class"]) == ("failed", "timeout")
    assert "after 0.3 s," in result["failure"]["message"]
    assert result["failure"]["signal"] == "SIGTERM"


def test_the_heartbeat_file_is_touched_while_the_command_runs(bench: Any) -> None:
    runner = bench.start(command="echo started; sleep 300")
    bench.wait_for_log("started")
    first = (bench.folder / "heartbeat").stat().st_mtime_ns
    bench.wait_until(lambda: (bench.folder / "heartbeat").stat().st_mtime_ns > first)
    runner.terminate()
    runner.communicate(timeout=120)


def test_an_error_of_the_runner_is_reported_in_the_result(bench: Any) -> None:
    (bench.folder / "user_logs").write_text("not a folder")
    runner = bench.start()
    _, stderr = runner.communicate(timeout=120)
    assert runner.returncode == 1
    assert bench.result()["failure"]["class"] == "engine"
    assert "Traceback" in stderr


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_an_invalid_spec_is_an_error_without_a_traceback(bench: Any, content: str) -> None:
    (bench.root / "spec.json").write_text(content)
    runner = bench.launch()
    _, stderr = runner.communicate(timeout=120)
    assert runner.returncode == 1
    assert "the spec" in stderr
    assert "Traceback" not in stderr
    assert list(bench.folder.iterdir()) == []


def test_the_command_inherits_only_its_own_lock(bench: Any, tmp_path: Path) -> None:
    lock, alive = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("lock", "alive"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    bench.script(_PRINT_OPEN_INODES)
    runner = bench.start(command="python script.py; echo started; sleep 300", child_lock_fd=lock, alive_fd=alive)
    os.close(lock)
    os.close(alive)
    bench.wait_for_log("started")
    inodes = bench.log().split()
    assert str((tmp_path / "lock").stat().st_ino) in inodes
    assert str((tmp_path / "alive").stat().st_ino) not in inodes
    assert not _is_unlocked(tmp_path / "lock")
    runner.terminate()
    runner.communicate(timeout=120)
    bench.wait_until(lambda: _is_unlocked(tmp_path / "lock"))


def test_the_lock_of_the_command_outlives_a_runner_that_was_killed(bench: Any, tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    runner = bench.start(command="echo started; sleep 300", child_lock_fd=lock)
    os.close(lock)
    bench.wait_until((bench.folder / "command.json").exists)
    bench.wait_for_log("started")
    runner.kill()
    runner.communicate(timeout=120)
    assert not _is_unlocked(tmp_path / "lock")
    os.killpg(json.loads((bench.folder / "command.json").read_text())["pgid"], signal.SIGKILL)
    bench.wait_until(lambda: _is_unlocked(tmp_path / "lock"))


def _is_unlocked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
