"""What follows from what in a plan: data -> job directly, data -> job -> model indirectly."""

from __future__ import annotations

from planning.test_plan import EDITS
from planning.world import NUMBERS, SUM, TOTAL, World, action_on, edited, small

from reconciler.model import Plan
from reconciler.render import text
from reconciler.render.impact import compute_impact


def settled() -> World:
    world = World()
    world.settle(small())
    return world


def lines(plan: Plan) -> list[str]:
    return [line.strip() for line in text.format_plan(plan).splitlines()[2:]]


def test_what_follows_is_direct_or_indirect_and_told_where_it_begins():
    plan = settled().plan(EDITS["data"])
    found = compute_impact(plan.actions)
    assert list(found.impacted_addresses(action_on(plan, NUMBERS))) == [(SUM, True), (TOTAL, False)]
    assert list(found.impacted_addresses(action_on(plan, SUM))) == []
    assert found.root_causes(TOTAL) == {NUMBERS}


def test_a_reason_names_the_asset_whose_change_it_was():
    assert lines(settled().plan(EDITS["data"])) == [
        "+ data/numbers: new version 2 because path changed (numbers.csv)",
        "> new run of job/sum because data/numbers changed (inputs.numbers 1 -> 2)",
        "+ model/total: new version, known after job/sum, indirectly because of data/numbers",
    ]


def test_what_is_described_anew_has_no_followers():
    world = settled()
    described = edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new")
    both = edited("jobs/sum.yml", "factor: 2", "factor: 3", described)
    assert lines(world.plan(both)) == [
        "~ data/numbers@1: update in place, description added: new",
        "> new run of job/sum because inputs.factor 2 -> 3",
        "+ model/total: new version, known after job/sum",
    ]


def test_nothing_follows_from_a_new_version_for_those_who_name_another():
    world = World()
    exact = edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:numbers:1")
    world.settle(exact)
    both = edited("jobs/sum.yml", "factor: 2", "factor: 3", {**exact, "data/numbers.csv": "9\n"})
    assert lines(world.plan(both)) == [
        "+ data/numbers: new version 2 because path changed (numbers.csv)",
        "> new run of job/sum because inputs.factor 2 -> 3",
        "+ model/total: new version, known after job/sum",
    ]


def test_a_job_on_an_older_version_of_what_follows_from_it_has_no_cause_but_itself():
    world = settled()
    older = edited(
        "jobs/sum.yml",
        "{type: uri_file, path: azureml:numbers@latest}",
        "{path: 'azureml:total:1', type: custom_model}",
    )
    assert lines(world.plan(older))[-1] == "+ model/total: new version, known after job/sum"


def test_of_what_is_new_nothing_is_called_the_reason():
    assert "because" not in text.format_plan(World().plan(small()))


def test_the_causes_of_a_long_chain_are_found():
    job = small()["jobs/sum.yml"]
    chain = {
        f"jobs/j{n}.yml": job.replace("name: sum", f"name: j{n}").replace(
            "azureml:numbers@latest", f"azureml://jobs/{f'j{n - 1}' if n else 'sum'}/outputs/total"
        )
        for n in range(1500)
    }
    plan = World().plan({**small(), **chain})
    last = action_on(plan, type(SUM)("job", "j1499"))
    assert {str(address) for address in compute_impact(plan.actions).root_causes(last.address)} == {
        "data/numbers",
        "environment/plain",
    }
