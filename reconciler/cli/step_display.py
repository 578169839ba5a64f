"""The steps of runs that go on: a tree that is drawn in place on a terminal, elsewhere a line for each event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from reconciler.cli.console import echo_line
from reconciler.cli.progress import ProgressDisplay, format_tree, wrap_line
from reconciler.model import Run, RunStatus, StepRun
from reconciler.model.backend import Backend
from reconciler.project.run_log import read_log_tail
from reconciler.project.steps import report_known_steps, step_log_run
from reconciler.render.step_descriptions import StepView, make_view
from reconciler.render.step_tree import step_event_lines
from reconciler.timestamps import utc_timestamp

MAX_ENDED_STEPS = 40  # lines of the tree of a run that has ended
_POLL_SECONDS = 0.4
_MAX_LOGS = 8  # that are read for one frame
_MAX_FAILED = 3  # steps whose logs are shown


@dataclass(frozen=True)
class StepReader:
    """Reads the steps of runs, and the ends of logs, from the backends that have them."""

    backends: Mapping[str, Backend]

    def read_view(self, run: Run, *, with_logs: bool) -> StepView:
        """Return a run with its steps as they are now, ``with_logs`` with the last lines of some that run."""
        steps = self.read_steps(run)
        running = [step for step in steps if step.status is RunStatus.RUNNING and step.handle] if with_logs else []
        tails = ((step.step, self.read_log_tail(step_log_run(run, step))) for step in running[:_MAX_LOGS])
        return make_view(run, steps, utc_timestamp("milliseconds"), {path: tail[-1] for path, tail in tails if tail})

    def read_steps(self, run: Run) -> tuple[StepRun, ...]:
        """Return the steps of a run as they are now; none if they cannot be read."""
        return report_known_steps(self.backends, run)

    def read_log_tail(self, run: Run) -> Sequence[str]:
        """Return the last lines of the log of a run."""
        return read_log_tail(self.backends, run)

    def failure_lines(self, view: StepView) -> Iterator[str]:
        """Yield the last lines of the logs of the first steps that have failed, and why, if the run does not say it."""
        failed = [step for step in view.steps if step.status is RunStatus.FAILED and not step.is_trial]
        for step in failed[:_MAX_FAILED]:
            tail = self.read_log_tail(step_log_run(view.run, step))
            if tail or step.message not in view.run.message:
                yield f"{step.step}: {step.message}{'; the last lines of its log:' if tail else ''}"
            yield from (f"| {line}" for line in tail)


@dataclass(slots=True)
class StepEventLog:
    """Remembers which changes of the steps of runs were printed."""

    _printed: dict[str, dict[str, StepRun]] = field(default_factory=dict)

    def new_lines(self, view: StepView) -> list[str]:
        """Return a line for each change of a step since the last call for the same run."""
        lines = step_event_lines(view, self._printed.get(view.run.id, {}))
        self._printed[view.run.id] = {step.step: step for step in view.steps}
        return lines


def follow_steps(run: Run, reader: StepReader, poll: Callable[[], Run], console: Console) -> Run:
    """Show the steps of a run until it has ended, and then how they ended; return the run as it is reported then."""
    display, events = ProgressDisplay(console), StepEventLog()
    if console.is_terminal:
        display.start()
    try:
        while True:
            run = poll()  # before its steps, which are final once it has ended
            view = reader.read_view(run, with_logs=console.is_terminal)
            if console.is_terminal:
                display.show_runs([view], lambda _run: "")
            else:
                _print_lines(events.new_lines(view))
            if not run.status.is_active:
                break
            time.sleep(_POLL_SECONDS)
    finally:
        display.stop()
    if console.is_terminal:
        print_tree(console, view)
    _print_lines(reader.failure_lines(view))
    return run


def print_tree(console: Console, view: StepView) -> None:
    """Print the steps of a run as they are, each behind a mark of its state."""
    for line in format_tree(view, MAX_ENDED_STEPS):
        for part in wrap_line(console, line, 2):
            console.print(part)


def _print_lines(lines: Sequence[str] | Iterator[str]) -> None:
    for line in lines:
        echo_line(f"  {line}")
