"""A plan is printed from the cache only if nothing that it follows from has changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from workspaces import commit, edit, git

from reconciler.project import incremental


@pytest.fixture
def planned(monkeypatch) -> list[str]:
    """Record each time that a plan is made instead of printed from the cache."""
    calls: list[str] = []
    original = incremental.plan_incrementally

    def plan(*arguments):
        calls.append("planned")
        return original(*arguments)

    monkeypatch.setattr("reconciler.project.plan.plan_incrementally", plan)
    return calls


def test_every_change_of_what_a_plan_follows_from_causes_a_new_plan(applied, mlgit, planned):
    mlgit("plan", cwd=applied)
    changes = [
        lambda: edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3"),
        lambda: commit(applied),
        lambda: git(applied, "commit", "--quiet", "--amend", "-m", "the same tree, another commit"),
        lambda: edit(applied, "mlgit.yml", "small", "small"),
        lambda: git(applied, "update-ref", "refs/mlgit/small/default/live", "refs/mlgit/small/default/live~1"),
        lambda: (applied / "data/untracked.yml").write_text("name: x\n", encoding="utf-8"),
    ]
    counts = []
    for change in changes:
        planned.clear()
        change()
        mlgit("plan", cwd=applied)
        counts.append(len(planned))
        assert mlgit("plan", "--detailed-exitcode", cwd=applied).code in {0, 2}
        assert len(planned) == counts[-1]
    assert counts == [1, 1, 1, 0, 1, 1]


def test_diagnostics_are_printed_with_a_plan_from_the_cache(applied, mlgit, planned):
    (applied / "data/Numbers.yml").write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
        "name: Numbers\ntype: uri_file\npath: numbers.csv\n",
        encoding="utf-8",
    )
    first = mlgit("plan", cwd=applied)
    assert "address-alike" in first.err
    planned.clear()
    assert mlgit("plan", cwd=applied) == first
    assert planned == []


def test_options_that_ask_for_another_plan_do_not_use_the_cache(applied, mlgit, planned):
    mlgit("plan", cwd=applied)
    planned.clear()
    assert "new run of job/sum" in mlgit("plan", "--replace", "job/sum", cwd=applied).out
    mlgit("plan", "--ref", "HEAD", cwd=applied)
    mlgit("plan", "--format", "json", cwd=applied)
    assert planned == ["planned", "planned"]


@pytest.mark.parametrize("value", ["{", '{"text": 1}', "[1]"])
def test_a_cached_plan_that_cannot_be_decoded_is_made_again(value, applied, mlgit, planned):
    first = mlgit("plan", cwd=applied)
    planned.clear()
    with closing(sqlite3.connect(applied / ".git/mlgit/cache.sqlite")) as database, database:
        database.execute("UPDATE entries SET value = ?", [value])
    assert mlgit("plan", cwd=applied) == first
    assert planned == ["planned"]
