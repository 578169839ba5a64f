"""A protected asset is not archived, deleted or replaced, even if its line is removed with it."""

from __future__ import annotations

import pytest
from planning.project import SCHEMA, TOTAL, InMemoryProject, action_keys, action_on, edited, small, without

from reconciler.model import Address, Op

pytestmark = pytest.mark.fast

CLUSTER = Address("compute", "cluster")
RENDERED = SCHEMA.format("amlCompute") + "name: cluster\ntype: amlcompute\nsize: one\n"
WITH_CLUSTER = {**small(), "compute/cluster.yml": RENDERED}


def protecting(glob: str, files: dict[str, str] | None = None) -> dict[str, str]:
    files = files or small()
    return {**files, "mlgit.yml": f'{files["mlgit.yml"]}protect: ["{glob}"]\n'}


@pytest.fixture
def project() -> InMemoryProject:
    applied = InMemoryProject()
    applied.converge(protecting("model/*"))
    return applied


def test_protection_is_recorded(project):
    assert project.records[TOTAL].protected
    assert [address for address, record in project.records.items() if record.protected] == [TOTAL]


def test_removing_a_protected_asset_is_an_error(project):
    _, (diagnostic,) = project.plan_with_diagnostics(protecting("model/*", without("models/total.yml")))
    assert diagnostic.code == "protected"
    assert (
        "model/total is protected by protect: model/* in mlgit.yml, but this plan would have it archived"
        in diagnostic.message
    )
    assert diagnostic.hint.startswith("declare it again; to remove it, first apply")


def test_protection_applies_if_its_entry_is_removed_with_the_asset(project):
    _, (diagnostic,) = project.plan_with_diagnostics(without("models/total.yml"))
    assert "protected since it was applied last" in diagnostic.message
    assert "first apply with it declared and without its line in protect: of mlgit.yml" in diagnostic.hint


def test_a_change_of_protection_alone_is_an_update_with_a_reason(project):
    plan = project.apply(small())
    action = action_on(plan, TOTAL)
    assert (action_keys(plan), action.reason) == (["update model/total"], "no longer protected")
    assert action_keys(project.apply(without("models/total.yml"))) == ["archive model/total"]


def test_a_live_asset_becomes_protected():
    project = InMemoryProject()
    project.converge(small())
    plan = project.apply(protecting("job/sum"))
    assert [(str(action.key), action.reason) for action in plan.actions] == [
        ("update job/sum", "becomes protected (protect: job/sum)")
    ]
    assert action_keys(project.plan(protecting("job/sum"))) == []


def test_a_protected_asset_is_not_replaced_but_can_be_updated():
    project = InMemoryProject()
    files = protecting("compute/*", WITH_CLUSTER)
    project.converge(files)
    _, (diagnostic,) = project.plan_with_diagnostics(edited("compute/cluster.yml", "size: one", "size: two", files))
    assert (diagnostic.code, "replaced" in diagnostic.message) == ("protected", True)
    described = edited("compute/cluster.yml", "size: one", "size: one\ndescription: new", files)
    assert action_on(project.plan(described), CLUSTER).op is Op.UPDATE


def test_a_new_version_of_a_protected_asset_is_no_violation(project):
    assert action_on(project.plan(protecting("model/*", edited("jobs/sum.yml", "factor: 2", "factor: 3"))), TOTAL)


def test_an_excluded_removal_does_not_violate_protection(project):
    _, diagnostics = project.plan_with_diagnostics(
        protecting("model/*", without("models/total.yml")), exclude=("model",)
    )
    assert diagnostics == ()
