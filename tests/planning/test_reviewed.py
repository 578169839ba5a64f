"""What was reviewed is what is applied: a plan is compared with the reports on the changes that a merge brings."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.project import NUMBERS, SUM, TOTAL, Files, InMemoryProject, edited, plan_options_of, small, without
from planning.test_plan import EDITS
from planning.test_runs import CHAINED

from reconciler.model import Action, Op, RunStatus, State
from reconciler.planning.report import Report
from reconciler.planning.reviewed import Comparison, compare_with_reports
from reconciler.planning.saved import SavedPlan
from reconciler.render import plan_json

DATA, PARAMETER, DESCRIPTION = EDITS["data"], EDITS["parameter"], EDITS["description"]


@pytest.fixture
def project() -> InMemoryProject:
    applied = InMemoryProject()
    applied.converge(small())
    return applied


def report(project: InMemoryProject, files: Files, base: Files | None = None) -> Report:
    """Return the report on a change; what is pending without it is told apart."""
    plan = project.plan(files)
    body = json.loads(json.dumps(plan_json.plan_body(plan, plan_options_of(small()))))
    pending = frozenset(str(action.key) for action in project.plan(base or files).actions) if base else frozenset()
    return Report("b", "c", SavedPlan({"digest": "d"}, body), pending)


def compared(project: InMemoryProject, files: Files, *reports: Report) -> Comparison:
    return compare_with_reports(project.plan(files), reports, project.state())


def addresses(comparison: Comparison) -> list[str]:
    return [str(difference.address) for difference in comparison.differences]


EDIT_NAMES = st.sampled_from(sorted(EDITS))


@settings(max_examples=25, deadline=None)
@given(st.lists(EDIT_NAMES, max_size=3), EDIT_NAMES)
def test_a_plan_is_as_it_was_reviewed_until_the_files_or_the_state_change(path, last):
    project = InMemoryProject()
    for name in path:
        project.converge(EDITS[name])
    plan, files = project.plan(EDITS[last]), EDITS[last]
    comparison = compared(project, files, report(project, files))
    assert comparison.differences == ()
    assert comparison.approved == {action.key for action in plan.decisions}


@settings(max_examples=25, deadline=None)
@given(st.lists(EDIT_NAMES, max_size=3), EDIT_NAMES)
def test_what_was_reviewed_is_no_difference_once_it_is_applied(path, last):
    project = InMemoryProject()
    for name in path:
        project.converge(EDITS[name])
    reviewed = report(project, EDITS[last])
    project.apply(EDITS[last])
    assert addresses(compared(project, EDITS[last], reviewed)) == []
    project.end(RunStatus.COMPLETED)
    project.converge(EDITS[last])
    assert compared(project, EDITS[last], reviewed) == Comparison(frozenset())


@settings(max_examples=40, deadline=None)
@given(st.lists(EDIT_NAMES, max_size=2), EDIT_NAMES, EDIT_NAMES)
def test_what_nobody_reviewed_is_never_approved(path, reviewed, applied):
    project = InMemoryProject()
    for name in path:
        project.converge(EDITS[name])
    of_report = {_identity(action) for action in project.plan(EDITS[reviewed]).decisions}
    comparison = compared(project, EDITS[applied], report(project, EDITS[reviewed]))
    decisions = project.plan(EDITS[applied]).decisions
    if comparison.differences == ():
        assert {_identity(action) for action in decisions} == of_report
        assert comparison.approved == {action.key for action in decisions}


@settings(max_examples=25, deadline=None)
@given(EDIT_NAMES, EDIT_NAMES)
def test_more_reports_approve_no_less(first, second):
    project = InMemoryProject()
    project.converge(small())
    one, both = (
        compared(project, EDITS[first], *reports)
        for reports in ((report(project, EDITS[first]),), [report(project, EDITS[name]) for name in (first, second)])
    )
    assert one.approved == both.approved


def _identity(action: Action) -> tuple[str, ...]:
    fingerprint = action.resolved.fingerprint if action.resolved else ""
    return str(action.key), action.version, fingerprint, str(action.after)


def test_a_version_number_that_another_merge_took_is_a_difference(project):
    reviewed = report(project, DATA)
    project.converge(edited("data/numbers.csv", "3", "5"))
    comparison = compared(project, DATA, reviewed)
    difference = comparison.differences[0]
    assert difference.address == NUMBERS
    assert "version 2" in difference.reviewed[0]
    assert isinstance(difference.now, Action)
    assert (difference.now.version, difference.is_record_changed) == ("3", True)


def test_a_decision_that_nobody_reviewed_is_a_difference(project):
    comparison = compared(project, PARAMETER, report(project, DESCRIPTION))
    assert addresses(comparison) == ["job/sum"]
    assert comparison.differences[0].reviewed[0].startswith("job/sum: update in place, description")
    assert not comparison.differences[0].is_record_changed
    assert comparison.approved == frozenset()


def test_a_decision_that_is_gone_and_not_done_is_a_difference(project):
    comparison = compared(project, small(), report(project, PARAMETER))
    assert addresses(comparison) == ["job/sum"]
    assert comparison.differences[0].now is None
    assert addresses(compared(project, small(), report(project, DESCRIPTION))) == ["job/sum"]
    assert addresses(compared(project, small(), report(project, without("models/total.yml")))) == ["model/total"]


def test_two_merges_are_one_plan_that_both_reports_review(project):
    first, second = report(project, DATA), report(project, without("models/total.yml"))
    both = without("models/total.yml", DATA)
    assert compared(project, both, first, second).differences == ()
    assert addresses(compared(project, both, first)) == ["model/total"]
    assert addresses(compared(project, both, second)) == ["data/numbers", "job/sum"]


def test_updates_of_one_asset_in_two_merges_are_one_update(project):
    tags = edited("jobs/sum.yml", "factor: 2", "factor: 2\ntags: {team: vision}")
    both = edited("jobs/sum.yml", "factor: 2", "factor: 2\ndescription: new\ntags: {team: vision}")
    reports = report(project, DESCRIPTION), report(project, tags)
    assert compared(project, both, *reports).differences == ()
    assert addresses(compared(project, both, reports[0])) == ["job/sum"]
    other_text = edited("jobs/sum.yml", "factor: 2", "factor: 2\ndescription: other\ntags: {team: vision}")
    assert addresses(compared(project, other_text, *reports)) == ["job/sum"]


def test_two_changes_of_one_content_are_reviewed_by_neither_report(project):
    reports = report(project, DATA), report(project, edited("data/numbers.csv", "1", "9"))
    assert "data/numbers" in addresses(compared(project, edited("data/numbers.csv", "1", "9", DATA), *reports))


def test_what_is_pending_on_the_base_is_reviewed_and_need_not_happen(project):
    reviewed = report(project, edited("jobs/sum.yml", "factor: 2", "factor: 3", DATA), base=DATA)
    assert "submit job/sum" in reviewed.pending  # the key; whatever it submits
    assert compared(project, edited("jobs/sum.yml", "factor: 2", "factor: 3", DATA), reviewed).differences == ()
    assert compared(project, small(), reviewed).differences == ()


def test_a_run_that_is_adopted_is_the_submission_with_less_effect(project):
    reviewed = report(project, PARAMETER)
    submit = next(action for action in project.plan(PARAMETER).actions if action.op is Op.SUBMIT)
    project.runs[SUM, submit.version] = replace(submit.run, status=RunStatus.COMPLETED, experiment=True)
    adopting = compared(project, PARAMETER, reviewed)
    assert {str(key) for key in adopting.approved} == {"adopt job/sum"}
    assert adopting.differences == ()
    reviewed = report(project, PARAMETER)
    del project.runs[SUM, submit.version]
    assert addresses(compared(project, PARAMETER, reviewed)) == ["job/sum"]


def test_another_attempt_after_a_lost_run_is_the_same_submission(project):
    reviewed = report(project, PARAMETER)
    project.apply(PARAMETER)
    project.end(RunStatus.LOST, "lost")
    comparison = compared(project, PARAMETER, reviewed)
    assert {str(key) for key in comparison.approved} == {"submit job/sum"}
    assert comparison.differences == ()


def test_another_attempt_at_a_run_that_an_apply_has_lost_needs_no_report_of_its_own(project):
    project.apply(PARAMETER)
    project.end(RunStatus.LOST, "lost")
    files = without("models/total.yml", PARAMETER)
    comparison = compared(project, files, report(project, files, base=files))
    assert comparison.differences == ()
    described = edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new", PARAMETER)
    other = report(project, edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new"))
    assert addresses(compared(project, described, other)) == []
    changed = edited("jobs/sum.yml", "factor: 3", "factor: 4", described)
    assert addresses(compared(project, changed, other)) == ["job/sum"]


def test_what_was_known_later_is_the_same_decision_once_it_is_known():
    project = InMemoryProject()
    reviewed = report(project, CHAINED)
    project.apply(CHAINED)
    assert compared(project, CHAINED, reviewed).differences == ()
    project.end(RunStatus.COMPLETED)
    while project.plan(CHAINED).decisions == ():
        project.apply(CHAINED)
    comparison = compared(project, CHAINED, reviewed)
    assert "submit job/next" in {str(key) for key in comparison.approved}
    assert comparison.differences == ()
    changed = edited("jobs/next.yml", "factor: 2", "factor: 4", CHAINED)
    assert "job/next" in addresses(compared(project, changed, reviewed))


def test_what_a_report_on_these_files_said_to_wait_is_reviewed():
    project = InMemoryProject()
    project.apply(CHAINED)
    reviewed, plan = report(project, CHAINED), project.plan(CHAINED)
    assert [str(item.address) for item in plan.blocked if str(item.address) == "job/next"]
    project.end(RunStatus.COMPLETED)
    while project.plan(CHAINED).decisions == ():
        project.apply(CHAINED)
    assert compared(project, CHAINED, reviewed).differences == ()
    changed = edited("jobs/next.yml", "factor: 2", "factor: 4", CHAINED)
    assert addresses(compared(project, changed, reviewed)) == ["job/next"]


def test_a_repair_is_left_out_and_no_difference(project):
    plan = project.plan(PARAMETER)
    repair = Action(Op.REPAIR, TOTAL, version="1", record=project.records[TOTAL], reason="gone")
    comparison = compare_with_reports(
        plan._replace(actions=(repair, *plan.actions)), [report(project, PARAMETER)], project.state()
    )
    assert (comparison.differences, comparison.repairs) == ((), (repair,))


def test_without_a_report_every_decision_is_a_difference():
    plan = InMemoryProject().plan(small())
    state: State = InMemoryProject().state()
    comparison = compare_with_reports(plan, [Report("b", "c", None)], state)
    assert len(comparison.differences) == len({action.address for action in plan.decisions}) + 1  # build and version
    assert comparison.approved == frozenset()
