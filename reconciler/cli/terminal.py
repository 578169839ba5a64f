"""What needs rich: tables that fit the terminal, the display of status --watch, and the progress of an apply."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from typing import Self

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reconciler.cli.console import echo, print_coloured_lines, print_table
from reconciler.cli.progress import ProgressDisplay, format_run_status, format_tree, wrap_line
from reconciler.cli.step_display import MAX_ENDED_STEPS, StepEventLog, StepReader
from reconciler.diagnostics import UserError
from reconciler.model import Action, Event, Op, Progress, Run, RunStatus
from reconciler.render.sanitize import sanitize_line
from reconciler.render.sentences import action_sentence, finished_sentence
from reconciler.render.step_descriptions import StepView

_PROGRESS_MARKS = {
    Progress.DONE: ("✓", "green"),
    Progress.FAILED: ("✗", "red"),
    Progress.SKIPPED: ("-", "dim"),
    Progress.WAITING: ("…", "dim"),
    Progress.LOCKED: ("…", "yellow"),
}
_COLUMN_GAP = 1  # columns
_NUMBER = re.compile(r"\d+")
_UNLIMITED_WIDTH = 10_000  # columns; output to a file or a pipe is never cut off


def make_console() -> Console:
    """Return a console on standard output; output to a file or a pipe is never cut off."""
    width = None if sys.stdout.isatty() else _UNLIMITED_WIDTH
    return Console(width=width, highlight=False, soft_wrap=True, emoji=False)


def print_fitted_table(headings: Sequence[str], rows: Sequence[Sequence[str]], console: Console | None = None) -> None:
    """Print sanitized rows in columns. If they are too wide the last ones are left out; the first is never cut off."""
    console = console or make_console()
    table, visible = _build_table(headings, rows, console.width)
    console.print(table, soft_wrap=False, no_wrap=True, crop=False)
    if headings[visible:]:
        omitted = ", ".join(headings[visible:])
        console.print(Text(f"(too narrow for {omitted}: use --format json)", "dim"))


def _build_table(heads: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> tuple[Table, int]:
    """Return a table of rows, and the number of columns that fit."""
    visible = _count_fitting_columns(heads, cells, width)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads[:visible]):
        table.add_column(head, no_wrap=index == 0, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row[:visible]))
    return table, visible


def _count_fitting_columns(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> int:
    """Return how many columns fit side by side; at least two, of which the second may be wrapped."""
    room = width + _COLUMN_GAP
    for index, cells in enumerate(zip(heads, *rows, strict=True)):
        room -= max(cell_len(cell) for cell in cells) + _COLUMN_GAP
        if room < 0:
            return max(index, 2)
    return len(heads)


class StatusDisplay:
    """Shows a table and lines that are updated: in place on a terminal, else once and then each new line."""

    def __init__(self, heads: Sequence[str]) -> None:
        self._headings = heads
        self._console = make_console()
        self._display = Live(console=self._console, auto_refresh=False)
        self._printed_lines: set[str] | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def update(self, rows: Sequence[Sequence[str]], lines: Sequence[str]) -> None:
        """Show the current table and lines."""
        cells = [[sanitize_line(cell) for cell in row] for row in rows]
        if self._console.is_terminal:
            table, _ = _build_table(self._headings, cells, self._console.width)
            below = Text("\n".join(map(sanitize_line, lines)))
            self._display.update(Group(table, below), refresh=True)
            return
        current_lines = ["  ".join(filter(None, row)) for row in cells] + [line for line in lines if line]
        if self._printed_lines is None:
            print_table(self._headings, rows)
            print_coloured_lines("\n".join(lines))
        else:
            for line in current_lines:
                if line not in self._printed_lines:
                    print_coloured_lines(line)
        sys.stdout.flush()
        self._printed_lines = {*current_lines}


class TerminalApplyListener:
    """Shows the progress of an apply: one line for each finished action, and below it one for each running action.

    ``reader`` reads the steps of runs and the last lines of their logs.
    """

    def __init__(self, reader: StepReader, console: Console | None = None) -> None:
        self._console = console or make_console()
        self._reader = reader
        self._step_events = StepEventLog()
        self._started_at: dict[str, float] = {}
        self._printed: dict[str, str] = {}
        self._progress_display = ProgressDisplay(self._console)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress_display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress_display.stop()

    def on_event(self, event: Event) -> None:
        """Show one event."""
        key = str(event.action.key)
        match event.progress:
            case Progress.STARTED:
                self._started_at[key] = time.monotonic()
                if self._console.is_terminal:
                    self._progress_display.show_action(key, action_sentence(event.action))
            case Progress.MESSAGE:
                self._printed[key] = event.message
                self._progress_display.show_action(key, str(event.action.address), event.message, event.read_transfer)
                self._print_once(f"{event.action.address}: {event.message}")
            case _:
                self._progress_display.remove_action(event.action)
                self._print_finished_action(event)

    def on_note(self, text: str) -> None:
        """Show a note below the actions."""
        self._print_line(Text(f"  {sanitize_line(text)}", "dim"))

    def on_running_runs(self, runs: tuple[Run, ...]) -> None:
        """Show the runs that the apply waits for, and their steps."""
        views = [self._reader.read_view(run, with_logs=self._console.is_terminal) for run in runs]
        if self._console.is_terminal:
            self._progress_display.show_runs(views, self._read_last_log_line)
            return
        for view in views:
            if view.steps:
                self._print_step_events(view)
                continue
            run, log_line = view.run, self._read_last_log_line(view.run)
            status = f"run {run.id} is {run.status}: {log_line}" if log_line else format_run_status(run)
            # A place in a queue changes often: of messages that differ in numbers the first one is enough.
            self._print_once(f"{run.address}: {status}", "" if log_line else f"{run.id} {_NUMBER.sub('', status)}")

    def _print_step_events(self, view: StepView) -> None:
        for line in self._step_events.new_lines(view):
            self._print_line(Text(f"  {view.run.address}: {line}"))

    def _read_last_log_line(self, run: Run) -> str:
        return "".join(self._reader.read_log_tail(run)[-1:])

    def _print_once(self, line: str, key: str = "") -> None:
        """Print a progress line once, if it cannot be drawn in place; ``key`` is what is equal of equal lines."""
        line = sanitize_line(line)
        key = key or line
        if not self._console.is_terminal and key not in self._printed:
            self._printed[key] = ""
            self._print_line(Text(f"  {line}"))

    def _print_finished_action(self, event: Event) -> None:
        failed_run = _failed_run(event.action)
        view = self._ended_view(event.action)
        if view and not self._console.is_terminal:
            self._print_step_events(view)
        symbol, style = _PROGRESS_MARKS[Progress.FAILED if failed_run else event.progress]
        is_done = event.progress is Progress.DONE
        line = Text.assemble(
            (f"  {symbol} ", style),
            finished_sentence(event.action) if is_done else action_sentence(event.action),
            (self._format_duration(str(event.action.key)), "dim"),
        )
        if event.progress is Progress.SKIPPED:
            line.append(f": skipped {sanitize_line(event.message)}", "dim")
        if event.progress is Progress.LOCKED:
            line.append(f": {sanitize_line(event.message)}", "yellow")
        self._print_line(line)
        if view and self._console.is_terminal:
            for tree_line in format_tree(view, MAX_ENDED_STEPS):
                for part in wrap_line(self._console, tree_line, 6):
                    self._print_line(part)
        if failed_run:
            self._print_failed_run(failed_run)
        self._print_problems(event.error, style)

    def _print_problems(self, error: Exception | None, style: str) -> None:
        for diagnostic in error.diagnostics if isinstance(error, UserError) else ():
            place = f"{diagnostic.span}: " if diagnostic.span else ""
            self._print_line(Text(sanitize_line(f"      {place}{diagnostic.message} [{diagnostic.code}]"), style))
            if diagnostic.hint:
                self._print_line(Text(sanitize_line(f"      help: {diagnostic.hint}")))
            for example_line in diagnostic.example:
                self._print_line(Text(sanitize_line(f"        {example_line}"), "dim"))

    def _ended_view(self, action: Action) -> StepView | None:
        """Return the steps of a run that has ended, if an action records it and it has some."""
        if action.op is not Op.RECORD or action.run is None:
            return None
        view = self._reader.read_view(action.run, with_logs=False)
        return view if view.steps else None

    def _print_failed_run(self, run: Run) -> None:
        view = self._reader.read_view(run, with_logs=False)
        tail = () if view.steps else self._reader.read_log_tail(run)
        message = f"{run.message}{'; the last lines of its log:' if tail else ''}" if run.message else ""
        for line in (message, *(f"| {log_line}" for log_line in tail)) if message else ():
            self._print_line(Text(f"      {sanitize_line(line)}", "dim"))
        for line in self._reader.failure_lines(view):
            self._print_line(Text(f"      {sanitize_line(line)}", "dim"))

    def _print_line(self, line: Text) -> None:
        """Print a line; without rich if there is no terminal, because an apply may print ten thousand."""
        if self._console.is_terminal:
            self._console.print(line)
        else:
            echo(line.plain)

    def _format_duration(self, key: str) -> str:
        seconds = time.monotonic() - self._started_at.get(key, time.monotonic())
        return f" ({seconds:.1f} s)" if seconds >= 1 else ""


def _failed_run(action: Action) -> Run | None:
    """Return the run that an action records if it did not complete, else None."""
    run = action.run if action.op is Op.RECORD else None
    return run if run and run.status is not RunStatus.COMPLETED else None
