"""Instances of a run with runners of their own: what the first one does if another one is silent, and the other way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.runner.descendants import find_marked
from reconciler.runner.files import read_json_object
from reconciler.runner.instances import complete_log, copy_log, disk_time, find_address, read_loss

COMMAND = "echo up; sleep 300"


def start(bench: Any, number: int) -> subprocess.Popen[bytes]:
    """Start the runner of an instance."""
    words = [sys.executable, "-I", str(bench.root / "runner.pyz"), "--instance", "1", str(number), "127.0.0.1", "0"]
    return subprocess.Popen([*words, str(bench.root / "spec.json")], env=bench.variables)


@pytest.fixture
def both(bench: Any) -> Any:
    """Two runners whose commands have written to the log."""
    bench.spec |= {"command": COMMAND, "distribution": {"type": "pytorch"}, "instances": 2, "silence": 20, "grace": 1}
    (bench.root / "spec.json").write_text(json.dumps(bench.spec))
    runners = [start(bench, number) for number in range(2)]
    bench.wait_until(lambda: (bench.folder / "user_logs/std_log.txt").exists() and bench.log().count("up") == 2, 60)
    yield runners
    for runner in runners:
        runner.kill()
        runner.wait()
    for process in find_marked(bench.folder):
        os.kill(process, signal.SIGKILL)


def test_instances_whose_clocks_differ_agree_which_of_them_has_ended_first(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("0", "1"):
        (tmp_path / name).mkdir()
    first = disk_time(tmp_path / "0")
    subprocess.run(["sleep", "0.1"], check=True)  # the clock of a disk has steps
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert first < disk_time(tmp_path / "1")


def test_a_run_is_lost_if_another_instance_shows_no_sign_of_life(bench: Any, both: Any) -> None:
    both[1].send_signal(signal.SIGSTOP)
    assert both[0].wait(240) == 1
    assert read_loss(bench.folder).endswith("has shown no sign of life for 20 s")
    assert not (bench.folder / "result.json").exists()
    assert sorted(bench.log().splitlines()) == ["[rank 0] up", "[rank 1] up"]


def test_an_instance_ends_with_its_processes_if_the_first_one_shows_no_sign_of_life(bench: Any, both: Any) -> None:
    both[0].send_signal(signal.SIGSTOP)
    assert both[1].wait(240) == 0
    assert (read_json_object(bench.folder / "instances/1/1/end.json") or {})["status"] == "canceled"
    assert not find_marked(bench.folder, "MLGIT_RUN_INSTANCE=1")


def test_the_log_of_an_instance_is_copied_by_lines_and_its_rest_once_when_there_will_be_no_more(tmp_path: Path) -> None:
    log, own = tmp_path / "user_logs/std_log.txt", tmp_path / "instances/1/1/user_logs/std_log.txt"
    for path in (log, own):
        path.parent.mkdir(parents=True)
    own.write_text("a\nb")
    copy_log(tmp_path, own.parent.parent)
    assert log.read_text() == "a\n"
    own.write_text("a\nb\nc")
    for _ in range(2):
        complete_log(tmp_path)
        assert log.read_text() == "a\nb\nc\n"


def test_the_address_of_a_machine_is_that_of_its_name_unless_that_leads_back_to_it() -> None:
    assert find_address("10.0.0.4") == "10.0.0.4"
    assert find_address("localhost") == "localhost"
    assert find_address("127.0.0.2") == "127.0.0.2"
