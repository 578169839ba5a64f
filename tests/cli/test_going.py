"""What goes on, on a terminal: a line for each, with how long it takes and what it said last."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from workspaces import until

from reconciler.cli.terminal import Terminal, TerminalApplyListener
from reconciler.model import Action, Address, Event, Op, Progress, Run, RunStatus

WIDTH = 80


def console(width: int = WIDTH, *, drawing: bool = True) -> Console:
    return Console(width=width, height=20, file=io.StringIO(), force_terminal=drawing, color_system=None)


def terminal(shown: Console) -> Terminal:
    made = Terminal()
    made.console = shown
    return made


def building(name: str) -> Action:
    return Action(Op.BUILD, Address("environment", name), reason="it is new")


def run(seconds: int, name: str = "train") -> Run:
    began = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Run(f"{name}-0a1b2c3d", Address("job", name), "", "", 1, "local", RunStatus.RUNNING, started_at=began)


def drawn(shown: Console, *words: str) -> str:
    """Wait until all words stand in one picture, and return that."""

    def look() -> str:
        pictures = shown.file.getvalue().split("\x1b[2K")
        return next((each for each in ["".join(pictures[-12:])] if all(word in each for word in words)), "")

    return until(look)


def test_each_action_and_run_that_goes_on_has_a_line_with_its_time_and_last_word():
    shown = console()
    with TerminalApplyListener(terminal(shown), lambda _: "epoch 3, loss 0.25") as progress:
        for name in ("plain", "gpu"):
            progress.on_event(Event(Progress.STARTED, building(name)))
        progress.on_event(Event(Progress.MESSAGE, building("gpu"), "installing numpy"))
        progress.on_running_runs((run(125), run(4000, "tune")))
        picture = drawn(shown, "plain", "numpy", "train", "tune")
    assert "environment/gpu (0 s): installing numpy" in picture
    assert "job/train (2 min 05 s): epoch 3, loss 0.25" in picture
    assert "job/tune (1 h 06 min): epoch 3" in picture


def test_what_has_ended_is_drawn_no_more():
    shown = console()
    with TerminalApplyListener(terminal(shown), lambda _: "") as progress:
        progress.on_running_runs((run(1),))
        drawn(shown, "job/train (1 s): run train-0a1b2c3d is running")
        progress.on_running_runs(())
        progress.on_event(Event(Progress.STARTED, building("plain")))
        drawn(shown, "environment/plain")
        progress.on_event(Event(Progress.DONE, building("plain")))
        shown.file.seek(0)
        shown.file.truncate()
        progress.on_event(Event(Progress.STARTED, building("gpu")))
        assert "environment/plain" not in drawn(shown, "environment/gpu")


@pytest.mark.parametrize("width", [40, 80])
def test_a_line_leaves_room_for_what_a_terminal_writes_when_it_is_interrupted(width):
    shown = console(width)
    with TerminalApplyListener(terminal(shown), lambda _: "x" * 500) as progress:
        progress.on_running_runs((run(1),))
        picture = drawn(shown, "job/train")
    lines = [re.sub(r"\x1b\[[?0-9]*[a-zA-Z]|\r", "", part) for part in picture.split("\n") if "job/train" in part]
    assert {len(line) for line in lines} == {width - len("^C") - 1}


def test_more_than_there_is_room_for_is_counted():
    shown = console()
    with TerminalApplyListener(terminal(shown), lambda _: "") as progress:
        for number in range(30):
            progress.on_event(Event(Progress.STARTED, building(f"e{number}")))
        drawn(shown, "and 21 more")


def test_where_nothing_can_be_drawn_each_line_is_said_once(capsys):
    with TerminalApplyListener(terminal(console(drawing=False)), lambda _: "epoch 3") as progress:
        for _ in range(3):
            progress.on_running_runs((run(5),))
        progress.on_event(Event(Progress.STARTED, building("plain")))
    assert capsys.readouterr().out == "  job/train: run train-0a1b2c3d is running: epoch 3\n"
