"""The impact of actions of a plan on others: data -> job directly, data -> job -> model indirectly."""

from __future__ import annotations

import pytest
from planning.project import NUMBERS, SUM, TOTAL, InMemoryProject, action_on, edited, small
from planning.test_plan import EDITS

from reconciler.model import Plan
from reconciler.render import text
from reconciler.render.impact import compute_impact

pytestmark = pytest.mark.fast


def applied_project() -> InMemoryProject:
    project = InMemoryProject()
    project.converge(small())
    return project


def plan_lines(plan: Plan) -> list[str]:
    return [line.strip() for line in text.format_plan(plan).splitlines()[2:]]


def test_a_root_cause_has_direct_and_indirect_impact():
    plan = applied_project().plan(EDITS["data"])
    impact = compute_impact(plan.actions)
    assert list(impact.impacted_addresses(action_on(plan, NUMBERS))) == [(SUM, True), (TOTAL, False)]
    assert list(impact.impacted_addresses(action_on(plan, SUM))) == []
    assert impact.root_causes(TOTAL) == {NUMBERS}


def test_a_reason_names_the_asset_whose_change_it_was():
    assert plan_lines(applied_project().plan(EDITS["data"])) == [
        "+ data/numbers: new version 2 because path changed (numbers.csv)",
        "> new run of job/sum on local because data/numbers changed (inputs.numbers 1 -> 2)",
        "+ model/total: new version, known after job/sum, indirectly because of data/numbers",
    ]


def test_an_update_in_place_has_no_impact():
    project = applied_project()
    with_description = edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new")
    files = edited("jobs/sum.yml", "factor: 2", "factor: 3", with_description)
    assert plan_lines(project.plan(files)) == [
        "~ data/numbers@1: update in place, description added: new",
        "> new run of job/sum on local because inputs.factor 2 -> 3",
        "+ model/total: new version, known after job/sum",
    ]


def test_a_new_version_has_no_impact_on_a_job_that_references_another_version():
    project = InMemoryProject()
    pinned = edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:numbers:1")
    project.converge(pinned)
    files = edited("jobs/sum.yml", "factor: 2", "factor: 3", {**pinned, "data/numbers.csv": "9\n"})
    assert plan_lines(project.plan(files)) == [
        "+ data/numbers: new version 2 because path changed (numbers.csv)",
        "> new run of job/sum on local because inputs.factor 2 -> 3",
        "+ model/total: new version, known after job/sum",
    ]


def test_a_job_that_reads_an_older_version_of_its_own_model_has_no_other_cause():
    project = applied_project()
    files = edited(
        "jobs/sum.yml",
        "{type: uri_file, path: azureml:numbers@latest}",
        "{path: 'azureml:total:1', type: custom_model}",
    )
    assert plan_lines(project.plan(files))[-1] == "+ model/total: new version, known after job/sum"


def test_a_plan_of_new_assets_names_no_reasons():
    assert "because" not in text.format_plan(InMemoryProject().plan(small()))


@pytest.mark.slow
def test_the_root_causes_of_a_long_chain_are_found():
    job = small()["jobs/sum.yml"]
    chain = {
        f"jobs/j{n}.yml": job.replace("name: sum", f"name: j{n}").replace(
            "azureml:numbers@latest", f"azureml://jobs/{f'j{n - 1}' if n else 'sum'}/outputs/total"
        )
        for n in range(1500)
    }
    plan = InMemoryProject().plan({**small(), **chain})
    last = action_on(plan, type(SUM)("job", "j1499"))
    assert {str(address) for address in compute_impact(plan.actions).root_causes(last.address)} == {
        "data/numbers",
        "environment/plain",
    }
