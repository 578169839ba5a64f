"""Live progress on a terminal: one line for each running action or run, with its duration and last message."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from workspaces import until

from reconciler.cli.terminal import TerminalApplyListener
from reconciler.model import Action, Address, Event, Op, Progress, Run, RunStatus

WIDTH = 80


def console(width: int = WIDTH, *, drawing: bool = True) -> Console:
    return Console(width=width, height=20, file=io.StringIO(), force_terminal=drawing, color_system=None)


def building(name: str) -> Action:
    return Action(Op.BUILD, Address("environment", name), reason="it is new")


def run(seconds: int, name: str = "train") -> Run:
    started = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Run(f"{name}-0a1b2c3d", Address("job", name), "", "", 1, "local", RunStatus.RUNNING, started_at=started)


def drawn(output: Console, *words: str) -> str:
    """Wait until one frame has all words, and return it."""

    def last_frame() -> str:
        frame = "".join(output.file.getvalue().split("\x1b[2K")[-12:])
        return frame if all(word in frame for word in words) else ""

    return until(last_frame)


def test_each_running_action_and_run_has_a_line_with_its_duration_and_last_message():
    output = console()
    with TerminalApplyListener(lambda _: ("epoch 2, loss 0.5", "epoch 3, loss 0.25"), output) as progress:
        for name in ("plain", "gpu"):
            progress.on_event(Event(Progress.STARTED, building(name)))
        progress.on_event(Event(Progress.MESSAGE, building("gpu"), "installing numpy"))
        progress.on_running_runs((run(125), run(4000, "tune")))
        frame = drawn(output, "plain", "numpy", "train", "tune")
    assert re.search(r"environment/gpu \(\d s\): installing numpy", frame)
    assert re.search(r"job/train \(2 min 0\d s\): epoch 3, loss 0.25", frame)
    assert "job/tune (1 h 06 min): epoch 3" in frame


def test_a_finished_action_has_no_progress_line():
    output = console()
    with TerminalApplyListener(lambda _: (), output) as progress:
        progress.on_running_runs((run(1),))
        drawn(output, "job/train (", "run train-0a1b2c3d is running")
        progress.on_running_runs(())
        progress.on_event(Event(Progress.STARTED, building("plain")))
        drawn(output, "environment/plain")
        progress.on_event(Event(Progress.DONE, building("plain")))
        output.file.seek(0)
        output.file.truncate()
        progress.on_event(Event(Progress.STARTED, building("gpu")))
        assert "environment/plain" not in drawn(output, "environment/gpu")


@pytest.mark.parametrize("width", [40, 80])
def test_a_line_leaves_room_for_the_echo_of_ctrl_c(width):
    output = console(width)
    with TerminalApplyListener(lambda _: ("x" * 500,), output) as progress:
        progress.on_running_runs((run(1),))
        frame = drawn(output, "job/train")
    lines = [re.sub(r"\x1b\[[?0-9]*[a-zA-Z]|\r", "", line) for line in frame.split("\n") if "job/train" in line]
    assert {len(line) for line in lines} == {width - len("^C") - 1}


def test_lines_that_do_not_fit_are_counted():
    output = console()
    with TerminalApplyListener(lambda _: (), output) as progress:
        for number in range(30):
            progress.on_event(Event(Progress.STARTED, building(f"e{number}")))
        drawn(output, "and 21 more")


def test_without_a_terminal_each_line_is_printed_once(capsys):
    with TerminalApplyListener(lambda _: ("epoch 3",), console(drawing=False)) as progress:
        for _ in range(3):
            progress.on_running_runs((run(5),))
        progress.on_event(Event(Progress.STARTED, building("plain")))
    assert capsys.readouterr().out == "  job/train: run train-0a1b2c3d is running: epoch 3\n"
