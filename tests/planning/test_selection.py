"""`--select` and `--exclude`: a part of the plan with its dependencies, and laws over random selections."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.project import NUMBERS, SUM, InMemoryProject, action_keys, condition_of, edited, small, without
from planning.test_plan import EDITS

from reconciler.model import RunStatus

WORDS = ("data", "environment", "job", "model", "workspace", "model/t*", "jobs", "tag:stage=trial", "data/numbers")
SELECTORS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "+"]), st.sampled_from(WORDS), st.sampled_from(["", "+"])
)  # fmt: skip
TAGGED = edited("models/total.yml", "name: total", "name: total\ntags: {stage: trial, pinned: true}")
ALL = ("*",)


def selected(*selector: str, files: dict[str, str] | None = None, without: tuple[str, ...] = ()) -> list[str]:
    return action_keys(InMemoryProject().plan(files or TAGGED, select=selector, exclude=without))


WHOLE = action_keys(InMemoryProject().plan(TAGGED))


def test_no_selection_and_selecting_everything_give_the_whole_plan():
    assert InMemoryProject().plan(TAGGED, select=ALL) == InMemoryProject().plan(TAGGED)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)), max_size=3), st.sampled_from(sorted(EDITS)))
def test_selecting_everything_equals_selecting_nothing(path, last):
    project = InMemoryProject()
    for name in path:
        project.apply(EDITS[name])
        project.end(RunStatus.COMPLETED)
    assert project.plan(EDITS[last], select=ALL) == project.plan(EDITS[last])


@settings(max_examples=40, deadline=None)
@given(st.lists(SELECTORS, max_size=3), st.lists(SELECTORS, max_size=2))
def test_a_selection_is_an_ordered_closed_part_of_the_plan(select, exclude):
    plan = InMemoryProject().plan(TAGGED, select=tuple(select), exclude=tuple(exclude))
    keys = action_keys(plan)
    assert keys == [key for key in WHOLE if key in keys]
    for action in plan.actions:
        assert set(map(str, action.needs)) <= set(keys)


@settings(max_examples=40, deadline=None)
@given(st.lists(SELECTORS, min_size=1, max_size=2), SELECTORS)
def test_selecting_more_never_removes_actions(select, more):
    assert set(selected(*select)) <= set(selected(*select, more))


@settings(max_examples=40, deadline=None)
@given(SELECTORS)
def test_an_asset_that_is_selected_and_excluded_is_excluded(selector):
    assert selected(selector, without=(selector,)) == []


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("data", ["new-version data/numbers"]),
        ("data/num*", ["new-version data/numbers"]),
        ("data/numbers.yml", ["new-version data/numbers"]),
        ("./data", ["new-version data/numbers"]),
        ("path:data/*.yml", ["new-version data/numbers"]),
        ("environments/", ["build environment/plain", "new-version environment/plain"]),
        ("tag:stage", WHOLE[1:]),
        ("tag:stage=trial", WHOLE[1:]),
        ("tag:pinned=true", WHOLE[1:]),
        ("data+", WHOLE[1:]),
        ("+job", WHOLE[1:-1]),
        ("+job/sum+", WHOLE[1:]),
    ],
)
def test_a_selector_names_a_kind_a_name_a_file_or_a_tag(selector, expected):
    assert selected(selector) == expected


def test_dependencies_are_selected_too_with_a_note():
    plan = InMemoryProject().plan(TAGGED, select=("job/sum",))
    assert action_keys(plan) == WHOLE[1:-1]
    assert "also selected: data/numbers (required by job/sum)" in plan.notes
    assert "2 more changes are not selected" in plan.notes


def test_users_of_something_excluded_are_not_selected_with_a_note():
    plan = InMemoryProject().plan(TAGGED, exclude=("data",))
    assert action_keys(plan) == ["create workspace/small", "build environment/plain", "new-version environment/plain"]
    assert "not selected: job/sum (requires data/numbers, which is excluded)" in plan.notes
    assert "not selected: model/total (requires job/sum, which is excluded)" in plan.notes


def test_a_selection_limits_removals_too():
    project = InMemoryProject()
    project.converge(small())
    files = without("models/total.yml", edited("jobs/sum.yml", "factor: 2", "factor: 3"))
    assert action_keys(project.plan(files, select=("job",))) == ["submit job/sum"]
    assert action_keys(project.plan(files, select=("model",))) == ["archive model/total"]


def test_deselected_changes_are_planned_next_time():
    project = InMemoryProject()
    assert action_keys(project.apply(TAGGED, select=("data",))) == ["new-version data/numbers"]
    assert action_keys(project.plan(TAGGED)) == [key for key in WHOLE if key != "new-version data/numbers"]
    assert NUMBERS in project.records
    assert SUM not in project.records


def test_a_selector_that_matches_nothing_is_an_error():
    _, (diagnostic, other) = InMemoryProject().plan_with_diagnostics(
        TAGGED, select=("jbo/sum",), exclude=("tag:stage=x",)
    )
    assert (diagnostic.code, diagnostic.message) == ("selection-empty", "jbo/sum selects nothing")
    assert diagnostic.hint == "did you mean job/sum?"
    _, (unknown,) = InMemoryProject().plan_with_diagnostics(TAGGED, select=("model/nope",))
    assert unknown.hint == "did you mean model/total?"
    assert other.message == "tag:stage=x selects nothing"


def test_only_selected_assets_are_listed_as_blocked():
    project = InMemoryProject()
    project.apply(small())
    assert {str(key.address) for key in project.plan(small()).blocked} == {"job/sum", "model/total"}
    assert {str(key.address) for key in project.plan(small(), select=("job",)).blocked} == {"job/sum"}


def test_an_empty_selection_counts_the_deselected_changes():
    project = InMemoryProject()
    project.converge(small())
    plan = project.plan(edited("jobs/sum.yml", "factor: 2", "factor: 3"), exclude=("job",))
    assert (plan.actions, plan.deselected_count) == ((), 2)
    assert not any("changes are not selected" in note for note in plan.notes)


def test_a_note_explains_what_follows_from_the_run_of_an_excluded_job():
    project = InMemoryProject()
    project.apply(small())
    run = project.latest().id
    plan = project.plan(small(), reports={run: condition_of(RunStatus.COMPLETED)}, exclude=("job/sum",))
    note = f"job/sum is excluded, but its run {run} has ended and is recorded, and with it model/total"
    assert note in plan.notes


def test_ended_runs_are_recorded_whatever_is_selected():
    project = InMemoryProject()
    project.apply(small())
    reports = {project.latest().id: condition_of(RunStatus.COMPLETED)}
    for options in ({"select": ("data",)}, {"exclude": ("job",)}):
        assert action_keys(project.plan(small(), reports=reports, **options))[0] == "record job/sum"
