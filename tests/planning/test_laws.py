"""Laws that hold for every sequence of edits, checked in memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from planning.project import NUMBERS, SUM, InMemoryProject, edited, small
from planning.test_plan import EDITS

from reconciler.model import Address, Op, Record, RunStatus

_PATHS = st.lists(st.sampled_from(sorted(EDITS)), max_size=4)
_LAST = st.sampled_from(sorted(EDITS))


def live_content(project: InMemoryProject) -> dict[Address, tuple[object, ...]]:
    """Return the content of each record that is not archived, without the numbers of its versions and runs."""
    records = ((address, record) for address, record in project.records.items() if not record.archived)
    return {address: _comparable(record) for address, record in records}


def _comparable(record: Record) -> tuple[object, ...]:
    return (record.fingerprint, record.metadata, dict(record.spec), dict(record.contents), bool(record.run))


@settings(max_examples=40, deadline=None)
@given(_PATHS, _LAST)
def test_a_sequence_of_edits_ends_where_its_last_edit_alone_ends(path, last):
    step_by_step, at_once = InMemoryProject(), InMemoryProject()
    for name in (*path, last):
        step_by_step.converge(EDITS[name])
    at_once.converge(EDITS[last])
    actual, expected = live_content(step_by_step), live_content(at_once)
    remaining = {address for address in actual if address.kind == "workspace"}  # no plan deletes it
    assert {
        address: content for address, content in actual.items() if address in expected or address not in remaining
    } == expected


@settings(max_examples=40, deadline=None)
@given(_PATHS, _LAST)
def test_an_edit_and_its_revert_change_nothing_and_run_nothing(path, last):
    project = InMemoryProject()
    for name in path:
        project.converge(EDITS[name])
    project.converge(small())
    before, runs = live_content(project), set(project.runs)
    project.converge(EDITS[last])
    runs_before = set(project.runs)
    project.converge(small())
    assert live_content(project) == before
    assert set(project.runs) == runs_before, "what ran before is adopted, not run again"
    assert runs <= runs_before


def test_from_a_to_b_and_back_to_a_submits_two_runs_not_three():
    project = InMemoryProject()
    a, b = small(), edited("jobs/sum.yml", "factor: 2", "factor: 3")
    submitted = 0
    for files in (a, b, a):
        submitted += sum(action.op is Op.SUBMIT for action in project.plan(files).actions)
        project.converge(files)
    assert submitted == 2
    assert project.records[SUM].fingerprint == next(
        run.fingerprint for run in project.runs.values() if run.id == project.records[SUM].run
    )


@settings(max_examples=40, deadline=None)
@given(_PATHS, _LAST)
def test_after_an_apply_no_decision_remains_even_while_runs_are_active(path, last):
    project = InMemoryProject()
    for name in path:
        project.apply(EDITS[name])
    project.apply(EDITS[last])
    decisions = project.plan(EDITS[last]).decisions
    assert [action for action in decisions if action.known_after is None] == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED, RunStatus.LOST]), max_size=6)
)
def test_a_job_has_at_most_one_active_run_however_runs_end(ends):
    project = InMemoryProject()
    project.apply(small())
    for end in ends:
        project.end(end)
        project.apply(small())
        assert sum(run.status.is_active for run in project.runs.values() if run.address == SUM) <= 1


def test_data_that_returns_to_older_content_gets_the_next_version():
    project = InMemoryProject()
    for content in ("3", "4", "3"):
        project.converge(edited("data/numbers.csv", "3", content))
    assert project.records[NUMBERS].version == "3"
