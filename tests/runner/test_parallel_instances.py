"""Parallel steps on several instances: mini-batches are handed out to all of them, and none is lost or doubled."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from runner.test_parallel_step import _ECHO, lines, prepare, reason
from workspaces import has_ended

from reconciler.model.parallel_work import ParallelWork
from reconciler.runner.parallel.batches import MiniBatch
from reconciler.runner.parallel.exchange import Exchange, MessageTooLongError
from reconciler.runner.parallel.other_instance import OtherInstance
from reconciler.runner.parallel.pool import Pool
from reconciler.runner.parallel.report import Report, StepFailedError
from reconciler.runner.parallel.settings import Settings

# Each worker waits in its first mini-batch until the others have one: without all of them the step does not go on.
_TOGETHER = """
import os, pathlib, time
folder = pathlib.Path("seen")

def run(mini_batch):
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 4:
        time.sleep(0.05)
    return [os.environ["AZUREML_CR_NODE_RANK"] for _ in mini_batch]
"""


def two(bench: Any, script: str, files: int = 5, **settings: Any) -> dict[str, Any]:
    """Return the changes of a spec that make it a parallel step on two instances."""
    return {**prepare(bench, script, files, **settings), "instances": 2, "distribution": {"type": "parallel"}}


def test_the_workers_of_all_instances_work_at_the_same_time_and_results_are_in_the_order_of_the_input(
    bench: Any,
) -> None:
    result = bench.run(**two(bench, _TOGETHER, 20, timeout=120))
    assert result["status"] == "completed", bench.log()
    assert sorted(set(lines(bench))) == ["0", "1"]
    assert len(lines(bench)) == 20
    assert result["metrics"] == {"mini_batches": 20.0, "mini_batches_done": 20.0, "mini_batches_failed": 0.0}
    assert "[instance 0] parallel: 20 files in 20 mini-batches, on 2 instances" in bench.log()
    assert not (bench.folder / "parallel" / "parts").exists()


def test_fewer_mini_batches_than_workers_are_spread_over_the_instances(bench: Any) -> None:
    script = _TOGETHER.replace("< 4", "< 2")
    result = bench.run(**two(bench, script, 2, concurrency=8, timeout=120))
    assert result["status"] == "completed", bench.log()
    assert sorted(lines(bench)) == ["0", "1"]


def test_a_mini_batch_that_takes_too_long_on_another_instance_is_tried_again_when_its_worker_has_ended(
    bench: Any,
) -> None:
    script = """
import os, pathlib, subprocess, time

begun = pathlib.Path("begun")

def init():
    while os.environ["AZUREML_CR_NODE_RANK"] == "0" and not begun.exists():
        time.sleep(0.05)

def run(mini_batch):
    begun.touch()
    name = mini_batch[0][-4:]
    calls = pathlib.Path("calls-" + name)
    calls.touch()
    running = pathlib.Path("running-" + name)
    if os.environ["AZUREML_CR_NODE_RANK"] == "1" and not calls.read_text():
        calls.write_text("late")
        child = subprocess.Popen(["sleep", "300"])
        print("child", child.pid, flush=True)
        running.write_text(str(os.getpid()))
        time.sleep(300)
    if running.exists():
        assert not pathlib.Path("/proc", running.read_text()).exists()
    time.sleep(0.5)
    return [name]
"""
    result = bench.run(**two(bench, script, 30, timeout=3, max_retries=30, mini_batch_error_threshold=0))
    assert result["status"] == "completed", bench.log()
    assert lines(bench) == [f"f{number:03d}" for number in range(30)]
    assert "failed (try 1 of 31): run() took longer than 3 s (retry_settings.timeout)" in bench.log()
    children = [int(number) for number in re.findall("child ([0-9]+)", bench.log())]
    assert children
    assert all(map(has_ended, children))


_FAILS_ON_THE_OTHER = """
import os, time

def {where}(*args):
    if os.environ["AZUREML_CR_NODE_RANK"] == "1":
        raise ValueError("no")
    {rest}
