"""Secrets that come from a file of the repository."""

from __future__ import annotations

import pytest
from workspaces import commit, git

pytestmark = pytest.mark.slow

CONFIG = (
    "datastores: {lake: {type: s3, bucket: b}}\n"
    "secrets: {lake-key: {from: 'file:keys/lake', for: [datastore/lake], fields: [/secret_access_key]}}\n"
)


def test_a_secret_whose_file_is_in_git_stops_a_plan_and_one_that_is_ignored_does_not(small, mlgit):
    folder = small
    with (folder / "mlgit.yml").open("a", encoding="utf-8") as file:
        file.write(CONFIG)
    commit(folder, "a key", {"keys/lake": "Pl4ntedSecret\n"})
    ended = mlgit("plan", cwd=folder)
    assert ended.code == 1
    assert "the secret lake-key comes from keys/lake, which is a file of this repository" in ended.err
    assert "Pl4ntedSecret" not in ended.out + ended.err
    commit(folder, "no key", {".gitignore": "/.mlgit/\n/keys/\n"})
    git(folder, "rm", "--quiet", "--cached", "keys/lake")
    commit(folder, "no key in Git")
    assert (folder / "keys/lake").exists()
    assert mlgit("plan", cwd=folder).code == 0
