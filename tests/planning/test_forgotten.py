"""An asset whose record was removed from the live state (`state rm`) adopts what exists, or takes the next number."""

from __future__ import annotations

import pytest
from planning.project import NUMBERS, SUM, TOTAL, InMemoryProject, action_keys, action_on, edited, small

from reconciler.model import Op

pytestmark = pytest.mark.fast


@pytest.fixture
def project() -> InMemoryProject:
    """Return a project with two versions of everything, of which nothing is recorded as current."""
    project = InMemoryProject()
    project.converge(small())
    project.converge({**small(), "data/numbers.csv": "n\n4\n"})
    for address in (NUMBERS, SUM, TOTAL):
        del project.records[address]
    return project


def test_the_last_version_and_a_completed_run_are_adopted(project):
    plan = project.plan({**small(), "data/numbers.csv": "n\n4\n"})
    assert action_keys(plan) == ["adopt data/numbers", "adopt job/sum", "adopt model/total"]
    assert [action_on(plan, address).version for address in (NUMBERS, TOTAL)] == ["2", "2"]


def test_other_content_takes_the_next_number_and_place_in_the_order(project):
    action = action_on(project.plan({**small(), "data/numbers.csv": "n\n5\n"}), NUMBERS)
    assert (action.op, action.version, action.seq) == (Op.NEW_VERSION, "3", 3)


def test_older_content_registers_the_next_version_as_ever(project):
    plan = project.plan(small())
    assert (action_on(plan, NUMBERS).version, action_on(plan, SUM).op) == ("3", Op.ADOPT)


def test_a_declared_version_is_adopted_or_stays_immutable(project):
    declared = edited("data/numbers.yml", "name: numbers", "name: numbers\nversion: 1")
    action = action_on(project.plan(declared), NUMBERS)
    assert (action.op, action.version) == (Op.ADOPT, "1")
    _, diagnostics = project.plan_with_diagnostics({**declared, "data/numbers.csv": "n\n6\n"})
    assert [diagnostic.code for diagnostic in diagnostics] == ["version-immutable"]
