"""Laws that hold for every sequence of edits, checked in memory."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from planning.test_plan import EDITS
from planning.world import NUMBERS, SUM, World, edited, small

from reconciler.model import Address, Op, Record, RunStatus

_PATHS = st.lists(st.sampled_from(sorted(EDITS)), max_size=4)
_LAST = st.sampled_from(sorted(EDITS))


def standing(world: World) -> dict[Address, tuple[object, ...]]:
    """Return what stands under each address, without how often it took to get there: versions, runs, archived ones."""
    records = ((address, record) for address, record in world.records.items() if not record.archived)
    return {address: _what(record) for address, record in records}


def _what(record: Record) -> tuple[object, ...]:
    return (record.fingerprint, record.metadata, dict(record.spec), dict(record.contents), bool(record.run))


@settings(max_examples=40, deadline=None)
@given(_PATHS, _LAST)
def test_a_sequence_of_edits_ends_where_its_last_edit_alone_ends(path, last):
    step_by_step, at_once = World(), World()
    for name in (*path, last):
        step_by_step.settle(EDITS[name])
    at_once.settle(EDITS[last])
    actual, expected = standing(step_by_step), standing(at_once)
    kept = {address for address in actual if address.kind == "workspace"}  # it never leaves by itself
    assert {address: our for address, our in actual.items() if address in expected or address not in kept} == expected


@settings(max_examples=40, deadline=None)
@given(_PATHS, _LAST)
def test_an_edit_and_its_revert_change_nothing_and_run_nothing(path, last):
    world = World()
    for name in path:
        world.settle(EDITS[name])
    world.settle(small())
    before, runs = standing(world), set(world.runs)
    world.settle(EDITS[last])
    runs_before = set(world.runs)
    world.settle(small())
    assert standing(world) == before
    assert set(world.runs) == runs_before, "what ran before is adopted, not run again"
    assert runs <= runs_before


def test_from_a_to_b_and_back_to_a_submits_two_runs_not_three():
    world = World()
    a, b = small(), edited("jobs/sum.yml", "factor: 2", "factor: 3")
    submitted = 0
    for files in (a, b, a):
        submitted += sum(action.op is Op.SUBMIT for action in world.plan(files).actions)
        world.settle(files)
    assert submitted == 2
    assert world.records[SUM].fingerprint == next(
        run.fingerprint for run in world.runs.values() if run.id == world.records[SUM].run
    )


@settings(max_examples=40, deadline=None)
@given(_PATHS, _LAST)
def test_after_an_apply_no_decision_remains_even_while_runs_are_active(path, last):
    world = World()
    for name in path:
        world.apply(EDITS[name])
    world.apply(EDITS[last])
    decisions = world.plan(EDITS[last]).decisions
    assert [action for action in decisions if action.known_after is None] == []


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED, RunStatus.LOST]), max_size=6)
)
def test_a_job_has_at_most_one_active_run_however_runs_end(ends):
    world = World()
    world.apply(small())
    for end in ends:
        world.end(end)
        world.apply(small())
        assert sum(run.status.is_active for run in world.runs.values() if run.address == SUM) <= 1


def test_data_that_returns_to_older_content_gets_the_next_version():
    world = World()
    for content in ("3", "4", "3"):
        world.settle(edited("data/numbers.csv", "3", content))
    assert world.records[NUMBERS].version == "3"
