"""mlgit verify: the bytes of the store compared with what was stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def objects(workspace: Path) -> list[Path]:
    return sorted(path for path in (workspace / ".mlgit/store/files/md5").rglob("*") if path.is_file())


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"x")


def test_contents_that_are_as_they_were_stored_are_counted(applied, mlgit, golden):
    result = mlgit("verify", "--deep", cwd=applied)
    assert (result.code, result.err) == (0, "")
    golden("cli/verify/intact.txt", result.out)


@pytest.mark.parametrize("deep", [(), ("--deep",)])
def test_a_changed_file_is_named_with_all_whose_it_is(applied, mlgit, golden, deep):
    damage(next(path for path in objects(applied) if path.stat().st_size == len("6.0\n")))
    result = mlgit("verify", *deep, cwd=applied)
    assert result.code == 1
    golden(f"cli/verify/changed{'-deep' if deep else ''}.txt", result.out.replace(str(applied), "<workspace>"))


def test_a_file_of_the_workspaces_own_datastore_is_verified_too(applied, mlgit):
    (applied / "x.txt").write_text("only here", "utf-8")
    assert mlgit("data", "put", "x.txt", "workspaceblobstore/in/x.txt", cwd=applied).code == 0
    damage(next(path for path in objects(applied) if path.read_bytes() == b"only here"))
    result = mlgit("verify", cwd=applied)
    assert result.code == 1
    assert "azureml://datastores/workspaceblobstore/paths/in/x.txt" in result.out
    assert result.out.endswith("; write files of a datastore again with `mlgit data put --overwrite`.\n")
    got = mlgit("data", "get", "workspaceblobstore/in/x.txt", "out", cwd=applied)
    assert (got.code, "content-corrupt" in got.err) == (1, True)
    assert not (applied / "out").exists()
    again = ("data", "put", "x.txt", "workspaceblobstore/in/x.txt")
    assert "[content-corrupt]" in mlgit(*again, cwd=applied).err, "though it was put from here, and has not changed"
    assert mlgit(*again, "--overwrite", cwd=applied).out.startswith("x.txt: wrote 1 file ")
    assert mlgit("verify", cwd=applied).code == 0
    assert mlgit(*again, cwd=applied).out.startswith(
        "x.txt: azureml://datastores/workspaceblobstore/paths/in/x.txt has 1"
    )


def test_a_missing_file_is_named_and_json_says_the_same(applied, mlgit):
    path = next(path for path in objects(applied) if path.suffix != ".dir")
    path.unlink()
    result = mlgit("verify", "--format", "json", cwd=applied)
    document = json.loads(result.out)
    assert result.code == 1
    assert [damage["state"] for item in document["damaged"] for damage in item["damages"]].count("missing") >= 1
    assert str(path) in result.out


def test_a_store_that_is_not_the_one_of_the_live_state_is_an_error_and_no_damage(applied, mlgit):
    (applied / ".mlgit/store").rename(applied / ".mlgit/elsewhere")
    result = mlgit("verify", cwd=applied)
    assert (result.code, result.out) == (1, "")
    assert "is empty: nothing was stored in it [store-other]" in result.err


def test_only_what_is_named_is_read(applied, mlgit):
    for path in objects(applied):
        damage(path)
    run = json.loads(mlgit("verify", "sum", "--format", "json", cwd=applied).out)
    everything = json.loads(mlgit("verify", "--format", "json", cwd=applied).out)
    assert 0 < len(run["damaged"]) < len(everything["damaged"])
    assert all(owner.startswith("run sum-") for item in run["damaged"] for owner in item["owners"])


def test_what_has_no_content_is_not_said_to_be_intact(applied, mlgit):
    result = mlgit("verify", "environment/plain", cwd=applied)
    assert (result.code, result.out) == (0, "Nothing of it is in the store, so there is nothing to verify.\n")


def test_verifying_changes_nothing_but_what_is_known_to_be_right(applied, mlgit):
    before = {path: path.read_bytes() for path in objects(applied)}
    mlgit("verify", "--deep", cwd=applied)
    assert {path: path.read_bytes() for path in objects(applied)} == before
