"""Data that DVC tracks, with the real command of DVC: planned from its pointers, applied from its cache or remote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import APPLY, SMALL, commit, git, until

DATA = """
    $schema: https://azuremlschemas.azureedge.net/latest/data.schema.json
    name: {name}
    type: {type}
    path: {path}
    """
FILES = {
    "mlgit.yml": SMALL["mlgit.yml"],
    ".gitignore": "/.mlgit/\n",
    "raw.yml": DATA.format(name="raw", type="uri_folder", path="data/raw"),
    "one.yml": DATA.format(name="one", type="uri_file", path="data/one.csv"),
    "part.yml": DATA.format(name="part", type="uri_file", path="data/raw/sub/b.csv"),
}


def dvc(folder: Path, *arguments: str) -> None:
    """Run one command of DVC."""
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=folder, env={**os.environ, "DVC_NO_ANALYTICS": "1"}, check=True, capture_output=True)


@pytest.fixture(scope="module")
def _origin(tmp_path_factory: pytest.TempPathFactory, _quiet_git: None) -> Path:
    """Make a repository of DVC whose data is pushed to a remote beside it."""
    folder = tmp_path_factory.mktemp("dvc") / "origin"
    (folder / "data/raw/sub").mkdir(parents=True)
    git(folder, "init", "--quiet")
    dvc(folder, "init", "--quiet")
    dvc(folder, "remote", "add", "--quiet", "--default", "shared", "../remote")
    for name in ("raw/a.csv", "raw/sub/b.csv", "one.csv"):
        (folder / "data" / name).write_text(f"{name}\n", "utf-8")
    dvc(folder, "add", "--quiet", "data/raw", "data/one.csv")
    commit(folder, "start", FILES)
    dvc(folder, "push", "--quiet")
    return folder


@pytest.fixture
def clone(_origin: Path, tmp_path: Path) -> Path:
    """Clone it: a work tree without data and an empty cache of DVC, and a copy of the remote."""
    shutil.copytree(_origin.parent / "remote", tmp_path / "remote")
    git(tmp_path, "clone", "--quiet", str(_origin), "clone")
    return tmp_path / "clone"


def content_of(mlgit, folder: Path, address: str) -> dict[str, object]:
    shown = json.loads(mlgit("show", address, "--format", "json", cwd=folder).out)
    return find_value(shown, "/path", dict)


def find_value(document, key, kind):
    """Return the first value of a key that is of a kind, at any depth."""
    if isinstance(document, dict) and isinstance(document.get(key), kind):
        return document[key]
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return next((found for child in children if (found := find_value(child, key, kind))), None)


def test_a_plan_needs_no_data_and_loads_no_dvc(clone, mlgit_process):
    shutil.rmtree(clone.parent / "remote")
    code = (
        "import sys; from reconciler import cli; sys.argv = ['mlgit', 'plan', '--format', 'json']\n"
        "try: cli.run_command_line()\n"
        "finally: assert 'dvc' not in sys.modules and 'dvc_data' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=clone, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    plan = mlgit_process("plan", cwd=clone).communicate()[0]
    assert [line for line in plan.splitlines() if "version 1" in line] == [
        "  + data/one: version 1",
        "  + data/part: version 1",
        "  + data/raw: version 1",
    ]


def test_an_apply_pulls_what_the_store_lacks_under_the_keys_of_dvc(clone, mlgit, tmp_path):
    ended = mlgit(*APPLY, cwd=clone)
    assert ended.code == 0, ended.out + ended.err
    pointer = (clone / "data/raw.dvc").read_text("utf-8")
    assert f"md5: {content_of(mlgit, clone, 'data/raw')['md5']}\n" in pointer
    assert content_of(mlgit, clone, "data/part")["name"] == "b.csv"
    assert mlgit("plan", cwd=clone).out.startswith("No changes.")
    assert mlgit("get", "data/raw", str(tmp_path / "raw"), cwd=clone).code == 0
    assert (tmp_path / "raw/sub/b.csv").read_text("utf-8") == "raw/sub/b.csv\n"


def test_what_the_store_has_is_not_asked_of_dvc_again(clone, mlgit):
    assert mlgit(*APPLY, cwd=clone).code == 0
    shutil.rmtree(clone.parent / "remote")
    shutil.rmtree(clone / ".dvc/cache")
    copy = DATA.format(name="copy", type="uri_file", path="data/one.csv")
    commit(clone, "the same bytes again", {"copy.yml": copy})
    ended = mlgit(*APPLY, cwd=clone)
    assert ended.code == 0, ended.out + ended.err


def test_a_list_of_files_whose_md5_is_a_path_reads_nothing_outside(clone, mlgit, tmp_path):
    (tmp_path / "private").write_text("planted private text", "utf-8")
    up = "../" * len((clone / ".dvc/cache/files/md5/xx").parts)
    listing = json.dumps([{"md5": f"{up}{tmp_path}/private", "relpath": "a.csv"}]).encode()
    key = hashlib.md5(listing, usedforsecurity=False).hexdigest()
    remote = clone.parent / "remote/files/md5" / key[:2]
    remote.mkdir(exist_ok=True)
    (remote / f"{key[2:]}.dir").write_bytes(listing)
    pointer = f"outs:\n- md5: {key}.dir\n  hash: md5\n  path: evil\n"
    data = DATA.format(name="evil", type="uri_folder", path="data/evil")
    commit(clone, "a pointer of another", {"data/evil.dvc": pointer, "evil.yml": data})
    ended = mlgit(*APPLY, "--select", "data/evil", cwd=clone)
    stored = [path for path in (clone / ".mlgit").rglob("*") if path.is_file()]
    assert not [path for path in stored if b"planted private text" in path.read_bytes()]
    assert ended.code == 1
    assert "for an md5" in ended.out + ended.err


def test_only_files_that_the_store_lacks_are_pulled(clone, mlgit):
    same = "raw/a.csv\n"
    commit(
        clone,
        "a file of the folder, in Git",
        {"same.csv": same, "same.yml": DATA.format(name="same", type="uri_file", path="same.csv")},
    )
    assert mlgit("apply", "--auto-approve", "--select", "data/same", cwd=clone).code == 0
    assert mlgit("apply", "--auto-approve", "--select", "data/raw", cwd=clone).code == 0
    cached = [path for path in (clone / ".dvc/cache").rglob("*") if path.is_file() and "files" in path.parts]
    assert sorted(path.read_text("utf-8") for path in cached if not path.name.endswith(".dir")) == ["raw/sub/b.csv\n"]


def test_another_pointer_is_a_new_version_and_the_first_one_again_needs_no_data(clone, mlgit):
    assert mlgit(*APPLY, cwd=clone).code == 0
    first = content_of(mlgit, clone, "data/one")
    (clone / "data/one.csv").write_text("changed\n", "utf-8")
    dvc(clone, "add", "--quiet", "data/one.csv")
    commit(clone, "other data")
    plan = mlgit("plan", cwd=clone).out
    assert "data/one: new version 2 because path changed (one.csv)" in plan
    assert mlgit(*APPLY, cwd=clone).code == 0
    assert content_of(mlgit, clone, "data/one")["md5"] != first["md5"]
    git(clone, "revert", "--no-edit", "HEAD")
    shutil.rmtree(clone.parent / "remote")
    ended = mlgit(*APPLY, cwd=clone)
    assert ended.code == 0, ended.out + ended.err
    assert content_of(mlgit, clone, "data/one")["md5"] == first["md5"]


ROWS = "id,name\n1,ann\n2,bob\n"
CHANGED_ROWS = "id,name\n1,ann\n2,eve\n"
DIFFERS = ["    2 rows, as before", "    ~ column name: values differ in 1 row", "    1 column: values equal"]


@pytest.fixture
def changed_table(clone, mlgit):
    """A folder and a file with tables that were applied, and that have another row since."""
    for text in (ROWS, CHANGED_ROWS):
        for path in ("data/raw/sub/b.csv", "data/one.csv"):
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / path).write_text(text, "utf-8")
        dvc(clone, "add", "--quiet", "data/raw", "data/one.csv")
        commit(clone, "rows")
        if text is ROWS:
            assert mlgit(*APPLY, cwd=clone).code == 0
    shutil.rmtree(clone.parent / "remote")
    return clone


def table_lines(mlgit, folder):
    ended = mlgit("plan", cwd=folder)
    assert (ended.code, ended.err) == (0, "")
    return [line.removeprefix("      ") for line in ended.out.splitlines() if line.startswith("      ")]


@pytest.mark.parametrize("before", ["store", "cache"])
def test_tables_that_dvc_tracks_are_compared_where_their_bytes_are_here(changed_table, mlgit, before):
    """The former bytes are in the store of mlgit and in the cache of DVC; the new ones in the cache only."""
    if before == "cache":
        shutil.rmtree(changed_table / ".mlgit/store/files")
    assert table_lines(mlgit, changed_table) == [
        "files: 1 changed (20 bytes)",
        "~ one.csv  20 bytes",
        *DIFFERS,
        "~ b.csv  20 bytes",
        *DIFFERS,
        "~ sub/b.csv  20 bytes",
        *DIFFERS,
    ]


def test_tables_of_dvc_that_are_elsewhere_are_said_to_be(changed_table, mlgit):
    shutil.rmtree(changed_table / ".dvc/cache")
    later = "`mlgit diff data/{0}@1 data/{0}@2` compares more once the version is registered"
    listing = "tables not compared: the list of its files in DVC is not on this machine"
    assert table_lines(mlgit, changed_table) == [
        "files: 1 changed (20 bytes)",
        "~ one.csv",
        "    not compared: DVC tracks it, and its bytes are not on this machine",
        later.format("one"),
        listing,
        later.format("part"),
        listing,
        later.format("raw"),
    ]


def test_a_cache_of_dvc_outside_of_the_repository_is_not_read_by_a_plan(changed_table, mlgit):
    """A pull request may have a link in its place."""
    outside = changed_table.parent / "cache"
    shutil.move(changed_table / ".dvc/cache", outside)
    (changed_table / ".dvc/cache").symlink_to(outside)
    assert "not on this machine" in table_lines(mlgit, changed_table)[2]


def test_a_colleague_pulls_with_dvc_from_the_store_of_mlgit(clone, mlgit):
    assert mlgit(*APPLY, cwd=clone).code == 0
    shutil.rmtree(clone / ".dvc/cache")
    shutil.rmtree(clone.parent / "remote")
    dvc(clone, "remote", "add", "--quiet", "--default", "store", str(clone / ".mlgit/store"))
    dvc(clone, "pull", "--quiet")
    names = ("raw/a.csv", "raw/sub/b.csv", "one.csv")
    assert [(clone / "data" / name).read_text("utf-8") for name in names] == [f"{name}\n" for name in names]


def test_an_input_of_a_job_may_be_a_path_that_dvc_tracks(clone, mlgit):
    job = """
        $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
        command: cp -r ${{inputs.raw}}/. ${{outputs.out}}
        environment: azureml:plain@latest
        compute: azureml:local
        inputs: {raw: {type: uri_folder, path: ../data/raw}}
        outputs: {out: {type: uri_folder}}
        """
    commit(clone, "job", {"jobs/copy.yml": job, "environments/plain.yml": SMALL["environments/plain.yml"]})
    ended = mlgit(*APPLY, cwd=clone)
    assert ended.code == 0, ended.out + ended.err
    assert until(lambda: mlgit("job", "download", "jobs/copy", str(clone.parent / "out"), cwd=clone).code == 0)
    assert [path.read_text("utf-8") for path in (clone.parent / "out").rglob("b.csv")] == ["raw/sub/b.csv\n"]


@pytest.mark.parametrize("problem", ["object", "no-remote", "remote", "corrupt", "repository"])
def test_what_cannot_be_had_from_dvc_is_one_line_with_what_to_do(clone, mlgit, golden, problem):
    remote = clone.parent / "remote"
    if problem == "object":
        shutil.rmtree(remote)
    elif problem == "no-remote":
        commit(clone, "no remote", {".dvc/config": ""})
    elif problem == "remote":
        settings = "[core]\n    remote = bucket\n['remote \"bucket\"']\n    url = s3://bucket/store\n"
        settings += "    endpointurl = http://127.0.0.1:9\n    access_key_id = known\n    secret_access_key = planted\n"
        commit(clone, "another remote", {".dvc/config": settings})
    elif problem == "corrupt":
        dvc(clone, "fetch", "--quiet")
        for path in (path for path in (clone / ".dvc/cache/files").rglob("*") if path.is_file()):
            path.chmod(0o644)
            path.write_text("other bytes\n", "utf-8")
    else:
        git(clone, "rm", "-rq", ".dvc")
        commit(clone, "no DVC")
    ended = mlgit("apply", "--auto-approve", "--select", "data/one", cwd=clone)
    assert ended.code == 1
    assert "Traceback" not in ended.out + ended.err
    assert "planted" not in ended.out + ended.err
    golden(f"dvc-{problem}.txt", ended.out + ended.err)


def test_a_list_of_files_that_leads_out_of_its_folder_is_refused(clone, mlgit):
    cache = clone / ".dvc/cache/files/md5"
    listing = b'[{"md5": "%s", "relpath": "../../escaped.csv"}]' % (b"0" * 32)
    digest = subprocess.run(["md5sum"], input=listing, capture_output=True, check=True).stdout.decode().split()[0]
    (cache / digest[:2]).mkdir(parents=True)
    (cache / digest[:2] / f"{digest[2:]}.dir").write_bytes(listing)
    (cache / "00").mkdir()
    (cache / "00" / ("0" * 30)).write_bytes(b"")
    commit(clone, "hostile", {"data/raw.dvc": f"outs:\n- md5: {digest}.dir\n  hash: md5\n  path: raw\n"})
    ended = mlgit("apply", "--auto-approve", "--select", "data/raw", cwd=clone)
    assert ended.code == 1
    assert "escaped.csv" in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err
    assert list(clone.parent.rglob("escaped.csv")) == []
