from __future__ import annotations

from dataclasses import replace

import pytest
from planning.project import SCHEMA, SUM, InMemoryProject, action_keys, action_on, plan_options_of, small, without

from reconciler.model import Address, Op
from reconciler.planning.guard import guard_plan

pytestmark = pytest.mark.fast

STORE = {
    **small(),
    "store.yml": SCHEMA.format("azureBlob") + "name: store\ntype: azure_blob\naccount_name: a\ncontainer_name: c\n",
}
NO_MODEL = without("models/total.yml")


def many(count: int) -> dict[str, str]:
    numbered = {f"data/d{n}.yml": small()["data/numbers.yml"].replace("numbers\n", f"d{n}\n") for n in range(count)}
    return {**small(), **numbered}


def jobs(count: int) -> dict[str, str]:
    text = small()["jobs/sum.yml"]
    return {**small(), **{f"jobs/j{n}.yml": text.replace("name: sum", f"name: j{n}") for n in range(count - 1)}}


@pytest.fixture
def project() -> InMemoryProject:
    applied = InMemoryProject()
    applied.converge(small())
    return applied


def test_an_asset_of_this_branch_is_archived_with_its_file(project):
    plan = project.plan(NO_MODEL, ancestry=lambda _: True)
    assert action_keys(plan) == ["archive model/total"]
    assert plan.notes == ()


def test_an_asset_of_another_branch_is_not_removed(project):
    plan = project.plan(NO_MODEL, ancestry=lambda _: False)
    assert plan.actions == ()
    assert plan.notes == ("model/total is live, from a commit that is not in this branch: not removed",)


def test_a_shallow_clone_removes_nothing_it_cannot_decide(project):
    plan = project.plan(NO_MODEL, ancestry=lambda _: None)
    assert plan.actions == ()
    assert "a shallow clone cannot tell" in plan.notes[0]


def test_ancestry_is_checked_for_the_declaring_commit(project):
    commits: list[str] = []

    def ancestry(commit: str) -> bool:
        commits.append(commit)
        return True

    project.plan(NO_MODEL, ancestry=ancestry)
    assert commits == [project.records[Address("model", "total")].declared_at]


def test_a_workspace_is_never_removed_automatically(project):
    plan = project.plan(without("workspace.yml"))
    assert plan.actions == ()
    assert plan.notes == (
        "workspace/small is live and not in Git; assets of this kind are never removed automatically",
    )


def test_an_asset_without_versions_is_deleted():
    project = InMemoryProject()
    project.converge(STORE)
    assert action_keys(project.apply(small())) == ["delete datastore/store"]
    assert project.plan(small()).actions == ()


def test_an_archived_asset_is_not_archived_again(project):
    project.converge(NO_MODEL)
    assert project.records[Address("model", "total")].archived
    assert project.plan(NO_MODEL).actions == ()


def test_a_removed_job_is_canceled_and_archived():
    project = InMemoryProject()
    project.apply(small())
    removed = without("jobs/sum.yml", NO_MODEL)
    plan = project.apply(removed)
    assert action_keys(plan) == [f"cancel job/sum@{project.latest().id}", "archive job/sum"]
    assert action_on(plan, SUM, Op.CANCEL).version == project.latest().id
    assert project.plan(removed).actions == ()


def test_an_asset_is_archived_after_its_users(project):
    keys = action_keys(project.plan({name: text for name, text in small().items() if "/" not in name}))
    assert keys.index("archive job/sum") < keys.index("archive data/numbers")


def test_one_run_too_many_is_one_run():
    project = InMemoryProject()
    plan = project.plan(small())
    (diagnostic,) = guard_plan(plan, project.state(), plan_options_of(small())._replace(allow_submit=0))
    assert diagnostic.message.startswith("this plan starts 1 run; ")


def test_a_plan_that_starts_too_many_runs_is_refused_with_what_allows_it():
    files, project = jobs(11), InMemoryProject()
    plan = project.plan(files)
    (diagnostic,) = guard_plan(plan, project.state(), plan_options_of(files))
    assert (diagnostic.code, diagnostic.hint) == ("too-many-runs", "allow it with --allow-submit 11")
    assert list(guard_plan(plan, project.state(), plan_options_of(files)._replace(allow_submit=11))) == []
    assert list(guard_plan(plan, project.state(), plan_options_of(files)._replace(allow_submit=0))) != []


def test_as_many_runs_as_the_limit_are_allowed():
    project = InMemoryProject()
    assert list(guard_plan(project.plan(jobs(10)), project.state(), plan_options_of(small()))) == []


@pytest.mark.parametrize(("there", "kept_count", "refused"), [(10, 7, False), (10, 6, True), (9, 0, False)])
def test_a_plan_that_removes_many_assets_is_refused(there, kept_count, refused):
    extra = there - 5  # SMALL itself has five assets
    files, project = many(extra), InMemoryProject()
    project.converge(files)
    assert len(project.records) == there
    remaining = dict(files)
    dropped = [f"data/d{n}.yml" for n in range(extra)]
    dropped += ["models/total.yml", "jobs/sum.yml", "data/numbers.yml", "environments/plain.yml"]
    for name in dropped[: there - kept_count]:
        remaining.pop(name)
    plan = project.plan(remaining)
    diagnostics = list(guard_plan(plan, project.state(), plan_options_of(files)))
    assert [diagnostic.code for diagnostic in diagnostics] == (["mass-delete"] if refused else [])
    assert list(guard_plan(plan, project.state(), plan_options_of(files)._replace(allow_mass_delete=True))) == []


def test_archived_assets_do_not_count():
    files, project = many(5), InMemoryProject()
    project.converge(files)
    for n in range(5):
        address = Address("data", f"d{n}")
        project.records[address] = replace(project.records[address], archived=True)
    bare = {name: text for name, text in small().items() if "/" not in name}
    assert list(guard_plan(project.plan(bare), project.state(), plan_options_of(files))) == []
