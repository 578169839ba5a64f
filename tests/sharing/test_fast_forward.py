"""An apply from a clone that is behind the applied commit is refused."""

from __future__ import annotations

import pytest
from workspaces import commit, git, write

pytestmark = pytest.mark.slow

_FILES = {
    "mlgit.yml": """
        state: {name: small, lineage: "11111111111111111111111111111111", remote: origin}
        store: {path: /nowhere/at/all, host: elsewhere}
        backends: {}
        compute: {}
        """,
    "workspace.yml": "$schema: https://azuremlschemas.azureedge.net/latest/workspace.schema.json\nname: small\n",
}


@pytest.fixture
def clones(tmp_path):
    """Make two clones of one remote; both have the first commit."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "--quiet", "remote.git", "one")
    one = tmp_path / "one"
    git(one, "symbolic-ref", "HEAD", "refs/heads/main")
    commit(one, "first", _FILES)
    git(one, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", "remote.git", "two")
    return one, tmp_path / "two"


def test_a_clone_that_has_not_pulled_is_refused(clones, mlgit):
    one, two = clones
    write(one, {"workspace.yml": _FILES["workspace.yml"] + "description: newer\n"})
    commit(one, "second")
    git(one, "push", "--quiet", "origin", "main")
    ended = mlgit("apply", "--auto-approve", cwd=one)
    assert ended.code == 0, ended.err
    refused = mlgit("apply", "--auto-approve", cwd=two)
    assert refused.code == 1
    assert "apply-rewinds" in refused.err
    git(two, "pull", "--quiet")
    assert mlgit("apply", "--auto-approve", cwd=two).code == 0
