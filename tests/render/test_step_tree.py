"""The tree of the steps of a run: a line for each, with its state, time, reason and result; never more than fits."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import Address, Run, RunStatus, StepRun
from reconciler.render.step_descriptions import StepView
from reconciler.render.step_states import summarize_steps
from reconciler.render.step_tree import step_event_lines, tree_lines

NOW = "2026-11-29T12:01:00Z"
SPEC = {"jobs": {"tune": {"objective": {"primary_metric": "accuracy", "goal": "maximize"}}}}
RUN = Run("train-1a2b3c4d", Address("job", "train"), "", "", 1, "driver", RunStatus.RUNNING, spec=SPEC)
COMPLETED, FAILED, RUNNING = RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.RUNNING


def at(second: float) -> str:
    return f"2026-11-29T12:{int(second) // 60:02}:{second % 60:06.3f}Z"


def step(path: str, status: RunStatus, start: float | None = None, end: float | None = None, **fields) -> StepRun:
    times = {"started_at": at(start) if start is not None else "", "ended_at": at(end) if end is not None else ""}
    return StepRun(path, status, **{"backend": "local", "attempt": 1, **times, **fields})


def trial(number: int, status: RunStatus, *times: float, lr: float, batch: int = 32, **fields) -> StepRun:
    return step(f"tune.{number}", status, *times, params={"lr": lr, "batch": batch}, **fields)


ENDED = "its command ended with exit code 3"
STEPS = (
    step("prepare", COMPLETED, 0, 9, reused_from="train-0a1b2c3d/prepare"),
    step("features.clean", COMPLETED, 13, 17, reason="code: clean.py changed", metrics={}),
    step("tune", RUNNING, 20, reason="inputs.lr 0.1 -> 0.2"),
    trial(0, COMPLETED, 20, 30, lr=0.1, metrics={"loss": 1.0, "accuracy": 0.9125}),
    trial(1, COMPLETED, 20, 30, lr=0.2, metrics={"accuracy": 0.5}, is_best=True, best_value=0.95),  # not its last value
    trial(2, FAILED, 30, 35, lr=0.4, batch=64, message="out of memory\nTraceback"),
    trial(3, RUNNING, 40, lr=0.4, metrics={"accuracy": 0.5}),
    trial(4, RunStatus.QUEUED, lr=0.1, batch=64),
    step("features.join", FAILED, 17.5, 20, message=ENDED, exit_code=3, reason="no earlier run"),
    step("evaluate", RunStatus.NOT_STARTED, needs=("prepare", "tune")),
)


def lines_of(view: StepView, limit: int | None = None) -> list[str]:
    return [line.text for line in tree_lines(view, limit)]


def changed(path: str, **fields) -> StepRun:
    return next(replace(item, **fields) for item in STEPS if item.step == path)


def test_each_step_has_a_line_with_its_state_time_reason_and_result(golden):
    golden("render/step-tree.txt", "\n".join(lines_of(StepView(RUN, STEPS, NOW))) + "\n")


def test_a_step_that_runs_shows_the_last_line_of_its_log(golden):
    view = StepView(RUN, STEPS, NOW, {"tune.3": "epoch 3, loss 0.5"})
    golden("render/step-tree-live.txt", "\n".join(lines_of(view)) + "\n")


def test_of_a_thousand_steps_those_that_failed_or_run_are_shown_and_the_others_counted(golden):
    steps = [step(f"s{number}", COMPLETED, reused_from=f"train-0a1b2c3d/s{number}") for number in range(1000)]
    steps[17] = step("s17", FAILED, 0, 1, message=ENDED)
    steps[998] = step("s998", RUNNING, 55)
    steps[999] = step("s999", RunStatus.NOT_STARTED, needs=("s998",))
    steps[500:511] = [step(f"s{number}", COMPLETED, 0, 1) for number in range(500, 511)]
    golden("render/step-tree-short.txt", "\n".join(lines_of(StepView(RUN, steps, NOW), 5)) + "\n")


def test_without_a_terminal_each_change_is_a_line(golden):
    later = (
        changed("tune", status=COMPLETED, ended_at=at(65)),
        changed("tune.3", status=COMPLETED, ended_at=at(65), metrics={"accuracy": 0.97}),
        changed("tune.4", status=RunStatus.CANCELED, started_at=at(60), ended_at=at(61)),
        changed("evaluate", status=RUNNING, started_at=at(61), attempt=2),
    )
    first = step_event_lines(StepView(RUN, STEPS, NOW), {})
    before = {item.step: item for item in STEPS}
    second = step_event_lines(StepView(RUN, (*later, *STEPS[:2]), "2026-11-29T12:01:10Z"), before)
    golden("render/step-events.txt", "\n".join((*first, "-- next", *second)) + "\n")


def test_many_steps_that_are_reused_at_once_are_one_line():
    steps = [step(f"s{number}", COMPLETED, reused_from=f"a-0a1b2c3d/s{number}") for number in range(1000)]
    steps.append(step("last", RUNNING, 55))
    assert step_event_lines(StepView(RUN, steps, NOW), {}) == [
        "1000 steps: reused (s0, s1, s2 and 997 more)",
        "last: running on local",
    ]


def test_a_step_that_is_reused_has_its_line_after_what_it_reads_from():
    steps = [step("a", COMPLETED, 0, 9), step("b", COMPLETED, reused_from="x-0a1b2c3d/b", needs=("a",))]
    lines = step_event_lines(StepView(RUN, steps, NOW), {})
    assert [line.partition(":")[0] for line in lines] == ["a", "b"]


def test_trials_are_counted_apart_from_steps():
    assert summarize_steps(STEPS) == (
        "5 steps: 1 failed, 1 running, 1 completed, 1 reused, 1 not started; "
        "5 trials: 1 failed, 1 running, 1 queued, 2 completed"
    )


PATHS = [".".join(names) for depth in (1, 2, 3) for names in itertools.product("abc", repeat=depth)]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(PATHS), st.sampled_from(RunStatus), max_size=20), st.integers(1, 30))
def test_never_more_lines_than_fit_and_every_step_is_shown_or_counted(statuses, limit):
    steps = [step(path, status) for path, status in statuses.items()]
    lines = lines_of(StepView(RUN, steps, NOW), limit)
    assert len(lines) <= max(limit, 2)
    shown = {line.split()[0] for line in lines} & statuses.keys()
    more = next((int(line.split()[1]) for line in lines if line.startswith("and ")), 0)
    assert len(shown) + more == len(steps)


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31m", "\u202e"])
def test_what_others_wrote_stays_on_its_line(text):
    view = StepView(RUN, [step("a", FAILED, 0, 1, message=text), step("b", RUNNING, 0)], NOW, {"b": text})
    lines = lines_of(view)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
