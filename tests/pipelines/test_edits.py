"""Twelve edits of a pipeline of twenty steps: docs/pipelines.md says what is done about each, and it is done."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from planning.project import InMemoryProject
from workspaces import APPLY

from pipelines.edits import (
    EDITS,
    PATH_EDIT,
    PIPELINE,
    STORED,
    Edit,
    Replacement,
    commit_edit,
    edit_lines,
    edited,
    make_repository,
    read_files,
)
from reconciler.abbreviation import pluralize
from reconciler.model import Address, Op, Plan, StepForecast, StepVerdict
from reconciler.render.text import format_plan

TWENTY = Address("job", "twenty")
PAGE = Path(__file__).parents[2] / "docs/pipelines.md"
HEADER = """\
| edit | the plan says | executed when it is applied |
| --- | --- | --- |
"""
_UNCHANGED = "same as in the run before"


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    """Plan each edit after the pipeline has run once; one project serves all, because a plan changes nothing."""
    project = InMemoryProject()
    files = read_files()
    project.converge(files)
    return {change.name: project.plan_with_diagnostics(edited(files, change))[0] for change in EDITS}


def make_row(change: Edit, plan: Plan) -> str:
    """Return the row of an edit in the table of the page."""
    steps = next((action.steps for action in plan.actions if action.op is Op.SUBMIT), ())
    plan_cell = "; ".join(_describe(steps)) if steps else "not submitted"
    number = f"{len(change.executed)} of 20 steps" if change.executed else "no step"
    return f"| {change.name} | {plan_cell} | {number if steps else ''} |"


def _describe(steps: tuple[StepForecast, ...]) -> Iterator[str]:
    causes: dict[str, list[str]] = {}
    for step in steps:
        if step.verdict is StepVerdict.CHANGED:
            causes.setdefault(step.cause, []).append(f"`{step.step}`")
    for cause, names in causes.items():
        yield f"{', '.join(names)} {'runs' if len(names) == 1 else 'run'} because {cause}"
    if later := sum(step.verdict is StepVerdict.KNOWN_LATER for step in steps):
        yield f"{later} known after others"
    same = sum(step.verdict is StepVerdict.SAME for step in steps)
    yield f"{same} {_UNCHANGED}" if same < len(steps) else f"all {pluralize(same, 'step')} {_UNCHANGED}"


def test_the_plan_of_each_edit_names_the_one_cause_of_each_step(plans, golden):
    texts = (
        "\n".join([f"{number}. {change.name}", *edit_lines(change), "", _without_notes(plans[change.name]), "", ""])
        for number, change in enumerate(EDITS, 1)
    )
    golden("pipelines/edits.txt", "\n".join(texts))


def _without_notes(plan: Plan) -> str:
    return format_plan(plan._replace(notes=()))


@pytest.mark.fast
def test_the_table_of_the_page_is_what_is_planned(plans, request):
    table = HEADER + "".join(f"{make_row(change, plans[change.name])}\n" for change in EDITS)
    page = PAGE.read_text("utf-8")
    if request.config.getoption("--rewrite-golden"):
        page = re.sub(rf"{re.escape(HEADER)}(\|.*\n)*", lambda _: table, page)
        PAGE.write_text(page, "utf-8")
    assert table in page, f"{PAGE.name} has another table; write it with --rewrite-golden"


@pytest.fixture(scope="module")
def completed(tmp_path_factory, _quiet_git):
    """Run the pipeline once, for all edits."""
    folder = make_repository(tmp_path_factory.mktemp("twenty") / "repository")
    subprocess.run([sys.executable, "-m", "reconciler", *APPLY], cwd=folder, check=True, capture_output=True)
    return folder


def executed_runs(folder: Path) -> set[str]:
    """Return the runs whose command has written to its log."""
    return {log.parents[1].name for log in folder.glob(".mlgit/store/runs/*/user_logs/std_log.txt")}


def show(mlgit, folder: Path, name: str = "twenty") -> dict:
    ended = mlgit("job", "show", name, "--format", "json", cwd=folder)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def forecast_of(mlgit, folder: Path) -> dict[str, StepVerdict]:
    """Return what the plan forecasts of each step from the store; nothing if nothing is submitted."""
    events = map(json.loads, mlgit("plan", "--format", "json", cwd=folder).out.splitlines())
    pipelines = next(event for event in events if event["type"] == "plan-made").get("forecast", [])
    return {item["step"]: StepVerdict(item["verdict"]) for pipeline in pipelines for item in pipeline["steps"]}


def path_of(step: str) -> str:
    return step.replace(".", "_")


@pytest.mark.services
def test_what_is_reused_is_recorded_at_its_new_path(completed, tmp_path, mlgit):
    folder = shutil.copytree(completed, tmp_path / "repository")
    path = f'{{path: "{STORED}/spread/${{{{name}}}}"}}'
    of_step = Replacement(PIPELINE, "how: shift}\n", f"how: shift}}\n    outputs: {{numbers: {path}}}\n")
    commit_edit(folder, Edit("paths", (*PATH_EDIT.replacements, of_step)))
    assert mlgit(*APPLY, cwd=folder).code == 0
    shown = show(mlgit, folder)
    steps = {step["step"]: step for step in shown["steps"]}
    assert all(step.get("reused_from") for step in steps.values())
    assert shown["outputs"]["report"]["path"] == f"{STORED}/{shown['run']}"
    assert re.fullmatch(f"{STORED}/{shown['run']}_compare-[0-9a-f]{{8}}", steps["compare"]["outputs"]["report"]["path"])
    spread = steps["spread"]["outputs"]["numbers"]["path"]
    assert re.fullmatch(f"{STORED}/spread/{shown['run']}_spread-[0-9a-f]{{8}}", spread)


@pytest.mark.services
@pytest.mark.parametrize("change", EDITS, ids=str)
def test_each_edit_executes_the_steps_that_it_changes_and_says_why(completed, tmp_path, mlgit, plans, change):
    folder = shutil.copytree(completed, tmp_path / "repository")
    before, first = executed_runs(folder), show(mlgit, folder)
    commit_edit(folder, change)
    forecast = forecast_of(mlgit, folder)
    applied = mlgit(*APPLY, cwd=folder)
    assert applied.code == 0, applied.err
    executed = executed_runs(folder) - before
    shown = show(mlgit, folder)
    if change.executed is None:
        assert (executed, shown["run"]) == (set(), first["run"])
        return
    assert {run.rpartition("-")[0] for run in executed} == {
        f"{shown['run']}_{path_of(step)}" for step in change.executed
    }
    reused = {step for step, verdict in forecast.items() if verdict is StepVerdict.SAME}
    later = {step for step, verdict in forecast.items() if verdict is StepVerdict.KNOWN_LATER}
    assert not reused & {*change.executed}, "what is forecast as reused is not executed"
    assert forecast.keys() - reused - later <= {*change.executed}, "what is forecast to run is executed"
    submission = next(action for action in plans[change.name].actions if action.op is Op.SUBMIT)
    forecasts = {step.step: step for step in submission.steps}
    for step in shown["steps"]:
        name = step["step"]
        assert step["status"] == "completed"
        if name not in change.executed:
            assert (step["reused_from"], "child_run" in step) == (f"{first['run']}/{name}", False)
        elif forecasts[name].verdict is StepVerdict.CHANGED:
            assert step["reason"] == forecasts[name].cause
        else:
            assert re.fullmatch(r"inputs\.\w+: the output of \w+ changed", step["reason"])
    assert mlgit("plan", cwd=folder).out.startswith("No changes")
