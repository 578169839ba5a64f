"""What differs between two live states is about assets: builds, pins and downloads have no address."""

from __future__ import annotations

import pytest
from workspaces import APPLY, git


@pytest.mark.slow
def test_a_diff_of_an_apply_that_built_an_environment_names_the_assets(small, mlgit):
    assert mlgit(*APPLY, cwd=small).code == 0
    assert "builds/" in git(small, "ls-tree", "-r", "--name-only", "refs/mlgit/small/default/live")
    first = git(small, "rev-list", "--max-parents=0", "refs/mlgit/small/default/live")
    diff = mlgit("diff", first, cwd=small)
    assert (diff.code, diff.err) == (0, "")
    assert "environment/plain" in diff.out
    assert "job/sum" in diff.out
