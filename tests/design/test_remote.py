"""The design's section 5 on sharing the live state through a remote, sentence by sentence."""

from __future__ import annotations

import pytest
from design.held import missing
from workspaces import APPLY, commit, edit, git

ELSEWHERE = {
    "the *name* of a configured remote, never a URL": (
        "tests/sharing/test_messages.py::test_an_url_in_place_of_a_remotes_name_is_refused_at_its_line"
    ),
    "of a *configured* remote": ("tests/sharing/test_messages.py::test_a_remote_that_the_clone_does_not_have_is_named"),
    "with jittered backoff": (
        "tests/state/test_contending.py::test_nobody_starves_and_no_record_is_lost_over_a_remote"
    ),
    "a lost race re-reads and, where the records touched are disjoint, writes again": (
        "tests/state/test_contending.py::test_writes_of_different_records_both_end_in_the_state"
    ),
    "where the records touched are (not) disjoint": (
        "tests/state/test_contending.py::test_a_write_over_what_another_wrote_meanwhile_is_refused"
    ),
    "that turns the user's clone shallow": (
        "tests/sharing/test_clones.py::test_a_clone_of_any_sort_plans_applies_and_stays_what_it_is"
    ),
    "A remote ref that has vanished is an error naming the newest known copy, never an empty workspace.": (
        "tests/sharing/test_messages.py::test_a_live_state_that_vanished_is_no_empty_workspace_and_can_be_put_back"
    ),
}


def test_what_is_held_elsewhere_is_there():
    assert missing(ELSEWHERE) == []


@pytest.fixture
def published(updated):
    """Give a shared workspace of which the remote has the live state and the branch."""
    git(updated.folder, "push", "--quiet", "origin", "HEAD:main")
    return updated


def verbs(commands, verb):
    """Return the command lines of one verb that mlgit began, not those of the other end."""
    return [command for command in commands if verb in command]


def test_the_name_of_the_remote_is_always_passed_after_two_dashes(published, mlgit, commands):
    """`state: {remote: origin}`, ... always passed after `--`."""
    edit(published.folder, "jobs/sum.yml", "adds up", "adds numbers up")
    commit(published.folder)
    assert mlgit(*APPLY, cwd=published.folder).code == 0
    told = commands()
    assert verbs(told, "fetch") != []
    assert verbs(told, "push") != []
    for verb in verbs(told, "fetch") + verbs(told, "push"):
        assert verb[verb.index("origin") - 1] == "--"


def test_reads_fetch_into_refs_of_their_own(published, mlgit):
    """Reads fetch into `refs/mlgit-remote/...`."""
    other = published.clone("other")
    before = git(other, "for-each-ref").splitlines()
    assert mlgit("plan", cwd=other).code == 0
    after = git(other, "for-each-ref", "--format=%(refname)").splitlines()
    assert {*before} <= {*git(other, "for-each-ref").splitlines()}
    assert "refs/mlgit-remote/origin/small/default/live" in after
    assert [each for each in after if each.startswith("refs/mlgit/")] == []
    assert not (other / ".git/FETCH_HEAD").exists()


def test_reads_never_fetch_with_a_depth(published, mlgit, commands):
    """Never fetched with `--depth`."""
    other = published.clone("other")
    for command in ("plan", "status", "log"):
        assert mlgit(command, cwd=other).code == 0
    assert verbs(commands(), "fetch") != []
    options = [part for verb in verbs(commands(), "fetch") for part in verb]
    assert [
        option for option in options if option.startswith(("--depth", "--shallow", "--deepen", "--unshallow"))
    ] == []


def test_writes_push_by_compare_and_swap(published, mlgit, commands):
    """Writes push by compare-and-swap (`--force-with-lease=<ref>:<old>`, `--atomic`)."""
    before = len(published.pushes())
    edit(published.folder, "jobs/sum.yml", "adds up", "adds numbers up")
    commit(published.folder)
    assert mlgit(*APPLY, cwd=published.folder).code == 0
    pushed = verbs(commands(), "push")
    moved = published.pushes()[before:]
    assert len(pushed) == len(moved) > 0
    for command, refs in zip(pushed, moved, strict=True):
        swapped = {ref: old for ref, (old, _) in refs.items() if not ref.startswith("sources/")}
        leases = {f"--force-with-lease=refs/mlgit/small/default/{ref}:{old}" for ref, old in swapped.items()}
        assert {"--atomic", *leases} <= {*command}
        assert not {"--force", "-f"} & {*command}
