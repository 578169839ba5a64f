"""How a run ends: by itself, by its time limit, by a signal; and that nothing is left of it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

_STUBBORN = "trap '' TERM; echo started; sleep 300"


def alive(pid: int) -> bool:
    """Tell whether a process still works: one that is dead but not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_that_ends_well_is_completed(bench: Any) -> None:
    result = bench.run(command="echo hello; echo problem >&2")
    assert (result["status"], result["failure"], result["exit_code"]) == ("completed", None, 0)
    assert (result["token"], result["run"], result["log"]) == ("c0ffee", "train-1a2b3c4d", "user_logs/std_log.txt")
    assert bench.log() == "hello\nproblem\n"
    assert datetime.fromisoformat(result["started"]) <= datetime.fromisoformat(result["ended"])
    assert (bench.folder / "heartbeat").exists()
    claim = json.loads(Path(bench.spec["claim"]).read_text())
    assert claim["run"] == "train-1a2b3c4d"


def test_an_exit_code_is_reported_with_the_last_lines(bench: Any) -> None:
    result = bench.run(command="for i in 1 2 3 4 5 6 7; do echo line $i; done; exit 3")
    assert (result["status"], result["exit_code"], result["failure"]["class"]) == ("failed", 3, "user")
    message = result["failure"]["message"]
    assert message == "the command ended with exit code 3; its last lines:\n" + "\n".join(
        f"line {i}" for i in range(3, 8)
    )


def test_the_quoted_end_of_a_log_is_short(bench: Any) -> None:
    result = bench.run(command="head -c 100000 /dev/zero | tr '\\0' x; exit 1")
    assert len(result["failure"]["message"]) < 600


def test_a_killed_command_is_reported_with_its_signal(bench: Any) -> None:
    result = bench.run(command="kill -KILL $$")
    assert result["exit_code"] is None
    assert result["failure"]["signal"] == "SIGKILL"
    assert "memory" in result["failure"]["message"]


def test_a_missing_program_is_explained(bench: Any) -> None:
    failure = bench.run(command="python9.99 train.py")["failure"]
    assert (failure["class"], failure["exit_code"]) == ("user", 127)
    assert "was not found" in failure["message"]
    assert "python9.99" in failure["message"]


def test_a_second_runner_of_the_same_token_does_nothing(bench: Any) -> None:
    bench.run(command="echo once")
    before = {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*")}
    second = bench.start(command="echo twice")
    _, complaint = second.communicate(timeout=30)
    assert second.returncode == 75
    assert "duplicate" in complaint
    assert {path: path.stat().st_mtime_ns for path in bench.folder.rglob("*")} == before


def test_what_a_command_leaves_behind_is_killed(bench: Any) -> None:
    result = bench.run(command="sleep 300 & echo $!")
    assert result["status"] == "completed"
    bench.wait_until(lambda: not alive(int(bench.log())))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_run(bench: Any, number: signal.Signals) -> None:
    runner = bench.start(command="echo started; sleep 300")
    bench.wait_for_log("started")
    runner.send_signal(number)
    runner.communicate(timeout=30)
    result = bench.result()
    assert runner.returncode == 1
    assert (result["status"], result["failure"]) == ("canceled", None)
    group = json.loads((bench.folder / "command.json").read_text())["pgid"]
    bench.wait_until(lambda: not alive(group))


def test_a_canceled_command_may_save_its_work_first(bench: Any) -> None:
    bench.script(
        "import signal, sys, time\n"
        "def save(*_):\n    time.sleep(0.5); print('saved'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, save)\nprint('started')\ntime.sleep(300)\n"
    )
    runner = bench.start(command="python script.py; echo never")
    bench.wait_for_log("started")
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=30)
    assert bench.log() == "started\nsaved\n"


def test_a_command_that_ignores_the_polite_signal_is_killed(bench: Any) -> None:
    runner = bench.start(command=_STUBBORN, grace=0.2)
    bench.wait_for_log("started")
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=30)
    assert bench.result()["status"] == "canceled"


def test_the_time_limit_ends_a_run(bench: Any) -> None:
    result = bench.run(command="sleep 300", timeout=0.3)
    assert (result["status"], result["failure"]["class"]) == ("failed", "timeout")
    assert "0.3 seconds" in result["failure"]["message"]
    assert result["failure"]["signal"] == "SIGTERM"


def test_the_heart_beats_while_the_command_runs(bench: Any) -> None:
    runner = bench.start(command="echo started; sleep 300")
    bench.wait_for_log("started")
    first = (bench.folder / "heartbeat").stat().st_mtime_ns
    bench.wait_until(lambda: (bench.folder / "heartbeat").stat().st_mtime_ns > first)
    runner.terminate()
    runner.communicate(timeout=30)


def test_a_fault_of_the_runner_is_still_a_result(bench: Any) -> None:
    (bench.folder / "user_logs").write_text("in the way")
    runner = bench.start()
    _, complaint = runner.communicate(timeout=30)
    assert runner.returncode == 1
    assert bench.result()["failure"]["class"] == "engine"
    assert "Traceback" in complaint


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_a_spec_that_cannot_be_read_is_refused_in_words(bench: Any, content: str) -> None:
    (bench.root / "spec.json").write_text(content)
    runner = bench.launch()
    _, complaint = runner.communicate(timeout=30)
    assert runner.returncode == 1
    assert "the spec" in complaint
    assert "Traceback" not in complaint
    assert list(bench.folder.iterdir()) == []


def test_only_the_lock_that_is_meant_for_it_reaches_the_command(bench: Any, tmp_path: Path) -> None:
    lock, heart = (os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("lock", "alive"))
    fcntl.flock(lock, fcntl.LOCK_EX)
    runner = bench.start(command="ls -l /proc/$$/fd; echo started; sleep 300", child_lock_fd=lock, alive_fd=heart)
    os.close(lock)
    os.close(heart)
    bench.wait_for_log("started")
    assert str(tmp_path / "lock") in bench.log()
    assert str(tmp_path / "alive") not in bench.log()
    assert not _free(tmp_path / "lock")
    runner.terminate()
    runner.communicate(timeout=30)
    bench.wait_until(lambda: _free(tmp_path / "lock"))


def test_the_lock_outlives_a_runner_that_was_killed(bench: Any, tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    runner = bench.start(command="echo started; sleep 300", child_lock_fd=lock)
    os.close(lock)
    bench.wait_until((bench.folder / "command.json").exists)
    bench.wait_for_log("started")
    runner.kill()
    runner.communicate(timeout=30)
    assert not _free(tmp_path / "lock")
    os.killpg(json.loads((bench.folder / "command.json").read_text())["pgid"], signal.SIGKILL)
    bench.wait_until(lambda: _free(tmp_path / "lock"))


def _free(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
