"""What is wrong in a pipeline or a sweep is said in one line, with its place, before anything runs if it can be."""

from __future__ import annotations

import json

import pytest
from workspaces import APPLY, commit, git

from pipelines.edits import PIPELINE, TUNED, TWENTY, Edit, Replacement, commit_edit, edit_lines, make_repository

FEATURES = "components/features.yml"
READ = "${{parent.jobs.read.outputs.numbers}}"
LEFT = '"${{parent.jobs.left.outputs.numbers}}"'
RIGHT = '"${{parent.jobs.right.outputs.numbers}}"'
TUNE, TRIAL = "jobs/tune.yml", "src/trial.py"
GRID = "sampling_algorithm: grid"
CHOICE = "{type: choice, values: [1, 2, 3, 4]}"


def wrong(name: str, *replacements: tuple[str, str, str]) -> Edit:
    return Edit(name, tuple(Replacement(*replacement) for replacement in replacements))


OF_PIPELINES = (
    wrong("an output that no step has", (PIPELINE, READ, "${{parent.jobs.read.outputs.number}}")),
    wrong("a step that there is not", (PIPELINE, READ, "${{parent.jobs.raed.outputs.numbers}}")),
    wrong("an input that the pipeline has not", (PIPELINE, "${{parent.inputs.numbers}}", "${{parent.inputs.numbres}}")),
    wrong("an input that the component has not", (PIPELINE, "title: Pack", "titel: Pack")),
    wrong("an input that is not given", (PIPELINE, f"a: {LEFT}, b: {RIGHT}", f"a: {LEFT}")),
    wrong("one of a registered component", (PIPELINE, f"    inputs: {{numbers: {LEFT}}}\n", "")),
    wrong("steps that wait for each other", (PIPELINE, READ, "${{parent.jobs.both.outputs.numbers}}")),
    wrong(
        "steps of a nested pipeline",
        (FEATURES, 'parent.inputs.numbers}}", how: scale', 'parent.jobs.order.outputs.numbers}}", how: scale'),
    ),
    wrong(
        "a pipeline that includes itself",
        (FEATURES, "component: ./add.yml", "component: ./features.yml"),
        (FEATURES, '{a: "', '{numbers: "'),
        (FEATURES, 'b: "${{parent.jobs.shift.outputs.numbers}}"', "factor: 1"),
    ),
)
OF_SWEEPS = (
    wrong("a distribution that a grid has no points of", (TUNE, CHOICE, "{type: uniform, min_value: 0, max_value: 1}")),
    wrong(
        "a distribution that bayesian sampling cannot do",
        (TUNE, GRID, "sampling_algorithm: bayesian"),
        (TUNE, CHOICE, "{type: loguniform, min_value: 0, max_value: 1}"),
    ),
    wrong("no trials", (TUNE, "max_total_trials: 4", "max_total_trials: 0")),
)
AT_RUN_TIME = (
    wrong("an output that is never written", (TUNE, "echo data > ${{outputs.data}}/data.txt", "echo data")),
    wrong("a metric that no trial logs", (TRIAL, '"score"', '"accuracy"')),
    wrong("a timeout before a trial has ended", (TUNE, "timeout: 600", "timeout: 1"), (TRIAL, "sleep(0)", "sleep(30)")),
    wrong("a timeout of trials", (TUNE, "timeout: 600", "trial_timeout: 1"), (TRIAL, "sleep(0)", "sleep(30)")),
)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory, _quiet_git):
    folder = tmp_path_factory.mktemp("bad")
    return {TWENTY: make_repository(folder / "twenty"), TUNED: make_repository(folder / "tuned", TUNED)}


