"""The plan as a function of its arguments, and the decisions about assets with and without versions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.project import (
    NUMBERS,
    PLAIN,
    SCHEMA,
    SUM,
    TOTAL,
    InMemoryProject,
    action_keys,
    action_on,
    condition_of,
    declared_by,
    edited,
    plan_options_of,
    small,
    without,
)

from reconciler.diagnostics import Severity, Span
from reconciler.format.assets import check_references
from reconciler.format.kinds import kinds
from reconciler.model import ActionId, Address, Observation, Op, RunStatus
from reconciler.planning.diff import field_changes
from reconciler.planning.plan import PlanInputs, make_plan
from reconciler.planning.prune import find_removals, removal_hint
from reconciler.planning.referencable import referencable
from reconciler.render.sentences import action_sentence

CLUSTER = Address("compute", "cluster")
WITH_CLUSTER = {
    **edited("jobs/sum.yml", "compute: local", "compute: azureml:cluster"),
    "compute/cluster.yml": SCHEMA.format("amlCompute") + "name: cluster\ntype: amlcompute\nsize: one\n",
}
EDITS = {
    "nothing": small(),
    "code": edited("src/sum.py", "import pathlib, sys", "import sys, pathlib"),
    "data": edited("data/numbers.csv", "3", "4"),
    "parameter": edited("jobs/sum.yml", "factor: 2", "factor: 3"),
    "environment": edited("environments/plain.yml", "image: python", "image: other"),
    "description": edited("jobs/sum.yml", "factor: 2", "factor: 2\ndescription: new"),
    "model gone": without("models/total.yml"),
    "all gone": {name: text for name, text in small().items() if "/" not in name},
    "compute": WITH_CLUSTER,
}


@pytest.fixture
def project() -> InMemoryProject:
    applied = InMemoryProject()
    applied.converge(small())
    return applied


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)), max_size=4), st.sampled_from(sorted(EDITS)), st.data())
def test_plan_is_a_function_of_its_arguments(path, last, data):
    project = InMemoryProject()
    for name in path:
        project.apply(EDITS[name])
        if data.draw(st.booleans()):
            project.end(data.draw(st.sampled_from([RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.LOST])))
    state, desired, plan_options = project.state(), project.desired(EDITS[last]), plan_options_of(small())
    observation = Observation(
        {run.id: condition_of(RunStatus.RUNNING) for run in project.runs.values() if run.status.is_active}
    )
    first, second = (make_plan(PlanInputs(desired, state, plan_options, observation)) for _ in range(2))
    assert first == second
    assert dict(state.current) == project.records


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=4))
def test_a_converged_state_needs_no_changes_whatever_was_applied_before(path):
    project = InMemoryProject()
    for name in path:
        project.converge(EDITS[name])
    plan = project.plan(EDITS[path[-1]])
    assert (plan.actions, plan.blocked) == ((), ())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)), max_size=3), st.sampled_from(sorted(EDITS)))
def test_an_action_comes_after_everything_that_it_needs(path, last):
    project = InMemoryProject()
    for name in path:
        project.apply(EDITS[name])
    keys = action_keys(project.plan(EDITS[last]))
    assert len(keys) == len(set(keys))
    for action in project.plan(EDITS[last]).actions:
        assert set(map(str, action.needs)) <= set(keys[: keys.index(str(action.key))])


def test_the_first_plan_creates_everything_in_dependency_order():
    plan = InMemoryProject().plan(small())
    assert action_keys(plan) == [
        "create workspace/small",
        "new-version data/numbers",
        "build environment/plain",
        "new-version environment/plain",
        "submit job/sum",
        "register model/total",
    ]
    assert action_on(plan, TOTAL).known_after == SUM
    assert [str(action.key) for action in plan.decisions] == action_keys(plan)[:-1]
    assert plan.submissions == (action_on(plan, SUM),)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nothing", []),
        ("code", ["submit job/sum", "register model/total"]),
        ("data", ["new-version data/numbers", "submit job/sum", "register model/total"]),
        ("parameter", ["submit job/sum", "register model/total"]),
        (
            "environment",
            ["build environment/plain", "new-version environment/plain", "submit job/sum", "register model/total"],
        ),
        ("description", ["update job/sum"]),
        ("model gone", ["archive model/total"]),
        ("all gone", ["archive model/total", "archive job/sum", "archive environment/plain", "archive data/numbers"]),
        ("compute", ["create compute/cluster", "update job/sum"]),
    ],
)
def test_a_plan_after_one_edit_names_exactly_what_follows_from_it(project, name, expected):
    assert action_keys(project.plan(EDITS[name])) == expected


def test_a_plan_names_the_state_commit_it_was_made_against(project):
    assert project.plan(small()).state_commit == project.state().commit


def test_the_reason_of_a_new_run_names_the_files_that_changed(project):
    assert action_on(project.plan(EDITS["code"]), SUM).changed_files == {"/code": ("sum.py",)}
    assert action_on(project.plan(EDITS["data"]), NUMBERS).changed_files == {"/path": ("numbers.csv",)}


# Named kinds.


def test_a_named_asset_is_created_updated_in_place_and_replaced():
    project = InMemoryProject()
    assert action_on(project.apply(WITH_CLUSTER), CLUSTER).op is Op.CREATE
    described = edited("compute/cluster.yml", "size: one", "size: one\nmax_instances: 4", WITH_CLUSTER)
    assert action_on(project.apply(described), CLUSTER).op is Op.UPDATE
    resized = edited("compute/cluster.yml", "size: one", "size: two", described)
    assert action_on(project.apply(resized), CLUSTER).op is Op.REPLACE
    assert project.plan(resized).decisions == ()


def test_a_compute_that_is_bound_to_another_backend_is_updated():
    project = InMemoryProject()
    project.converge(WITH_CLUSTER)
    bound = edited("mlgit.yml", 'compute: {"*": local}', "compute: {cluster: other}", WITH_CLUSTER)
    rebound = edited("mlgit.yml", "{local: {type: local}}", "{other: {type: local}, local: {type: local}}", bound)
    action = action_on(project.plan(rebound), CLUSTER)
    assert (action.op, action.reason) == (Op.UPDATE, "backend local -> other")


def test_a_job_on_a_compute_without_a_backend_is_refused_at_its_line():
    files = edited("mlgit.yml", 'compute: {"*": local}', "compute: {}", WITH_CLUSTER)
    (diagnostic,) = InMemoryProject().plan(files).refusals
    assert (diagnostic.code, diagnostic.span) == ("compute-unbound", Span("jobs/sum.yml", 6, 10))
    assert "cluster" in diagnostic.hint


# Versioned kinds.


def numbers(version: str, csv: str = "n\n1\n2\n3\n") -> dict[str, str]:
    files = edited("data/numbers.yml", "type:", f"version: {version}\ntype:" if version else "type:")
    return {**files, "data/numbers.csv": csv}


def test_versions_are_numbered_if_none_is_declared(project):
    assert action_on(project.apply(numbers("", "n\n4\n")), NUMBERS).version == "2"
    action = action_on(project.apply(numbers("", "n\n5\n")), NUMBERS)
    assert (action.op, action.version, action.seq) == (Op.NEW_VERSION, "3", 3)


def test_older_content_registers_the_next_version(project):
    project.converge(numbers("", "n\n4\n"))
    assert action_on(project.plan(small()), NUMBERS).version == "3"


def test_a_declared_version_is_immutable_at_its_line():
    project = InMemoryProject()
    project.converge(numbers("7"))
    _, (diagnostic,) = project.plan_with_diagnostics(numbers("7", "n\n4\n"))
    assert (diagnostic.code, diagnostic.span) == ("version-immutable", Span("data/numbers.yml", 3, 10))
    assert "data/numbers@7" in diagnostic.message
    assert "raise the version" in diagnostic.hint


def test_an_older_version_is_immutable_too():
    project = InMemoryProject()
    project.converge(numbers("7"))
    project.converge(numbers("8", "n\n4\n"))
    _, (diagnostic,) = project.plan_with_diagnostics(numbers("7", "n\n5\n"))
    assert diagnostic.code == "version-immutable"


def test_a_declared_version_that_was_registered_before_is_adopted():
    project = InMemoryProject()
    project.converge(numbers("7"))
    project.converge(numbers("8", "n\n4\n"))
    plan = project.apply(numbers("7"))
    assert (action_on(plan, NUMBERS).op, action_on(plan, NUMBERS).version) == (Op.ADOPT, "7")
    assert action_on(plan, SUM).op is Op.ADOPT
    assert plan.submissions == ()


def test_a_declared_version_with_other_fields_in_place_is_an_update():
    project = InMemoryProject()
    project.converge(numbers("7"))
    described = edited("data/numbers.yml", "type:", "description: new\ntype:", numbers("7"))
    action = action_on(project.plan(described), NUMBERS)
    assert (action.op, action.version) == (Op.UPDATE, "7")


def test_a_higher_declared_version_of_the_same_content_runs_nothing():
    project = InMemoryProject()
    project.converge(numbers("7"))
    plan = project.plan(numbers("8"))
    assert action_keys(plan) == ["new-version data/numbers"]


def test_an_automatic_version_steps_over_one_that_was_declared():
    project = InMemoryProject()
    for version, csv in (("2", "n\n2\n"), ("1", "n\n1\n")):
        project.converge(numbers(version, csv))
    assert action_on(project.plan(numbers("", "n\n3\n")), NUMBERS).version == "3"


def test_an_asset_that_comes_back_is_registered_again(project):
    project.converge(EDITS["model gone"])
    assert project.records[TOTAL].archived
    action = action_on(project.plan(small()), TOTAL)
    assert (action.op, action.version) == (Op.REGISTER, "2")


# References.


def job_with(reference: str) -> dict[str, str]:
    return edited("jobs/sum.yml", "azureml:numbers@latest", reference)


def test_latest_is_what_the_plan_itself_registers(project):
    plan = project.plan(EDITS["data"])
    resolved = action_on(plan, SUM).resolved
    assert resolved is not None
    assert resolved.references["/inputs/numbers/path"].version == "2"


def test_an_exact_older_version_is_what_it_was(project):
    project.converge(EDITS["data"])
    resolved = action_on(
        project.plan({**EDITS["data"], "jobs/sum.yml": job_with("azureml:numbers:1")["jobs/sum.yml"]}), SUM
    )
    assert resolved.op is Op.ADOPT


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("azureml:numbers:9", "data/numbers@9, which does not exist: its current version is 1"),
        ("azureml:numbers@best", "the only label is latest"),
    ],
)
def test_a_missing_version_or_label_is_refused_at_its_line(project, reference, message):
    _, (diagnostic,) = project.plan_with_diagnostics(job_with(f'"{reference}"'))
    assert (diagnostic.code, diagnostic.span) == ("reference-unresolved", Span("jobs/sum.yml", 8, 35))
    assert message in diagnostic.message


def test_a_missing_job_output_is_refused_with_a_suggestion(project):
    _, (diagnostic,) = project.plan_with_diagnostics(edited("models/total.yml", "outputs/total", "outputs/totl"))
    assert (diagnostic.span, diagnostic.hint) == (Span("models/total.yml", 4, 7), "did you mean total?")


def test_what_is_live_and_not_declared_can_be_referenced(project):
    files = without("data/numbers.yml")
    plan = project.plan(files, ancestry=lambda _: False)
    assert plan.actions == ()


def test_what_is_archived_cannot_be_referenced(project):
    project.records[NUMBERS] = replace(project.records[NUMBERS], archived=True)
    _, (diagnostic,) = project.plan_with_diagnostics(without("data/numbers.yml"))
    assert "which is not live" in diagnostic.message


def test_a_kind_without_a_provider_is_planned_as_recorded_only():
    text = SCHEMA.format("workspaceConnection") + "name: store\ntype: git\ntarget: https://example.org/x.git\n"
    plan = InMemoryProject().plan({**small(), "store.yml": text})
    (action,) = (action for action in plan.actions if action.address.name == "store")
    assert (action.op, kinds()[action.address.kind].is_supported({})) == (Op.CREATE, False)


def test_an_asset_that_is_removed_cannot_be_referenced(project):
    _, (diagnostic,) = project.plan_with_diagnostics(without("data/numbers.yml"))
    assert (diagnostic.code, diagnostic.span) == ("reference-unresolved", Span("jobs/sum.yml", 8, 35))


def test_an_asset_of_another_branch_can_be_referenced(project):
    assert project.plan(without("data/numbers.yml"), ancestry=lambda _: False).actions == ()


def test_the_hint_names_commit_and_file_of_a_removed_reference_target(project):
    files = without("data/numbers.yml")
    declared, state = declared_by(files), project.state()
    removals = find_removals(declared, state, lambda _: True)
    hints = {address: removal_hint(record) for address, record in removals.items()}
    (diagnostic,) = check_references(declared, referencable(state, removals), hints)
    assert (diagnostic.code, diagnostic.severity) == ("reference-dangling", Severity.ERROR)
    assert project.records[NUMBERS].declared_at in diagnostic.hint


def test_a_version_with_equal_content_is_no_reason_for_its_users(project):
    versioned = edited("data/numbers.yml", "type:", "version: 7\ntype:")
    both = edited("jobs/sum.yml", "factor: 2", "factor: 3", versioned)
    action = action_on(project.plan(both), SUM)
    assert list(map(str, field_changes(action))) == ["inputs.factor 2 -> 3"]


def test_version_order_continues_after_an_older_one_was_declared_again(project):
    for version, csv in (("1", "n\n1\n2\n3\n"), ("2", "n\n4\n"), ("1", "n\n1\n2\n3\n")):
        project.apply(numbers(version, csv))
    action = action_on(project.apply(numbers("3", "n\n5\n")), NUMBERS)
    assert (action.version, action.seq) == ("3", 3)
    seqs = [record.seq for (address, _), record in project.versions.items() if address == NUMBERS]
    assert len(seqs) == len(set(seqs)) == 3


@pytest.mark.parametrize("address", [NUMBERS, PLAIN, TOTAL])
def test_a_requested_replacement_is_the_next_version(project, address):
    plan = project.apply(small(), requested=frozenset({address}))
    assert action_on(plan, address, Op.NEW_VERSION).version == "2"
    assert plan.submissions == ()
    assert project.plan(small()).actions == ()


def test_a_declared_version_cannot_be_replaced(project):
    project.apply(numbers("1"))
    _, (diagnostic,) = project.plan_with_diagnostics(numbers("1"), requested=frozenset({NUMBERS}))
    assert (diagnostic.code, diagnostic.span) == ("version-immutable", Span("data/numbers.yml", 3, 10))
    assert "raise the version" in diagnostic.hint
    assert action_on(project.plan(numbers("2"), requested=frozenset({NUMBERS})), NUMBERS).version == "2"


def test_the_sentence_of_a_first_run_says_so():
    text = small()["jobs/sum.yml"].replace("name: sum", "name: next")
    text = text.replace("azureml:numbers@latest", "azureml://jobs/sum/outputs/total")
    plan = InMemoryProject().plan({**small(), "jobs/next.yml": text})
    assert (
        action_sentence(action_on(plan, Address("job", "next")))
        == "first run of job/next on local, known after job/sum"
    )


def test_environments_are_built_before_their_version_is_registered():
    plan = InMemoryProject().plan(small())
    assert action_on(plan, PLAIN, Op.NEW_VERSION).needs == (ActionId(Op.BUILD, PLAIN),)


def test_the_files_of_small_have_nothing_wrong_in_them():
    assert declared_by(small()).diagnostics == ()


def test_a_requested_replacement_and_a_declared_version_are_reasons():
    project = InMemoryProject()
    project.converge(small())
    replacement = action_on(project.plan(small(), requested=frozenset({NUMBERS})), NUMBERS, Op.NEW_VERSION)
    assert replacement.reason == "it was requested again"
    files = edited("data/numbers.yml", "name: numbers", 'name: numbers\nversion: "7"')
    assert action_on(project.plan(files), NUMBERS).reason == "version 1 -> 7"


def test_a_plan_without_an_action_is_without_what_needs_it():
    plan = InMemoryProject().plan(small())
    remaining, excluded = plan.without(lambda action: action.key == ActionId(Op.BUILD, PLAIN))
    assert [str(item.action.key) for item in excluded if item.cause is None] == ["build environment/plain"]
    causes = {str(item.action.key): str(item.cause.key) for item in excluded if item.cause}
    assert causes["new-version environment/plain"] == "build environment/plain"
    assert causes["submit job/sum"] == "build environment/plain"
    assert {*action_keys(remaining), *(str(item.action.key) for item in excluded)} == set(action_keys(plan))
    assert "submit job/sum" not in action_keys(remaining)


def test_an_action_that_is_kept_stays_without_what_it_needs():
    plan = InMemoryProject().plan(small())
    remaining, excluded = plan.without(lambda action: action.op is Op.BUILD, lambda action: action.op is Op.NEW_VERSION)
    assert "new-version environment/plain" in action_keys(remaining)
    assert "submit job/sum" in [str(item.action.key) for item in excluded]
