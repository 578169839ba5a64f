"""The scheduled workflow, run by act: drift becomes an issue, or a pull request that writes it into Git."""

from __future__ import annotations

import pytest
from hub import HOST
from workflows.test_pull_request import DATA, RUNNER
from workspaces import commit, edit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture
def check(hub):
    """Push main, run the scheduled workflow on it, and return its log."""

    def run() -> str:
        git(hub.clone, "push", "--quiet", "origin", "main")
        files = {path: (hub.clone / path).read_text("utf-8") for path in git(hub.clone, "ls-files").splitlines()}
        head = git(hub.clone, "rev-parse", "HEAD")
        hub.api.commits[head] = hub.api.commits[hub.api.add_branch("main", files)] | {"sha": head}
        hub.api.refs["heads/main"] = head
        ended = hub.run_event("schedule", {}, variables=RUNNER)
        assert ended.jobs() == dict.fromkeys(("advance / apply", "drift / drift", "drift / report"), True), ended.log
        return ended.log

    return run


def test_drift_becomes_a_pull_request_or_an_issue_which_is_closed_when_it_is_gone(hub, check, mlgit, monkeypatch):
    monkeypatch.setenv("MLGIT_HOST", HOST)
    git(hub.clone, "checkout", "--quiet", "-B", "main", "origin/main")
    commit(hub.clone, "policy", {"mlgit.yml": (hub.clone / "mlgit.yml").read_text() + "drift: {data: write-back}\n"})
    git(hub.clone, "checkout", "--quiet", "-b", "branch")
    commit(hub.clone, "more data", DATA)
    assert mlgit("apply", "--auto-approve", cwd=hub.clone).code == 0
    git(hub.clone, "checkout", "--quiet", "main")
    commit(hub.clone, "a fix", {"data/fix.yml": DATA["data/more.yml"].replace("more", "fix"), "data/fix.csv": "n\n5\n"})
    assert mlgit("apply", "--auto-approve", "--allow-rewind", cwd=hub.clone).code == 0
    assert "The pull request on drift is opened" in check()
    [pull] = hub.api.pulls.values()
    assert (pull["title"], pull["base"]["ref"]) == ("Write what is live into Git: data/more", "main")
    written = hub.api.files_of(pull["head"]["ref"])
    assert written["data/more.csv"] == DATA["data/more.csv"]
    assert hub.api.issues == {}

    commit(hub.clone, "merge", {path: written[path] for path in DATA})
    edit(hub.clone, "mlgit.yml", "write-back", "warn")
    commit(hub.clone)
    hub.api.merge(1, git(hub.clone, "rev-parse", "HEAD"))
    objects = (path for path in (hub.folder / "store/files").rglob("*") if path.is_file())
    stored = next(path for path in objects if path.read_text() == DATA["data/more.csv"])
    stored.rename(hub.folder / "away")
    assert "The issue on drift is opened" in check()
    assert "its content is gone from the store" in hub.api.issues[2]["body"]

    (hub.folder / "store").rename(hub.folder / "unmounted")
    assert "The issue on drift is updated" in check()
    assert "is not the store that the live state was written with" in hub.api.issues[2]["body"]
    assert "neither contents nor runs were checked" in hub.api.issues[2]["body"]

    (hub.folder / "unmounted").rename(hub.folder / "store")
    (hub.folder / "away").rename(stored)
    assert "The issue on drift is closed" in check()
    assert (hub.api.issues[2]["state"], len(hub.api.pulls)) == ("closed", 1)