def test_what_can_be_known_before_a_run_is_said_by_the_plan(repositories, mlgit, golden):
    texts = []
    for workspace, changes in ((TWENTY, OF_PIPELINES), (TUNED, OF_SWEEPS)):
        folder = repositories[workspace]
        for change in changes:
            commit_edit(folder, change)
            planned = mlgit("plan", cwd=folder)
            refs = git(folder, "for-each-ref", "refs/mlgit")
            is_warning = ": warning: " in planned.err and ": error: " not in planned.err
            assert (planned.code, refs) == (0 if is_warning else 1, "")
            texts.append("\n".join([f"# {change.name}", *edit_lines(change), "", planned.err]))
            git(folder, "revert", "--no-edit", "HEAD")
    golden("pipelines/bad-input.txt", "\n".join(texts))


def show(mlgit, folder) -> dict:
    return json.loads(mlgit("job", "show", "tune", "--format", "json", cwd=folder).out)


@pytest.mark.services
@pytest.mark.parametrize("change", AT_RUN_TIME, ids=str)
def test_a_step_that_fails_says_why_and_what_was_completed_is_reused(tmp_path, mlgit, golden, change):
    folder = make_repository(tmp_path / "tuned", TUNED)
    commit_edit(folder, change)
    applied = mlgit(*APPLY, cwd=folder)
    failed = show(mlgit, folder)
    steps = [f"{step['step']}: {step['status']}: {step.get('message', '')}".rstrip(": ") for step in failed["steps"]]
    lines = [f"# {change.name}", failed["status"], failed["message"], "", *steps]
    assert (applied.code, failed["status"]) == (1, "failed")
    golden(f"pipelines/bad-input/{change.name.replace(' ', '-')}.txt", "\n".join([*lines, ""]))
    git(folder, "revert", "--no-edit", "HEAD")
    commit(folder, "again", {"note.txt": ""})
    assert mlgit(*APPLY, cwd=folder).code == 0
    completed = {step["step"]: step for step in show(mlgit, folder)["steps"]}
    is_reused = change is not AT_RUN_TIME[0]
    assert (completed["write"].get("reused_from") == f"{failed['run']}/write") is is_reused


@pytest.mark.services
def test_a_sweep_that_a_time_limit_cut_off_is_no_result_that_is_reused(tmp_path, mlgit):
    folder = make_repository(tmp_path / "tuned", TUNED)
    change = wrong("short", (TUNE, "timeout: 600", "timeout: 4"), (TRIAL, "sleep(0)", "sleep(2.5)"))
    commit_edit(folder, change)
    assert mlgit(*APPLY, cwd=folder).code == 0
    first = show(mlgit, folder)
    search = next(step for step in first["steps"] if step["step"] == "search")
    assert (search["status"], search["message"]) == ("completed", "the sweep reached its limits.timeout of 4 seconds")
    commit_edit(folder, wrong("more", (TUNE, "timeout: 4", "timeout: 600"), (TUNE, "cat ", "cat -n ")))
    planned = mlgit("plan", cwd=folder).out
    assert f"search  runs because in {first['run']} the sweep reached its limits.timeout of 4 seconds" in planned
    assert mlgit(*APPLY, cwd=folder).code == 0
    steps = {step["step"]: step for step in show(mlgit, folder)["steps"]}
    assert [steps[f"search.{number}"]["status"] for number in range(4)] == ["completed"] * 4


@pytest.mark.services
def test_a_result_whose_content_is_gone_is_made_again(tmp_path, mlgit):
    folder = make_repository(tmp_path / "tuned", TUNED)
    assert mlgit(*APPLY, cwd=folder).code == 0
    first = show(mlgit, folder)
    key = next(step["outputs"]["data"]["md5"] for step in first["steps"] if step["step"] == "write")
    (folder / ".mlgit/store/files/md5" / key[:2] / key[2:]).unlink()
    commit_edit(folder, wrong("another command", (TUNE, "cat ", "cat -n ")))
    assert mlgit(*APPLY, cwd=folder).code == 0
    steps = {step["step"]: step for step in show(mlgit, folder)["steps"]}
    assert steps["write"]["reason"] == "the result that it had is no longer in the store"
    assert steps["search"]["reused_from"] == f"{first['run']}/search"
