"""The comparison of two runs."""

from __future__ import annotations

import pytest

from reconciler.model import Address, Run, RunStatus
from reconciler.model.step_runs import StepRun
from reconciler.planning.run_comparison import DataVersion, RunFacts, compare_runs
from reconciler.render.run_comparison import comparison_to_json, difference_lines, result_rows

pytestmark = pytest.mark.fast


def run(**fields):
    defaults = {"token": "t", "fingerprint": "f", "attempt": 1, "backend": "local", "status": RunStatus.COMPLETED}
    return Run("train-1", Address("job", "train"), **{**defaults, **fields})


def facts(*, code=None, data=None, packages=None, steps=(), **fields):
    return RunFacts(run(**fields), data or {}, code or {}, packages=packages or {}, steps=steps)


def shown(before, after):
    document = comparison_to_json(compare_runs(before, after))
    return list(difference_lines(document)), [row[:3] for row in result_rows(document)]


def test_a_run_does_not_differ_from_itself():
    same = facts(code={"/code": {"a.py": "1"}}, data={"/inputs/a/path": DataVersion("data/a@1")}, metrics={"loss": 1})
    assert shown(same, same) == (["No difference in what the runs were given."], [])


def test_added_removed_and_changed_files_and_packages_are_named():
    before = facts(contents={"/code": "tree:1"}, code={"/code": {"a": "1", "b": "1"}}, packages={"x": "1", "y": "1"})
    after = facts(contents={"/code": "tree:2"}, code={"/code": {"a": "2", "c": "1"}}, packages={"x": "2", "z": "1"})
    assert shown(before, after)[0] == [
        *("Code:", "  code: a changed, b removed, c added"),
        *("Packages:", "  x 1 -> 2", "  y removed", "  z added: 1"),
    ]


def test_code_that_git_no_longer_has_is_said_to_differ():
    before, after = (facts(contents={"/code": f"tree:{number}"}, spec={"code": "src"}) for number in (1, 2))
    assert shown(before, after)[0] == ["Code:", "  code changed"]


def test_the_same_version_with_other_bytes_is_other_data():
    before, after = (facts(data={"/inputs/a/path": DataVersion("https://x/a", d, 1000)}) for d in ("1", "2"))
    assert shown(before, after)[0] == ["Data:", "  inputs.a: https://x/a (1.0 kB) -> https://x/a (1.0 kB)"]


def test_a_missing_build_is_said():
    before, after = RunFacts(run(), environment="environment/a@1"), facts()
    assert "packages are not compared" in shown(before, after)[0][-1]


def test_steps_that_were_reused_or_ended_otherwise_are_results():
    before = facts(steps=(StepRun("a", RunStatus.COMPLETED), StepRun("b", RunStatus.FAILED)))
    after = facts(
        steps=(StepRun("a", RunStatus.COMPLETED, reused_from="x/a"), StepRun("c", RunStatus.NOT_STARTED)),
        metrics={"loss": "NaN"},
    )
    assert shown(before, after)[1] == [
        *(("loss", "-", "NaN"), ("step a", "completed", "reused")),
        *(("step b", "failed", "-"), ("step c", "-", "not started")),
    ]


def test_two_steps_are_compared_by_what_they_got():
    steps = (StepRun("a", RunStatus.COMPLETED, inputs={"lr": lr}, component=f"c@{lr}") for lr in (1, 2))
    before, after = (RunFacts(step.as_run(run(spec={"jobs": {}})), step=step) for step in steps)
    assert shown(before, after) == (["Inputs:", "  inputs.lr 1 -> 2", "Steps:", "  component c@1 -> c@2"], [])


def test_another_best_trial_is_a_result():
    before, after = (
        facts(steps=tuple(StepRun(f"sweep.{trial}", RunStatus.COMPLETED, is_best=trial == best) for trial in (0, 1)))
        for best in (0, 1)
    )
    assert shown(before, after)[1] == [("best trial", "sweep.0", "sweep.1")]
