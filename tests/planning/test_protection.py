"""What is protected is neither archived nor deleted nor replaced, also when its line leaves Git together with it."""

from __future__ import annotations

import pytest
from planning.world import SCHEMA, TOTAL, World, action_on, done, edited, small, without

from reconciler.model import Address, Op

CLUSTER = Address("compute", "cluster")
RENDERED = SCHEMA.format("amlCompute") + "name: cluster\ntype: amlcompute\nsize: one\n"
WITH_CLUSTER = {**small(), "compute/cluster.yml": RENDERED}


def protecting(glob: str, files: dict[str, str] | None = None) -> dict[str, str]:
    files = files or small()
    return {**files, "mlgit.yml": f'{files["mlgit.yml"]}protect: ["{glob}"]\n'}


@pytest.fixture
def world() -> World:
    applied = World()
    applied.settle(protecting("model/*"))
    return applied


def test_what_is_protected_is_recorded_as_such(world):
    assert world.records[TOTAL].protected
    assert [address for address, record in world.records.items() if record.protected] == [TOTAL]


def test_a_protected_asset_that_leaves_git_is_a_diagnostic(world):
    _, (diagnostic,) = world.look(protecting("model/*", without("models/total.yml")))
    assert diagnostic.code == "protected"
    assert (
        "model/total is protected by protect: model/* in mlgit.yml, but this plan would have it archived"
        in diagnostic.message
    )
    assert diagnostic.hint.startswith("declare it again; to remove it, first apply")


def test_protection_stays_in_force_when_its_line_leaves_together_with_the_asset(world):
    _, (diagnostic,) = world.look(without("models/total.yml"))
    assert "protected since it was applied last" in diagnostic.message
    assert "first apply with it declared and without its line in protect: of mlgit.yml" in diagnostic.hint


def test_a_change_of_protection_alone_is_an_update_with_a_reason(world):
    plan = world.apply(small())
    action = action_on(plan, TOTAL)
    assert (done(plan), action.reason) == (["update model/total"], "no longer protected")
    assert done(world.apply(without("models/total.yml"))) == ["archive model/total"]


def test_what_is_live_becomes_protected():
    world = World()
    world.settle(small())
    plan = world.apply(protecting("job/sum"))
    assert [(str(action.key), action.reason) for action in plan.actions] == [
        ("update job/sum", "becomes protected (protect: job/sum)")
    ]
    assert done(world.plan(protecting("job/sum"))) == []


def test_a_protected_asset_is_not_replaced_and_may_be_described_anew():
    world = World()
    files = protecting("compute/*", WITH_CLUSTER)
    world.settle(files)
    _, (diagnostic,) = world.look(edited("compute/cluster.yml", "size: one", "size: two", files))
    assert (diagnostic.code, "replaced" in diagnostic.message) == ("protected", True)
    described = edited("compute/cluster.yml", "size: one", "size: one\ndescription: new", files)
    assert action_on(world.plan(described), CLUSTER).op is Op.UPDATE


def test_a_new_version_of_a_protected_asset_is_no_violation(world):
    assert action_on(world.plan(protecting("model/*", edited("jobs/sum.yml", "factor: 2", "factor: 3"))), TOTAL)


def test_what_is_left_out_of_a_plan_is_not_held_against_it(world):
    _, diagnostics = world.look(protecting("model/*", without("models/total.yml")), exclude=("model",))
    assert diagnostics == ()