"""
_SLEEPS = "\n\ndef run(mini_batch):\n    time.sleep(300)\n"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            _FAILS_ON_THE_OTHER.format(where="run", rest="time.sleep(300)"),
            "ValueError: no (run(), entry.py:6): 1 of 20 mini-batches failed, mini_batch_error_threshold is 0",
        ),
        (_FAILS_ON_THE_OTHER.format(where="init", rest=_SLEEPS), "ValueError: no (init(), entry.py:6)"),
    ],
)
def test_what_fails_on_another_instance_is_the_reason_of_the_step(bench: Any, script: str, expected: str) -> None:
    assert reason(bench.run(**two(bench, script, 20, timeout=600, mini_batch_error_threshold=0))) == expected


def test_a_cancel_leaves_no_worker_of_any_instance(bench: Any) -> None:
    script = "import os, time\ndef run(batch):\n    print('worker', os.getpid(), flush=True)\n    time.sleep(300)\n"
    process = bench.start(**two(bench, script, timeout=200))
    bench.wait_for_log("worker ")
    bench.wait_until(lambda: bench.log().count("worker ") >= 4)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=180)
    assert bench.result()["status"] == "canceled"
    found = [int(number) for number in re.findall("worker ([0-9]+)", bench.log())]
    bench.wait_until(lambda: all(map(has_ended, found)))


@pytest.mark.slow
def test_no_item_is_lost_or_doubled_while_workers_of_both_instances_are_killed(bench: Any) -> None:
    calls = bench.root / "calls"
    calls.mkdir()
    note = f"""    import time
    rank = os.environ["AZUREML_CR_NODE_RANK"]
    call = os.path.join({str(calls)!r}, str(os.getpid()))
    with open(call, "w") as file:
        file.write(rank + " " + mini_batch[0][-4:])
    time.sleep(0.1 if rank == "1" else 0.3)
    os.remove(call)  # one that waits for a mini-batch is not killed: it would be for the next one, again and again
    return"""
    changes = two(bench, _ECHO.replace("    return", note), 300, max_retries=2, mini_batch_error_threshold=0)
    process = bench.start(**changes)
    killed: dict[str, set[str]] = {"0": set(), "1": set()}
    while process.poll() is None and min(map(len, killed.values())) < 3:
        instance = min(killed, key=lambda rank: len(killed[rank]))
        for worker in calls.iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # its mini-batch has ended meanwhile
                rank, _, file = worker.read_text().partition(" ")
                # A mini-batch whose workers are killed three times has failed.
                if rank == instance and file and file not in killed["0"] | killed["1"]:
                    worker.unlink()
                    os.kill(int(worker.name), signal.SIGKILL)
                    killed[instance].add(file)
                    break
        time.sleep(0.03)
    process.communicate(timeout=240)
    assert bench.result()["status"] == "completed", bench.log()
    assert lines(bench) == [f"f{number:03d}={number}" for number in range(300)]
    assert all(killed.values())
    assert bench.log().count("was ended by SIGKILL; another one") >= 2
    assert bench.result()["metrics"]["mini_batches_failed"] == 0


def exchanges(folder: Path, **limits: int) -> tuple[Exchange, Exchange]:
    return Exchange(folder, is_controller=True, **limits), Exchange(folder, is_controller=False, **limits)


def test_messages_arrive_once_in_their_order_and_only_when_they_are_whole(tmp_path: Path) -> None:
    controller, other = exchanges(tmp_path)
    assert other.receive() == []  # there is no file yet
    controller.send({"order": "start", "worker": 0})
    controller.send({"order": "give", "items": ["é\n"]})
    assert other.receive() == [{"order": "start", "worker": 0}, {"order": "give", "items": ["é\n"]}]
    assert other.receive() == []
    assert controller.receive() == []  # what it has written itself is not for it
    line = json.dumps({"order": "end"})
    with (tmp_path / "orders").open("a") as file:
        file.write(line[:5])
        file.flush()
        assert other.receive() == []
        file.write(f"{line[5:]}\n")
    assert other.receive() == [{"order": "end"}]


def test_a_message_that_takes_several_looks_arrives(tmp_path: Path) -> None:
    controller, other = exchanges(tmp_path)
    message = {"items": ["x" * (3 << 20)]}
    controller.send(message)
    received = [other.receive() for _ in range(4)]
    assert received == [[], [], [], [message]]


def test_no_message_is_longer_than_the_other_side_reads(tmp_path: Path) -> None:
    controller, other = exchanges(tmp_path, max_line=100)
    with pytest.raises(MessageTooLongError):
        controller.send({"items": ["x" * 100]})
    assert other.receive() == []
    (tmp_path / "orders").write_text("x" * 101)
    with pytest.raises(MessageTooLongError):
        other.receive()


def settings_of(folder: Path, **settings: Any) -> Settings:
    work = ParallelWork("entry.py", "data", **settings).to_json()
    fields = {name: value for name, value in work.items() if name not in {"input", "output", "file_name"}}
    return Settings(folder=str(folder), input_path="", append_to="", **fields)


class Played:
    """A controller with mini-batches of one file each, and an instance that the test plays, message by message."""

    def __init__(self, folder: Path, batches: int, workers: int, **settings: Any) -> None:
        controller, self.exchange = exchanges(folder)
        self.pool = Pool(
            settings_of(folder, **settings),
            [MiniBatch(number, (f"f{number}",)) for number in range(batches)],
            [OtherInstance(1, controller)],
            Report("INFO"),
        )
        self.thread = threading.Thread(target=self.pool.run, daemon=True)
        self.thread.start()
        self.say("hello", workers=workers)
        self.orders: list[dict[str, Any]] = []

    def say(self, event: str, **fields: Any) -> None:
        self.exchange.send({"event": event, **fields})

    def order(self) -> tuple[Any, ...]:
        """Return the next order: what, of which worker, and the mini-batch."""
        deadline = time.monotonic() + 120
        while not self.orders:
            assert time.monotonic() < deadline, "no order came"
            self.orders += self.exchange.receive()
            time.sleep(0.01)
        order = self.orders.pop(0)
        return tuple(order[name] for name in ("order", "worker", "batch") if name in order)

    def finish(self, *workers: int) -> None:
        """End the workers as they are told."""
        for worker in workers:
            assert self.order() == ("stop", worker)
        for worker in workers:
            self.say("stopped", worker=worker)
            self.say("ended", worker=worker, code=0)
        assert self.order() == ("end",)
        self.thread.join(120)
        assert not self.thread.is_alive()


def test_each_worker_gets_one_mini_batch_at_a_time_and_that_of_a_killed_one_comes_first(tmp_path: Path) -> None:
    played = Played(tmp_path, batches=4, workers=2)
    assert [played.order(), played.order()] == [("start", 0), ("start", 1)]
    played.say("ready", worker=1)
    assert played.order() == ("give", 1, 0)
    played.say("ready", worker=0)
    assert played.order() == ("give", 0, 1)
    played.say("ended", worker=1, code=-9)
    assert played.order() == ("start", 2)
    played.say("ready", worker=2)
    assert played.order() == ("give", 2, 0)
    for worker, done, following in ((2, 0, 2), (0, 1, 3)):
        played.say("done", worker=worker, batch=done, results=1)
        assert played.order() == ("give", worker, following)
    played.say("done", worker=2, batch=2, results=1)
    played.say("done", worker=0, batch=3, results=1)
    played.finish(0, 2)
    assert played.pool.done == {0, 1, 2, 3}
    assert played.pool.progress == (4, 4, 0)


def test_the_mini_batch_of_a_late_worker_goes_to_no_other_before_it_has_ended(tmp_path: Path) -> None:
    played = Played(tmp_path, batches=2, workers=2, timeout=5)
    assert [played.order(), played.order()] == [("start", 0), ("start", 1)]
    played.say("ready", worker=0)
    assert played.order() == ("give", 0, 0)
    assert played.order() == ("kill", 0)
    played.say("ready", worker=1)
    assert played.order() == ("give", 1, 1)
    played.say("done", worker=1, batch=1, results=1)
    time.sleep(1)
    assert played.exchange.receive() == []
    played.say("ended", worker=0, code=-9)
    assert played.order() == ("give", 1, 0)
    played.say("done", worker=1, batch=0, results=1)
    played.finish(1)
    assert played.pool.done == {0, 1}


def test_what_a_worker_has_done_before_it_is_killed_for_being_late_counts_once(tmp_path: Path) -> None:
    played = Played(tmp_path, batches=1, workers=1, timeout=5)
    assert played.order() == ("start", 0)
    played.say("ready", worker=0)
    assert played.order() == ("give", 0, 0)
    assert played.order() == ("kill", 0)
    played.say("done", worker=0, batch=0, results=1)
    assert played.order() == ("stop", 0)
    played.say("ended", worker=0, code=-9)
    played.finish()
    assert played.pool.done == {0}


def test_a_mini_batch_that_is_too_long_for_a_message_fails_the_step(tmp_path: Path) -> None:
    controller, other = exchanges(tmp_path, max_line=1000)
    pool = Pool(settings_of(tmp_path), [MiniBatch(0, ("x" * 1000,))], [OtherInstance(1, controller)], Report("INFO"))
    other.send({"event": "hello", "workers": 1})

    def get_ready() -> None:
        while not other.receive():
            time.sleep(0.01)
        other.send({"event": "ready", "worker": 0})

    threading.Thread(target=get_ready, daemon=True).start()
    with pytest.raises(StepFailedError, match="mini_batch_size is too large for several instances"):
        pool.run()
