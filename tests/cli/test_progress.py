"""Live progress on a terminal: one line for each running action or run, with its duration and last message."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from rich.text import Text
from workspaces import until

from reconciler.cli.progress import wrap_line
from reconciler.cli.step_display import StepReader, follow_steps
from reconciler.cli.terminal import TerminalApplyListener
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model import DRIVER, Action, Address, Event, Handle, Op, Progress, Run, RunStatus, StepRun
from reconciler.model.transfers import RunningTransfer, TransferProgress

WIDTH = 80


class Logs(StepReader):
    """Every log ends with the same lines; the steps of a run are those that are set."""

    def __init__(self, tail: tuple[str, ...] = (), steps: tuple[StepRun, ...] = ()) -> None:
        super().__init__({DRIVER: self})
        self.tail, self.known_steps = tail, steps

    def read_log_tail(self, run: Run) -> tuple[str, ...]:
        return self.tail

    def steps(self, handle: Handle) -> tuple[StepRun, ...]:
        return self.known_steps


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
    with TerminalApplyListener(Logs(("epoch 2, loss 0.5", "epoch 3, loss 0.25")), output) as progress:
        for name in ("plain", "gpu"):
            progress.on_event(Event(Progress.STARTED, building(name)))
        progress.on_event(Event(Progress.MESSAGE, building("gpu"), "installing numpy"))
        progress.on_running_runs((run(125), run(3970, "tune")))
        frame = drawn(output, "plain", "numpy", "train", "tune")
    assert re.search(r"environment/gpu \(\d+ s\): installing numpy", frame)
    assert re.search(r"job/train \(2 min \d\d s\): epoch 3, loss 0.25", frame)
    assert "job/tune (1 h 06 min): epoch 3" in frame


def test_a_transfer_is_a_bar_with_files_bytes_and_rate_as_it_is_at_that_moment():
    """The event comes once: how far the transfer is by now is asked whenever the line is drawn."""
    output, moment = console(160), TransferProgress("uploading", 1, 4, 10_000_000, 40_000_000)
    upload = Event(
        Progress.MESSAGE, building("gpu"), "uploading", read_transfer=lambda: RunningTransfer(moment, seconds=5)
    )
    with TerminalApplyListener(Logs(), output) as progress:
        progress.on_event(upload)
        frame = drawn(output, "uploading 1 of 4 files, 10.0 MB of 40.0 MB, 2.0 MB/s")
        begun = len(re.findall("━", frame.splitlines()[-1]))
        moment = moment._replace(files=3, done=30_000_000)
        frame = drawn(output, "uploading 3 of 4 files, 30.0 MB of 40.0 MB, 6.0 MB/s")
        assert (begun, len(re.findall("━", frame.splitlines()[-1]))) == (7, 22)
        progress.on_event(Event(Progress.MESSAGE, building("gpu"), "registering"))
        assert "━" not in drawn(output, "): registering").splitlines()[-1]


def test_a_transfer_is_a_line_without_a_terminal(capsys):
    transfer = RunningTransfer(TransferProgress("uploading", 1, 4, 10_000_000, 40_000_000), 5)
    progress = TerminalApplyListener(Logs(), console(drawing=False))
    progress.on_event(Event(Progress.MESSAGE, building("gpu"), str(transfer), read_transfer=lambda: transfer))
    line = "  environment/gpu: uploading 1 of 4 files, 10.0 MB of 40.0 MB, 2.0 MB/s\n"
    assert capsys.readouterr().out == line


def test_a_finished_action_has_no_progress_line():
    output = console()
    with TerminalApplyListener(Logs(), output) as progress:
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


def test_the_last_lines_of_a_build_that_failed_are_lines_of_their_own():
    lines = ("#6 0.4 pip: not found", "#6 \x1b[31mERROR\x1b[0m: exit code: 127")
    problem = Diagnostic("environment-build-failed", "it ended", hint="the log is in x; its last lines:", example=lines)
    output = console()
    with TerminalApplyListener(Logs(), output) as progress:
        progress.on_event(Event(Progress.FAILED, building("plain"), error=UserError(problem)))
    shown = [re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\r", "", line).rstrip() for line in output.file.getvalue().split("\n")]
    start = shown.index("      it ended [environment-build-failed]")
    assert shown[start + 1 : start + 4] == [
        "      help: the log is in x; its last lines:",
        "        #6 0.4 pip: not found",
        "        #6 \\x1b[31mERROR\\x1b[0m: exit code: 127",
    ]


@pytest.mark.parametrize("width", [40, 80])
def test_a_line_leaves_room_for_the_echo_of_ctrl_c(width):
    output = console(width)
    with TerminalApplyListener(Logs(("x" * 500,)), output) as progress:
        progress.on_running_runs((run(1),))
        frame = drawn(output, "job/train")
    lines = [re.sub(r"\x1b\[[?0-9]*[a-zA-Z]|\r", "", line) for line in frame.split("\n") if "job/train" in line]
    assert {len(line) for line in lines} == {width - len("^C") - 1}


def test_lines_that_do_not_fit_are_counted():
    output = console()
    with TerminalApplyListener(Logs(), output) as progress:
        for number in range(30):
            progress.on_event(Event(Progress.STARTED, building(f"e{number}")))
        drawn(output, "and 21 more")


def test_without_a_terminal_each_line_is_printed_once(capsys):
    with TerminalApplyListener(Logs(("epoch 3",)), console(drawing=False)) as progress:
        for _ in range(3):
            progress.on_running_runs((run(5),))
        progress.on_event(Event(Progress.STARTED, building("plain")))
    assert capsys.readouterr().out == "  job/train: run train-0a1b2c3d is running: epoch 3\n"


HANDLE = Handle("local", "1")
PIPELINE = Run("train-0a1b2c3d", Address("job", "train"), "", "", 1, DRIVER, RunStatus.RUNNING, handle=HANDLE)
STEPS = (
    StepRun("prepare", RunStatus.COMPLETED, reused_from="train-00000000/prepare"),
    StepRun("train", RunStatus.RUNNING, handle=HANDLE, backend="local", reason="code: train.py changed"),
    StepRun("evaluate", RunStatus.NOT_STARTED, needs=("train",)),
)


def test_a_running_pipeline_has_its_steps_below_it_with_the_last_line_of_their_logs():
    output = console()
    with TerminalApplyListener(Logs(("epoch 3",), STEPS), output) as progress:
        progress.on_running_runs((PIPELINE,))
        frame = drawn(output, "evaluate")
    assert "3 steps: 1 running, 1 reused, 1 not started" in frame
    assert re.search(r"= prepare +reused +from train-00000000/prepare", frame)
    assert re.search(r"train +running +epoch 3", frame)
    assert re.search(r"evaluate +not started +after train", frame)


@pytest.mark.parametrize(("width", "height"), [(80, 6), (20, 12), (10, 3)])
def test_many_steps_never_take_more_than_the_terminal_has(width, height):
    output = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    many = tuple(replace(STEPS[1], step=f"step{number}") for number in range(1000))
    with TerminalApplyListener(Logs(("x" * 500,), many), output) as progress:
        progress.on_running_runs((PIPELINE,))
        lines = output.render_lines(progress._progress_display._render())
    assert len(lines) < height
    text = ["".join(segment.text for segment in line).rstrip() for line in lines]
    assert all(len(line) <= width - 3 for line in text)


def test_without_a_terminal_each_change_of_a_step_is_printed_once(capsys):
    logs = Logs(steps=STEPS)
    with TerminalApplyListener(logs, console(drawing=False)) as progress:
        for _ in range(3):
            progress.on_running_runs((PIPELINE,))
        logs.known_steps = (STEPS[0], replace(STEPS[1], status=RunStatus.FAILED, message="it failed"), STEPS[2])
        ended = replace(PIPELINE, status=RunStatus.FAILED, message="train failed")
        progress.on_event(Event(Progress.DONE, Action(Op.RECORD, ended.address, version=ended.id, run=ended)))
    assert capsys.readouterr().out.splitlines() == [
        "  job/train: prepare: reused from train-00000000/prepare",
        "  job/train: train: running on local",
        "  job/train: train: failed: it failed",
        "  ✗ job/train: run train-0a1b2c3d failed",
        "      train failed",
        "      train: it failed",
    ]


def test_a_step_that_is_wider_than_the_terminal_goes_on_behind_its_mark():
    step = Text("  ✓ tune.0  completed  best: accuracy 0.95; lr 0.2")
    assert [part.plain.rstrip() for part in wrap_line(console(40), step, 2)] == [
        "    ✓ tune.0  completed  best:",
        "      accuracy 0.95; lr 0.2",
    ]
    assert [part.plain for part in wrap_line(console(80), step, 2)] == [f"  {step.plain}"]


def test_a_run_is_followed_to_its_end_and_its_steps_are_shown_as_they_ended():
    output, logs = console(), Logs(steps=STEPS)
    ended = replace(PIPELINE, status=RunStatus.COMPLETED)
    states = iter([PIPELINE, ended])

    def poll() -> Run:
        run = next(states)
        if run is ended:
            logs.known_steps = (STEPS[0], replace(STEPS[1], status=RunStatus.COMPLETED))
        return run

    assert follow_steps(PIPELINE, logs, poll, output) == ended
    assert output.file.getvalue().rpartition("\x1b[2K")[2].splitlines() == [
        "  = prepare  reused     from train-00000000/prepare",
        "  ✓ train    completed  because code: train.py changed",
    ]
