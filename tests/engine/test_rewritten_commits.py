"""A commit that was amended, rebased or squashed and holds all that was applied rewinds nothing: apply takes it."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit, git, write

pytestmark = pytest.mark.slow

APPLY = ("apply", "--auto-approve")
NOTE = "does not follow"


@pytest.fixture
def started(small, mlgit):
    """Make a workspace without jobs, with one commit more than the first, applied."""
    for name in ("jobs", "models", "environments"):
        git(small, "rm", "-rq", name)
    commit(small, "small")
    edit(small, "data/numbers.yml", "name: numbers", "name: numbers\ndescription: first")
    commit(small, "described")
    assert mlgit(*APPLY, cwd=small).code == 0
    return small


def applied_commit(folder):
    return json.loads(git(folder, "show", "refs/mlgit/small/default/live:meta.json"))["applied"]


def amend(folder):
    git(folder, "commit", "--quiet", "--amend", "-m", "other words")


def amend_with_more(folder):
    write(folder, {"README.md": "x\n"})
    git(folder, "add", "README.md")
    amend(folder)


def rebase(folder):
    """Put the last commit on top of a commit that changed another place of the same file."""
    git(folder, "checkout", "--quiet", "-b", "topic")
    git(folder, "checkout", "--quiet", "-b", "base", "HEAD~1")
    text = (folder / "data/numbers.csv").read_text()
    (folder / "data/numbers.csv").write_text(text)
    write(folder, {"notes.md": "on the base\n"})
    commit(folder, "base moved")
    git(folder, "checkout", "--quiet", "topic")
    git(folder, "rebase", "--quiet", "base")


def squash(folder):
    head = git(folder, "rev-parse", "HEAD")
    git(folder, "checkout", "--quiet", "-b", "squashed", "HEAD~2")
    git(folder, "merge", "--quiet", "--squash", head)
    git(folder, "commit", "--quiet", "-m", "all at once")


def without_history(folder):
    git(folder, "checkout", "--quiet", "--orphan", "fresh")
    git(folder, "commit", "--quiet", "-m", "a new history")


@pytest.mark.parametrize("rewrite", [amend, amend_with_more, rebase, squash, without_history])
def test_a_rewritten_commit_that_holds_all_that_was_applied_is_taken_and_recorded(started, mlgit, rewrite):
    before = git(started, "rev-parse", "HEAD")
    rewrite(started)
    rewritten = git(started, "rev-parse", "HEAD")
    assert rewritten != before
    planned = mlgit("plan", cwd=started)
    assert planned.out.startswith("No changes. ")
    assert (
        f"this commit {NOTE} {before[:10]}, which was applied last, but holds all of it: apply records it"
        in planned.out
    )
    assert "will refuse" not in planned.out
    assert mlgit("plan", "--detailed-exitcode", cwd=started).code == 0
    applied = mlgit(*APPLY, cwd=started)
    assert (applied.code, applied.out.startswith("No changes. ")) == (0, True), applied.err
    assert applied_commit(started) == rewritten
    assert NOTE not in mlgit("plan", cwd=started).out
    write(started, {"data/numbers.csv": "n\n1\n"})
    commit(started, "next")
    assert mlgit(*APPLY, cwd=started).code == 0
    assert applied_commit(started) == git(started, "rev-parse", "HEAD")


@pytest.mark.parametrize("changes_first", [False, True])
def test_what_a_rewritten_commit_declared_is_removed_with_its_file_later(started, mlgit, changes_first):
    if changes_first:
        write(started, {"data/numbers.csv": "n\n1\n"})
        git(started, "add", "--all")
    amend(started)
    assert mlgit(*APPLY, cwd=started).code == 0
    git(started, "rm", "--quiet", "data/numbers.yml")
    commit(started, "no data")
    assert "- data/numbers: archive" in mlgit("plan", cwd=started).out
    assert mlgit(*APPLY, cwd=started).code == 0


def test_a_rewritten_commit_with_changes_on_top_is_applied(started, mlgit):
    write(started, {"data/numbers.csv": "n\n1\n"})
    git(started, "add", "--all")
    amend(started)
    assert "will refuse" not in mlgit("plan", cwd=started).out
    applied = mlgit(*APPLY, cwd=started)
    assert applied.code == 0, applied.err
    assert applied_commit(started) == git(started, "rev-parse", "HEAD")


@pytest.mark.parametrize("form", ["text", "json", "markdown", "github"])
def test_plan_says_that_apply_refuses_a_commit_that_lacks_what_was_applied_also_without_changes(started, mlgit, form):
    write(started, {"README.md": "applied\n"})
    newest = commit(started, "readme")
    write(started, {"data/numbers.csv": "n\n1\n"})
    newest = commit(started, "data")
    assert mlgit(*APPLY, cwd=started).code == 0
    git(started, "checkout", "--quiet", "HEAD~2")
    write(started, {"data/numbers.csv": "n\n1\n"})
    commit(started, "the same data, without the readme")
    planned = mlgit("plan", "--format", form, cwd=started)
    assert planned.code == 0
    assert "will refuse this plan: commit" in planned.out
    refused = mlgit(*APPLY, cwd=started)
    assert refused.code == 1
    assert "[apply-rewinds]" in refused.err
    assert applied_commit(started) == newest


def test_a_commit_that_reverted_what_was_applied_is_refused(started, mlgit):
    git(started, "commit", "--quiet", "--amend", "-m", "other words")
    git(started, "revert", "--no-edit", "HEAD")
    assert "will refuse this plan" in mlgit("plan", cwd=started).out
    assert mlgit(*APPLY, cwd=started).code == 1


def test_allow_rewind_always_records_the_commit(started, mlgit):
    write(started, {"README.md": "applied\n", "data/numbers.csv": "n\n1\n"})
    commit(started, "newer")
    assert mlgit(*APPLY, cwd=started).code == 0
    edit(started, "README.md", "applied", "again")
    commit(started, "newest, of no asset")
    write(started, {"data/numbers.csv": "n\n2\n"})
    commit(started, "newest")
    assert mlgit(*APPLY, cwd=started).code == 0
    git(started, "checkout", "--quiet", "HEAD~3")
    write(started, {"data/numbers.csv": "n\n2\n"})
    other = commit(started, "no changes to make, and not all that was applied")
    assert mlgit(*APPLY, cwd=started).code == 1
    allowed = mlgit(*APPLY, "--allow-rewind", cwd=started)
    assert (allowed.code, allowed.out.startswith("No changes. ")) == (0, True), allowed.err
    assert applied_commit(started) == other
    older = git(started, "rev-parse", "HEAD~1")
    git(started, "checkout", "--quiet", older)
    assert mlgit(*APPLY, "--allow-rewind", cwd=started).code == 0
    assert applied_commit(started) == older


def test_an_older_commit_of_the_same_content_does_not_become_the_newest(started, mlgit):
    older = git(started, "rev-parse", "HEAD")
    write(started, {"data/numbers.csv": "n\n1\n"})
    commit(started, "data")
    assert mlgit(*APPLY, cwd=started).code == 0
    git(started, "revert", "--no-edit", "HEAD")
    assert mlgit(*APPLY, cwd=started).code == 0
    newest = applied_commit(started)
    assert newest == git(started, "rev-parse", "HEAD")
    git(started, "checkout", "--quiet", older)
    assert mlgit(*APPLY, cwd=started).code == 0
    assert applied_commit(started) == newest
