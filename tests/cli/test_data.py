"""mlgit data: files of datastores are listed, read and written by path or URI."""

from __future__ import annotations

import json
import os

import pytest
from workspaces import commit, write

pytestmark = pytest.mark.slow

URI = "azureml://datastores/share/paths"
TIME = 1_700_000_000
CONFIG = """
    state: {name: small, lineage: "11111111111111111111111111111111"}
    datastores: {share: {type: local, path: ../share}, bound: {endpoint: "https://blobs.example.org"}}
    """


@pytest.fixture
def folder(tmp_path):
    """Make a workspace whose mlgit.yml has a datastore, with files in it and others beside it."""
    (tmp_path / "workspace").mkdir()
    os.system(f"git -C {tmp_path}/workspace init --quiet")  # noqa: S605 - a fixed command
    commit(tmp_path / "workspace", "start", {"mlgit.yml": CONFIG, ".gitignore": "/.mlgit/\n"})
    write(tmp_path, {"share/raw/a b.csv": "1,2\n", "share/raw/ü/c.csv": "3\n", "share/readme.txt": "x" * 1234})
    write(tmp_path, {"source/a b.csv": "new\n", "source/sub/d.csv": "4\n"})
    for path in (tmp_path / "share").rglob("*"):
        os.utime(path, (TIME, TIME))
    return tmp_path / "workspace"


@pytest.fixture
def data(mlgit, folder):
    """Run `mlgit data`; returns its exit code with all that it printed."""

    def run(*arguments):
        ended = mlgit("data", *map(str, arguments), cwd=folder)
        return ended.code, ended.out + ended.err

    return run


def texts(data, *commands):
    """Return what commands print, each below its command line."""
    lines = []
    for command in commands:
        code, printed = data(*command)
        lines.append(
            f"$ mlgit data {' '.join(map(str, command))}\n{printed}" + (f"(exit code {code})\n" if code else "")
        )
    return "\n".join(lines)


def test_what_is_listed_and_shown(data, golden):
    commands = (
        ["ls"],
        ["ls", "share"],
        ["ls", f"{URI}/raw/"],
        ["ls", "datastore/share/raw", "--recursive"],
        ["ls", "share/readme.txt"],
        ["stat", "share/readme.txt"],
        ["stat", f"{URI}/raw"],
        ["stat", f"{URI}/raw", "--format", "json"],
        ["ls", f"{URI}/raw", "--format", "json"],
    )
    golden("cli/data/read.txt", texts(data, *commands))


def test_what_cannot_be_found_says_what_there_is(data, golden, folder):
    commands = (
        ["ls", "shore/raw"],
        ["ls", "share/rw"],
        ["ls", "https://example.org/x"],
        ["ls", ""],
        ["ls", "bound/x"],
        ["ls", "wasbs://box@account.blob.core.windows.net/x"],
        ["stat", "share/../workspace/mlgit.yml"],
        ["get", "share/x\nerror: forged"],
        ["put", "nothing", "share/x"],
        ["lst", "share"],
    )
    golden("cli/data/wrong.txt", texts(data, *commands))


def test_a_folder_is_brought_complete_and_over_nothing(data, golden, folder, tmp_path):
    out = tmp_path / "out"
    golden(
        "cli/data/get.txt",
        texts(
            data,
            ["get", f"{URI}/raw", out],
            ["get", f"{URI}/raw", out],
            ["get", "share/raw/a b.csv", out, "--overwrite"],
            ["get", "share/readme.txt", "--format", "json"],
        ),
    )
    assert (out / "ü/c.csv").read_text() == "3\n"
    assert (folder / "readme.txt").stat().st_size == 1234


def test_a_link_in_the_target_is_not_followed(data, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/ü").symlink_to(tmp_path / "elsewhere")
    code, printed = data("get", "share/raw", tmp_path / "out", "--overwrite")
    assert (code, "target-exists" in printed) == (1, True)
    assert not any((tmp_path / "elsewhere").iterdir())


def test_what_is_put_is_over_nothing_unless_that_is_asked_for(data, golden, tmp_path):
    golden(
        "cli/data/put.txt",
        texts(
            data,
            ["put", "../source/a b.csv", "share/new/"],
            ["put", "../source/a b.csv", "share/new/named.csv"],
            ["put", "../source", f"{URI}/raw"],
            ["put", "../source", f"{URI}/raw", "--overwrite"],
            ["put", "../source", f"{URI}/other", "--format", "json"],
        ),
    )
    assert (tmp_path / "share/new/a b.csv").read_text() == (tmp_path / "share/new/named.csv").read_text() == "new\n"
    assert (tmp_path / "share/raw/a b.csv").read_text() == "new\n"
    assert (tmp_path / "share/raw/sub/d.csv").read_text() == "4\n"
    assert (tmp_path / "share/raw/ü/c.csv").read_text() == "3\n"


def test_a_link_out_of_what_is_put_is_refused_before_anything_is_put(data, tmp_path):
    (tmp_path / "source/zz").symlink_to(tmp_path / "share/readme.txt")
    code, printed = data("put", "../source", "share/linked")
    assert (code, "link-outside" in printed) == (1, True)
    assert not (tmp_path / "share/linked").exists()


@pytest.mark.parametrize("name", ["workspaceblobstore", "workspacefilestore"])
def test_the_datastores_of_every_workspace_are_in_the_object_store(data, tmp_path, name):
    assert data("put", "../source", f"{name}/raw")[0] == 0
    assert data("put", "../source/a b.csv", f"{name}/raw/sub/")[0] == 0
    code, printed = data("ls", f"azureml://datastores/{name}/paths/raw", "--recursive", "--format", "json")
    assert code == 0
    assert [item["path"] for item in json.loads(printed)] == ["raw/a b.csv", "raw/sub/a b.csv", "raw/sub/d.csv"]
    assert data("get", f"{name}/raw", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/sub/d.csv").read_text() == "4\n"
    code, printed = data("put", "../source", f"{name}/raw")
    assert (code, "raw has 2 files (6 bytes) already, verified" in printed) == (0, True)
    (tmp_path / "source/a b.csv").write_text("else")
    code, printed = data("put", "../source", f"{name}/raw")
    assert (code, "1 other file: raw/a b.csv" in printed) == (1, True)


def test_an_own_datastore_of_such_a_name_is_that_of_mlgit_yml(data, folder, tmp_path):
    config = CONFIG.replace("{share:", "{workspaceblobstore: {type: local, path: ../mine}, share:")
    commit(folder, "own", {"mlgit.yml": config})
    (tmp_path / "mine").mkdir()
    assert data("put", "../source", "workspaceblobstore/raw")[0] == 0
    assert (tmp_path / "mine/raw/sub/d.csv").exists()
