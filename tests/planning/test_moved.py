"""`moved:` of mlgit.yml: a renamed asset keeps its versions and runs."""

from __future__ import annotations

import pytest
from planning.project import (
    NUMBERS,
    SUM,
    TOTAL,
    InMemoryProject,
    action_keys,
    action_on,
    edited,
    plan_options_of,
    small,
    without,
)

from reconciler.config import config
from reconciler.diagnostics import Severity
from reconciler.format.yaml import parse_yaml
from reconciler.model import ActionId, Address, Op, RunStatus

pytestmark = pytest.mark.fast

FIGURES, ADD = Address("data", "figures"), Address("job", "add")
MOVED = "moved: [{{from: {}, to: {}}}]\n"


def renamed(files: dict[str, str] | None = None) -> dict[str, str]:
    """Return files in which data/numbers is called data/figures, without a `moved:` entry."""
    files = edited("data/numbers.yml", "name: numbers", "name: figures", files)
    return edited("jobs/sum.yml", "azureml:numbers@latest", "azureml:figures@latest", files)


def saying(files: dict[str, str], *pairs: tuple[str, str]) -> dict[str, str]:
    lines = "".join(f"  - {{from: {old}, to: {new}}}\n" for old, new in pairs)
    return {**files, "mlgit.yml": f"{files['mlgit.yml']}moved:\n{lines}"}


DATA = saying(renamed(), ("data/numbers", "data/figures"))
JOB = saying(
    edited(
        "models/total.yml", "jobs/sum/", "jobs/add/", edited("jobs/sum.yml", "name: sum", "name: add")
    ),
    ("job/sum", "job/add"),
)  # fmt: skip


@pytest.fixture
def project() -> InMemoryProject:
    applied = InMemoryProject()
    applied.converge(small())
    return applied


def test_a_renamed_asset_keeps_its_version_and_nothing_runs(project):
    plan = project.apply(DATA)
    assert action_keys(plan) == ["move data/figures"]
    assert plan.actions[0].moved_from == NUMBERS
    assert project.records[FIGURES].version == "1"
    assert action_keys(project.plan(DATA)) == []


def test_identical_content_under_another_name_suggests_a_rename(project):
    plan = project.plan(renamed())
    assert (
        "data/numbers is removed and data/figures is added with identical content. "
        "If this is a rename, add moved: [{from: data/numbers, to: data/figures}] to mlgit.yml"
    ) in plan.notes


def test_a_renamed_job_keeps_its_runs_and_adopts_older_ones(project):
    project.converge(edited("jobs/sum.yml", "factor: 2", "factor: 3"))
    changed = edited("jobs/sum.yml", "factor: 2", "factor: 3", JOB)
    assert action_keys(project.apply(changed)) == ["move job/add"]
    assert action_keys(project.plan(changed)) == []
    back = project.plan(JOB)
    assert (action_on(back, ADD).op, back.submissions) == (Op.ADOPT, ())


def test_a_renamed_job_continues_counting_attempts(project):
    project.converge(JOB)
    again = project.plan(JOB, requested=frozenset({ADD}))
    run = action_on(again, ADD).run
    assert run is not None
    assert run.attempt == 2
    project.apply(JOB, requested=frozenset({ADD}))
    project.end(RunStatus.COMPLETED)
    assert action_on(project.plan(JOB, requested=frozenset({ADD})), ADD).run.attempt == 3


def test_an_asset_can_change_and_be_renamed_at_once(project):
    plan = project.plan({**DATA, "data/numbers.csv": "n\n4\n"})
    assert action_keys(plan)[:2] == ["move data/figures", "new-version data/figures"]
    assert action_on(plan, FIGURES, Op.NEW_VERSION).version == "2"
    assert action_on(plan, FIGURES, Op.NEW_VERSION).needs[0] == ActionId(Op.RENAME, FIGURES)
    assert ActionId(Op.RENAME, FIGURES) in action_on(plan, SUM).needs


def test_a_chain_of_renames_leads_to_the_last_name(project):
    last = edited("data/numbers.yml", "figures", "values", edited("jobs/sum.yml", "figures", "values", renamed()))
    plan = project.apply(saying(last, ("data/numbers", "data/figures"), ("data/figures", "data/values")))
    assert action_keys(plan) == ["move data/values"]


def test_a_former_name_that_is_used_again_continues_its_versions(project):
    project.converge(DATA)
    both = {**DATA, "data/other.yml": small()["data/numbers.yml"], "mlgit.yml": small()["mlgit.yml"]}
    plan = project.plan({**both, "data/numbers.csv": "n\n9\n"})
    assert action_on(plan, NUMBERS).version == "2"


def test_a_rename_of_an_asset_that_is_still_declared_is_refused(project):
    _, (diagnostic, *_) = project.plan_with_diagnostics(saying(small(), ("data/numbers", "data/figures")))
    assert diagnostic.code == "moved-wrong"
    assert "data/numbers.yml still declares data/numbers" in diagnostic.message
    assert diagnostic.span.line > 1


def test_a_rename_to_an_undeclared_asset_is_refused(project):
    _, diagnostics = project.plan_with_diagnostics(saying(renamed(), ("data/numbers", "data/figure")))
    (diagnostic,) = (diagnostic for diagnostic in diagnostics if diagnostic.code == "moved-wrong")
    assert diagnostic.hint == "did you mean data/figures?"


def test_a_rename_to_a_live_asset_is_ignored_with_a_warning(project):
    project.converge(renamed(), ancestry=lambda _: False)
    plan, (diagnostic,) = project.plan_with_diagnostics(DATA, ancestry=lambda _: False)
    assert (diagnostic.code, diagnostic.severity) == ("moved-wrong", Severity.WARNING)
    assert plan.actions == ()


def test_a_name_that_another_asset_had_is_refused(project):
    other = {**small(), "data/figures.yml": small()["data/numbers.yml"].replace("name: numbers", "name: figures")}
    project.converge(other)
    project.converge(small())
    _, (diagnostic,) = project.plan_with_diagnostics(DATA)
    assert "another asset had" in diagnostic.message


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("data/a", "model/a")], "keeps the kind"),
        ([("data/a", "data/b"), ("data/a", "data/c")], "data/a is renamed twice"),
        ([("data/a", "data/c"), ("data/b", "data/c")], "data/c is renamed twice"),
        ([("data/a", "data/b"), ("data/b", "data/a")], "form a cycle"),
        ([("data/a", "data/a")], "form a cycle"),
    ],
)
def test_invalid_renames_are_errors_of_mlgit_yml(pairs, message):
    text = saying(small(), *pairs)["mlgit.yml"]
    _, diagnostics = config.parse_config(parse_yaml(config.CONFIG_FILE, text.encode())[0])
    assert [diagnostic.code for diagnostic in diagnostics] == ["moved-wrong"]
    assert message in diagnostics[0].message
    assert diagnostics[0].span.line == 5 + len(pairs)


def test_a_rename_that_was_done_before_is_ignored(project):
    project.converge(DATA)
    removed = without("models/total.yml", DATA)
    assert action_keys(project.plan(removed)) == ["archive model/total"]
    assert plan_options_of(removed).config.moved[0].old == NUMBERS
    assert TOTAL in project.records
