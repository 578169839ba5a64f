"""A plan that was shown is shown again only where nothing that it follows from has changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from workspaces import commit, edit, git

from reconciler.project import incremental


@pytest.fixture
def planned(monkeypatch) -> list[str]:
    """Note each time that a plan is made for real."""
    found: list[str] = []
    real = incremental.plan_incrementally

    def plan(*arguments):
        found.append("planned")
        return real(*arguments)

    monkeypatch.setattr(incremental, "plan_incrementally", plan)
    return found


def test_every_change_of_what_a_plan_follows_from_makes_a_new_one(applied, mlgit, planned):
    mlgit("plan", cwd=applied)
    changes = [
        lambda: edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3"),
        lambda: commit(applied),
        lambda: git(applied, "commit", "--quiet", "--amend", "-m", "the same tree, another commit"),
        lambda: edit(applied, "mlgit.yml", "small", "small"),
        lambda: git(applied, "update-ref", "refs/mlgit/small/default/live", "refs/mlgit/small/default/live~1"),
        lambda: (applied / "data/untracked.yml").write_text("name: x\n", encoding="utf-8"),
    ]
    made = []
    for change in changes:
        planned.clear()
        change()
        mlgit("plan", cwd=applied)
        made.append(len(planned))
        assert mlgit("plan", "--detailed-exitcode", cwd=applied).code in {0, 2}
        assert len(planned) == made[-1]
    assert made == [1, 1, 1, 0, 1, 1]


def test_what_was_said_of_the_files_is_said_again(applied, mlgit, planned):
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


def test_options_that_ask_for_another_plan_are_not_answered_from_memory(applied, mlgit, planned):
    mlgit("plan", cwd=applied)
    planned.clear()
    assert "new run of job/sum" in mlgit("plan", "--replace", "job/sum", cwd=applied).out
    mlgit("plan", "--ref", "HEAD", cwd=applied)
    mlgit("plan", "--format", "json", cwd=applied)
    assert planned == ["planned", "planned"]


def test_a_plan_that_cannot_be_read_is_made_anew(applied, mlgit, planned):
    first = mlgit("plan", cwd=applied)
    with closing(sqlite3.connect(applied / ".git/mlgit/shown.sqlite")) as database, database:
        for table, value in (("plans", "{"), ("plans", '{"text": 1}'), ("settings", "[1]")):
            planned.clear()
            database.execute(f"UPDATE {table} SET value = ?", [value])  # noqa: S608 - our own names
            database.commit()
            assert mlgit("plan", cwd=applied) == first
            assert planned == ["planned"]
