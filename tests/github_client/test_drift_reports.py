"""What `mlgit ci drift` finds out, in the issue and the pull request that `mlgit github drift` makes of it."""

from __future__ import annotations

import json

import pytest
from resources.conftest import cluster as cluster
from resources.conftest import plugin as plugin
from resources.conftest import port as port
from resources.conftest import provider as provider
from workspaces import APPLY, commit, edit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]
BRANCH = "mlgit/write-back-default"


@pytest.fixture
def check(mlgit, api, cluster):
    """Check for drift as the scheduled workflow does; return the exit code of the check, and what GitHub was told."""

    def run() -> tuple[int, str]:
        head = git(cluster, "rev-parse", "HEAD")
        files = git(cluster, "ls-files").splitlines()
        tree = {path: (cluster / path).read_text("utf-8") for path in files}
        api.add_branch("main", tree)
        api.commits[head] = api.commits[api.refs["heads/main"]] | {"sha": head}
        api.refs["heads/main"] = head
        code = mlgit("ci", "drift", "--out", "../report", cwd=cluster).code
        if code not in (0, 2):
            return code, ""  # the workflow ends here
        ended = mlgit("github", "drift", "../report", cwd=cluster)
        assert (ended.code, ended.err) == (0, "")
        return code, ended.out

    commit(cluster, "policy", {"mlgit.yml": (cluster / "mlgit.yml").read_text() + "drift: {compute: warn}\n"})
    assert mlgit(*APPLY, cwd=cluster).code == 0
    return run


def change_live(provider, **settings) -> None:
    for path in (provider.folder / "things").iterdir():
        thing = json.loads(path.read_text())
        path.write_text(json.dumps({**thing, "spec": {**thing["spec"], **settings}}))


def states(items) -> list[str]:
    return [item["state"] for item in items.values()]


def test_one_issue_is_opened_updated_and_closed_and_another_drift_has_another(check, api, provider):
    assert check() == (0, "")
    change_live(provider, max_instances=2)
    assert "opened" in check()[1]
    assert "unchanged" in check()[1]
    change_live(provider, max_instances=3)
    assert "updated" in check()[1]
    assert (states(api.issues), "is 3, not 1" in api.issues[1]["body"]) == (["open"], True)
    provider.set("unreachable")
    assert check() == (1, "")
    provider.unset("unreachable")
    change_live(provider, max_instances=1)
    code, said = check()
    assert (code, "closed" in said, states(api.issues)) == (0, True, ["closed"])
    assert "### No drift" in api.issues[1]["body"]
    change_live(provider, max_instances=2)
    assert "opened" in check()[1]
    assert states(api.issues) == ["closed", "open"]


def test_a_pull_request_writes_back_until_somebody_closes_it(check, api, provider, cluster, mlgit):
    edit(cluster, "mlgit.yml", "warn", "write-back")
    commit(cluster)
    change_live(provider, max_instances=2)
    code, said = check()
    assert (code, "pull request on drift is opened" in said, states(api.issues)) == (2, True, [])
    assert "max_instances: 2\n" in api.files_of(BRANCH)["compute/cpu.yml"]
    assert "unchanged" in check()[1]
    change_live(provider, max_instances=3)
    assert "updated" in check()[1]
    (pull,) = api.pulls.values()
    assert pull["title"] == "Write what is live into Git: compute/cpu"
    assert "is 3, not 1" in pull["body"]
    pull["state"] = "closed"
    commit(cluster, "unrelated", {"README.md": "text\n"})
    said = check()[1]
    assert ("left closed" in said, states(api.pulls), states(api.issues)) == (True, ["closed"], ["open"])
    change_live(provider, max_instances=4)
    assert "pull request on drift is opened" in check()[1]
    assert states(api.issues) == ["closed"]
    commit(cluster, "merge", {"compute/cpu.yml": api.files_of(BRANCH)["compute/cpu.yml"]})
    api.merge(max(api.pulls), git(cluster, "rev-parse", "HEAD"))
    assert mlgit(*APPLY, cwd=cluster).code == 0
    assert check() == (0, "")
