"""A plan of ``--destroy``: everything that is live is removed, what depends on others first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning.project import (
    NUMBERS,
    PLAIN,
    SUM,
    TOTAL,
    InMemoryProject,
    Problems,
    action_keys,
    action_on,
    condition_of,
    edited,
    plan_options_of,
    small,
    tree_of,
)

from reconciler.format.assets import AssetSet
from reconciler.format.kind import DeletionPolicy
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import (
    DESTROYED,
    Address,
    Condition,
    Observation,
    Op,
    Plan,
    Record,
    ResolvedReference,
    RunStatus,
    SourceRevision,
    State,
)
from reconciler.planning.guard import guard_plan
from reconciler.planning.options import PlanOptions
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.plan import DesiredState, PlanInputs

pytestmark = pytest.mark.fast

DESTROY = plan_options_of(small())._replace(destroy=True)
OTHER_FACTOR = edited("jobs/sum.yml", "factor: 2", "factor: 3")
WORKSPACE = Address("workspace", "small")
ALL = [
    "archive model/total",
    "archive job/sum",
    "archive environment/plain",
    "archive data/numbers",
    "delete workspace/small",
]


def plan_destroy(
    state: State, plan_options: PlanOptions = DESTROY, observation: Observation | None = None
) -> tuple[Plan, Problems]:
    tree = tree_of({})
    desired = DesiredState(SourceRevision("commit", tree.oid), tree, AssetSet({}, {}, ()), lambda _: None)
    return run_plan_pipeline(PlanInputs(desired, state, plan_options, observation))


def destroy(project: InMemoryProject, plan_options: PlanOptions = DESTROY, **reports: Condition) -> Plan:
    plan, diagnostics = plan_destroy(project.state(), plan_options, Observation(reports))
    assert diagnostics == ()
    return plan


def apply_destroy(project: InMemoryProject) -> None:
    for action in destroy(project).actions:
        project._done(action, "commit")


@pytest.fixture
def project() -> InMemoryProject:
    applied = InMemoryProject()
    applied.converge(small())
    return applied


@pytest.fixture
def running() -> InMemoryProject:
    """Return a project whose job has a run that has not ended."""
    project = InMemoryProject()
    project.converge(small())
    project.apply(OTHER_FACTOR)
    assert project.latest().status.is_active
    return project


def state_of(records: Mapping[Address, Record]) -> State:
    return State("1" * 32, records, lambda *_: None, lambda *_: None, "commit")


def record_of(address: Address, *upstream: Address, **fields: object) -> Record:
    references = {f"/{number}": ResolvedReference(item, "1", "fingerprint") for number, item in enumerate(upstream)}
    return Record(address, {}, "fingerprint", "", 1, references=references, **fields)  # type: ignore[arg-type]


def test_everything_is_removed_in_reverse_order_of_the_dependencies(project):
    plan = destroy(project)
    assert action_keys(plan) == ALL
    assert plan.is_destroy


@pytest.mark.parametrize("kind", kinds())
def test_a_kind_leaves_as_when_its_file_leaves_git_and_what_a_plan_never_removes_is_deleted(kind):
    address = Address(kind, "x")
    (action,) = plan_destroy(state_of({address: record_of(address)}))[0].actions
    is_archived = kind_by_name(kind).deletion_policy is DeletionPolicy.ARCHIVE
    assert (action.address, action.op) == (address, Op.ARCHIVE if is_archived else Op.DELETE)


def test_a_plan_after_a_destroy_creates_everything_again_and_runs_nothing_twice(project):
    apply_destroy(project)
    assert action_keys(destroy(project)) == []
    plan, *_ = project.converge(small())
    ops = {action.address: action.op for action in plan.actions if action.op is not Op.BUILD}
    assert ops.keys() == {WORKSPACE, NUMBERS, PLAIN, SUM, TOTAL}
    assert ops[SUM] is Op.ADOPT


def test_what_no_file_declares_or_another_branch_declared_is_removed_too(project):
    other = Address("data", "other")
    project.records[other] = record_of(other, declared_at="elsewhere")
    assert action_on(destroy(project), other).op is Op.ARCHIVE


def test_a_run_that_has_not_ended_is_canceled_before_its_job_is_archived(running):
    run = running.latest()
    plan = destroy(running)
    cancel = action_on(plan, SUM, Op.CANCEL)
    assert plan.actions[0] == cancel
    assert plan.cancels == (cancel,)
    assert (cancel.run.id, cancel.run.status, cancel.run.failure) == (run.id, RunStatus.CANCELED, DESTROYED)
    assert cancel.key in action_on(plan, SUM, Op.ARCHIVE).needs


def test_a_run_that_a_destroy_canceled_is_started_again_with_its_job(running):
    run = running.latest()
    apply_destroy(running)
    action = action_on(running.plan(OTHER_FACTOR), SUM)
    assert (action.op, action.reason) == (
        Op.SUBMIT,
        f"run {run.id} was canceled by `apply --destroy` (attempt 2)",
    )


def test_a_run_of_an_archived_job_is_canceled(running):
    running.records[SUM] = replace(running.records[SUM], archived=True)
    keys = action_keys(destroy(running))
    assert keys[0].startswith("cancel job/sum@")
    assert "archive job/sum" not in keys


def test_a_run_that_has_ended_is_recorded_and_not_canceled(running):
    report = condition_of(RunStatus.FAILED, {"failure": {"class": "user"}})
    plan = destroy(running, **{running.latest().id: report})
    assert action_keys(plan)[:2] == ["record job/sum", "archive model/total"]
    assert plan.cancels == ()


def test_a_cancel_that_was_not_recorded_because_its_apply_was_killed_counts_as_that_of_a_destroy(running):
    plan = destroy(running, **{running.latest().id: condition_of(RunStatus.CANCELED)})
    run = action_on(plan, SUM, Op.RECORD).run
    assert (run.status, run.failure) == (RunStatus.CANCELED, DESTROYED)


def test_a_selection_takes_along_what_depends_on_it(project):
    plan = destroy(project, DESTROY._replace(select=("data",)))
    assert action_keys(plan) == ["archive model/total", "archive job/sum", "archive data/numbers"]
    assert plan.notes[:2] == (
        "also selected: model/total (depends on job/sum)",
        "also selected: job/sum (depends on data/numbers)",
    )
    assert action_keys(destroy(project, DESTROY._replace(select=("workspace",)))) == ALL


def test_what_is_excluded_keeps_all_that_it_refers_to_and_what_contains_it(project):
    plan = destroy(project, DESTROY._replace(exclude=("job/sum",)))
    assert action_keys(plan) == ["archive model/total"]
    assert "not selected: data/numbers (job/sum, which stays, depends on it)" in plan.notes


def test_a_selector_that_matches_nothing_live_is_an_error(project):
    _, (diagnostic,) = plan_destroy(project.state(), DESTROY._replace(select=("model/totl",)))
    assert (diagnostic.code, diagnostic.hint) == ("selection-empty", "did you mean model/total?")


@pytest.mark.parametrize("glob", ["model/*", "workspace/small", "job/sum", "*"])
def test_a_protected_asset_is_an_error_at_its_line_and_can_be_excluded(glob):
    files = {**small(), "mlgit.yml": f"{small()['mlgit.yml']}protect:\n  - data/none\n  - '{glob}'\n"}
    project = InMemoryProject()
    project.converge(files)
    line = files["mlgit.yml"].splitlines().index(f"  - '{glob}'") + 1
    plan_options = plan_options_of(files)._replace(destroy=True)
    _, diagnostics = plan_destroy(project.state(), plan_options)
    assert {diagnostic.code for diagnostic in diagnostics} == {"protected"}
    assert {str(diagnostic.span) for diagnostic in diagnostics} == {f"mlgit.yml:{line}:5"}
    assert all("--exclude" in diagnostic.hint for diagnostic in diagnostics)
    kept = {diagnostic.message.split()[0] for diagnostic in diagnostics}
    plan = destroy(project, plan_options._replace(exclude=(glob,)))
    assert kept.isdisjoint(str(action.address) for action in plan.actions)


def test_the_protection_of_a_record_holds_after_its_line_is_gone():
    project = InMemoryProject()
    project.converge({**small(), "mlgit.yml": f"{small()['mlgit.yml']}protect: [model/*]\n"})
    _, (diagnostic,) = plan_destroy(project.state())
    assert "model/total is protected since it was applied last" in diagnostic.message
    assert diagnostic.hint.startswith("run `mlgit apply` first")
    project.converge(small())
    assert action_keys(destroy(project)) == ALL


def test_a_kind_of_a_newer_mlgit_stays_with_what_it_refers_to_and_what_contains_it(project):
    newer = Address("hologram", "x")
    project.records[newer] = record_of(newer, NUMBERS)
    plan = destroy(project)
    assert action_keys(plan) == ["archive model/total", "archive job/sum", "archive environment/plain"]
    assert "hologram/x stays: this version of mlgit does not know its kind" in plan.notes


def test_the_limit_of_removals_does_not_hold_what_was_asked_for():
    state = state_of({(address := Address("data", f"d{number}")): record_of(address) for number in range(20)})
    plan, diagnostics = plan_destroy(state)
    assert (len(plan.removals), diagnostics) == (20, ())
    assert tuple(guard_plan(plan, state, DESTROY)) == ()
    assert [diagnostic.code for diagnostic in guard_plan(plan, state, DESTROY._replace(destroy=False))] == [
        "mass-delete"
    ]


_ADDRESSES = [Address(kind, name) for kind, name in product(("data", "job", "model", "compute", "workspace"), "abc")]
_Graph = Mapping[Address, list[Address]]


@given(st.dictionaries(st.sampled_from(_ADDRESSES), st.lists(st.sampled_from(_ADDRESSES), max_size=4)))
def test_an_asset_goes_after_all_that_refer_to_it_unless_they_form_a_cycle(graph):
    plan, diagnostics = plan_destroy(
        state_of({address: record_of(address, *upstream) for address, upstream in graph.items()})
    )
    assert diagnostics == ()
    assert {action.address for action in plan.actions} == graph.keys()
    position = {action.key: index for index, action in enumerate(plan.actions)}
    needs = {action.address: [key.address for key in action.needs] for action in plan.actions}
    contents = {address for address in graph if address.kind != "workspace"}
    for action in plan.actions:
        assert all(position[key] < position[action.key] for key in action.needs)
        if action.address not in contents:
            assert contents <= _reachable(needs, action.address)
    for user in contents:
        for upstream in contents.intersection(graph[user]):
            assert user in needs[upstream] or user in _reachable(graph, upstream)


def _reachable(edges: _Graph, start: Address) -> set[Address]:
    pending, reached = [start], {start}
    while pending:
        new = set(edges.get(pending.pop(), ())) - reached
        reached |= new
        pending += new
    return reached
