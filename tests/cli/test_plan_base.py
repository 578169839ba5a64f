"""`mlgit plan --base REV`: what is pending on a revision, apart from what the files of the work tree bring."""

from __future__ import annotations

import pytest
from workspaces import commit, edit, git, write


@pytest.fixture
def changed(applied):
    """Return the applied workspace with a pending commit on `base`, and an edit that is not committed."""
    edit(applied, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: all")
    commit(applied)
    git(applied, "branch", "base")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    return applied


def test_a_plan_shows_apart_what_is_pending_on_the_base(changed, mlgit):
    ended = mlgit("plan", "--base", "base", cwd=changed)
    assert ended.code == 0
    own, _, pending = ended.out.partition("Already pending on base, with or without this change:\n")
    assert own.startswith("Plan: 2 changes, starts 1 run.")
    assert "data/numbers" not in own.split("\n", 1)[1].replace("inputs", "")
    assert pending.startswith("  ~ data/numbers@1: update in place, description added: all\n")


def test_what_a_change_edits_of_a_pending_first_run_is_named(changed, mlgit):
    write(changed, {"jobs/more.yml": (changed / "jobs/sum.yml").read_text("utf-8").replace("name: sum", "name: more")})
    base = commit(changed)
    edit(changed, "jobs/more.yml", "factor: 3", "factor: 4")
    note = "job/more is not live yet; compared with what is pending on the base: inputs.factor 3 -> 4\n"
    ended = mlgit("plan", "--base", base, cwd=changed)
    assert "  > first run of job/more on local\n" in ended.out
    assert f"About this change:\n  {note}" in ended.out
    commit(changed)
    assert note in mlgit("ci", "plan", "--base", base, "--out", "report", cwd=changed).out


def test_a_plan_without_changes_of_its_own_says_so(changed, mlgit):
    git(changed, "checkout", "--quiet", "jobs/sum.yml")
    ended = mlgit("plan", "--base", "base", cwd=changed)
    assert ended.out.startswith("This change needs no action.\n\nAlready pending on base")


def test_errors_at_the_base_leave_unknown_what_is_pending(changed, mlgit):
    edit(changed, "models/total.yml", "type: custom_model", "type: custom")
    git(changed, "stash", "push", "--quiet", "jobs/sum.yml")
    wrong = commit(changed)
    edit(changed, "models/total.yml", "type: custom", "type: custom_model")
    ended = mlgit("plan", "--base", wrong, cwd=changed)
    assert ended.code == 0
    assert "have errors: what is pending there is not known" in ended.out


@pytest.mark.parametrize("option", ["--refresh", "--destroy", "--format=json"])
def test_the_base_does_not_go_with_what_files_do_not_say(changed, mlgit, option):
    ended = mlgit("plan", "--base", "base", option, cwd=changed)
    assert ended.code == 1
    assert "--base" in ended.err


def test_a_base_that_git_does_not_know_is_an_error(changed, mlgit):
    ended = mlgit("plan", "--base", "nowhere", cwd=changed)
    assert ended.code == 1
    assert "Git knows no revision nowhere [revision-unknown]" in ended.err
