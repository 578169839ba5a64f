"""A workspace whose store is on S3: applied on one machine, read on another, by mlgit and by dvc."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engine.test_killed_transfers import kill
from remote.cut_proxy import CutProxy
from s3fs import S3FileSystem
from workspaces import APPLY, SMALL, commit, git, until

from reconciler.project import garbage

pytestmark = pytest.mark.services

PIPELINE = """
    $schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
    type: pipeline
    name: pipe
    settings: {default_compute: azureml:local}
    jobs:
      prepare:
        type: command
        command: cp -r ${{inputs.numbers}} ${{outputs.out}}/numbers.csv && sleep 3
        environment: azureml:plain@latest
        inputs:
          numbers: {type: uri_file, path: azureml:numbers@latest}
        outputs:
          out: {type: uri_folder}
    """
SETTINGS = """
    state: {{name: small, lineage: "11111111111111111111111111111111", remote: origin}}
    store: {{url: "s3://{bucket}/team", endpoint: "{endpoint}", region: us-east-1}}
    secrets:
      store-key: {{from: "env:STORE_KEY", for: [store], fields: [/access_key_id]}}
      store-secret: {{from: "env:STORE_SECRET", for: [store], fields: [/secret_access_key]}}
    backends: {{local: {{type: local, host: here}}}}
    compute: {{"*": local}}
    """


@pytest.fixture
def bucket(s3_server):
    return s3_server.make_bucket()


@pytest.fixture
def first(tmp_path, s3_server, bucket, monkeypatch):
    """A clone of a workspace with its store on S3."""
    key, secret = s3_server.keys["writer"]
    for name, value in {"MLGIT_HOST": "here", "STORE_KEY": key, "STORE_SECRET": secret}.items():
        monkeypatch.setenv(name, value)
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(tmp_path, "clone", "--quiet", f"file://{tmp_path}/origin.git", "first")
    settings = SETTINGS.format(bucket=bucket, endpoint=s3_server.url)
    files = {**SMALL, "mlgit.yml": settings, "jobs/pipe.yml": PIPELINE}
    commit(tmp_path / "first", "start", files)
    git(tmp_path / "first", "push", "--quiet", "origin", "HEAD:main")
    return tmp_path / "first"


def test_what_one_machine_applied_another_exports_and_sees_no_changes(first, mlgit, s3_server, tmp_path, monkeypatch):
    ended = mlgit(*APPLY, cwd=first)
    assert ended.code == 0, ended.out + ended.err
    git(tmp_path, "clone", "--quiet", "--branch", "main", f"file://{tmp_path}/origin.git", "second")
    second = tmp_path / "second"
    monkeypatch.setenv("MLGIT_HOST", "elsewhere")
    assert mlgit("plan", "--refresh", cwd=second).out.startswith("No changes. ")
    got = mlgit("get", "data/numbers", str(tmp_path / "numbers"), cwd=second)
    assert got.code == 0, got.err
    assert (tmp_path / "numbers/numbers.csv").read_text() == "n\n1\n2\n3\n"
    got = mlgit("job", "download", "sum", str(tmp_path / "sum"), cwd=second)
    assert got.code == 0, got.err
    assert [path.read_text() for path in (tmp_path / "sum").rglob("total.txt")] == ["12.0"]
    secret = s3_server.keys["writer"][1].encode()
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "site-packages" not in path.parts]
    assert [path for path in files if secret in path.read_bytes()] == []


def test_the_driver_of_a_pipeline_gets_the_secrets_of_the_store_unseen(first, mlgit, s3_server):
    ended = mlgit("apply", "--auto-approve", "--select", "+job/pipe", cwd=first)
    assert ended.code == 0, ended.out + ended.err
    secret = s3_server.keys["writer"][1].encode()

    def find_drivers():
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                if b"reconciler.engine.driver" in command and str(first).encode() in command:
                    found[process.name] = command + (process / "environ").read_bytes()
            except OSError:
                continue
        return found

    drivers = until(find_drivers)
    assert drivers
    assert [name for name, seen in drivers.items() if secret in seen] == []
    assert mlgit("job", "wait", "pipe", cwd=first).code == 0


def test_dvc_pulls_from_the_store_as_from_a_remote_of_its_own(first, mlgit, s3_server, bucket, tmp_path):
    (first / "data/folder").mkdir()
    for name in ("a.csv", "b.csv"):
        (first / "data/folder" / name).write_text(f"{name}\n")
    asset = (first / "data/numbers.yml").read_text()
    asset = asset.replace("numbers.csv", "folder").replace("numbers", "folder").replace("uri_file", "uri_folder")
    commit(first, "folder", {"data/folder.yml": asset})
    assert mlgit("apply", "--auto-approve", "--select", "data/folder", cwd=first).code == 0
    shown = json.loads(mlgit("show", "data/folder", "--format", "json", cwd=first).out)
    digest = find_value(shown, "md5")
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "--quiet")
    key, secret = s3_server.keys["writer"]
    variables = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "us-east-1"}

    def dvc(*arguments):
        command = [sys.executable, "-m", "dvc", *arguments]
        environment = {**os.environ, **variables, "DVC_NO_ANALYTICS": "1"}
        subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True, text=True)

    dvc("init", "--quiet")
    dvc("remote", "add", "--default", "store", f"s3://{bucket}/team")
    dvc("remote", "modify", "store", "endpointurl", s3_server.url)
    (project / "folder.dvc").write_text(f"outs:\n- md5: {digest}\n  hash: md5\n  path: folder\n")
    dvc("pull")
    assert {path.name: path.read_text() for path in (project / "folder").iterdir()} == {
        "a.csv": "a.csv\n",
        "b.csv": "b.csv\n",
    }


def test_an_apply_that_is_killed_while_it_uploads_goes_on_with_what_is_missing(
    first, mlgit, mlgit_process, s3_server, find_files
):
    count, size = 40, 1 << 20
    asset = (first / "data/numbers.yml").read_text().replace("numbers.csv", "folder").replace("uri_file", "uri_folder")
    commit(first, "folder", {"data/folder.yml": asset.replace("numbers", "folder")})
    (first / "data/folder").mkdir()
    for number in range(count):
        (first / f"data/folder/{number:02}").write_bytes(os.urandom(size))
    command = ("apply", "--auto-approve", "--select", "data/folder")
    with CutProxy(s3_server.port) as proxy:
        config = (first / "mlgit.yml").read_text().replace(s3_server.url, f"http://127.0.0.1:{proxy.port}")
        commit(first, "proxy", {"mlgit.yml": config})
        proxy.hold_after(count // 2 * size, together=True)
        process = mlgit_process(*command, cwd=first)
        until(lambda: proxy.held)
        kill(process, proxy)
        finished = {path.rpartition("files/")[2] for path in find_files("files")}
        assert 0 < len(finished) < count
        proxy.requests.clear()
        ended = mlgit(*command, cwd=first)
        assert ended.code == 0, ended.out + ended.err
        sent = [path.rpartition("files/")[2] for path in proxy.uploads("/files/md5/")]
        assert mlgit("verify", "--deep", "data/folder", cwd=first).code == 0
    assert not finished.intersection(sent)
    assert len(sent) == len(set(sent)) <= count + 1 - len(finished)


# Two files of one md5 (X. Wang and H. Yu, 2005), of which someone has stored one and puts the other one in its place.
BLOCKS = (
    "d131dd02c5e6eec4693d9a0698aff95c2fcab5{0}712467eab4004583eb8fb7f8955ad340609f4b30283e4888325{1}1415a085125e8f7cdc99fd9"
    "1dbd{2}280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2{3}487da03fd02396306d248cda0e99f33420f577ee8ce54b67080{4}80d1ec6"
    "9821bcb6a8839396f965{5}b6ff72a70"
)
STORED, OTHER = (
    bytes.fromhex(BLOCKS.format(*parts)) for parts in (("8", "7", "f", "b", "a", "2"), ("0", "f", "7", "3", "2", "a"))
)
READS_DATA = """
    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: wc -c ${{inputs.data}}
    environment: azureml:plain@latest
    inputs:
      data: {type: uri_file, path: "azureml:block:1"}
    """


def test_a_job_does_not_get_other_bytes_of_the_same_md5_that_someone_put_into_the_store(
    first, mlgit, s3_files, bucket, tmp_path
):
    assert hashlib.md5(STORED, usedforsecurity=False).digest() == hashlib.md5(OTHER, usedforsecurity=False).digest()
    asset = (first / "data/numbers.yml").read_text().replace("numbers.csv", "block").replace("numbers", "block")
    (first / "data/block").write_bytes(STORED)
    commit(first, "block", {"data/block.yml": asset, "jobs/reads.yml": READS_DATA})
    git(first, "push", "--quiet", "origin", "HEAD:main")
    assert mlgit(*APPLY, "--select", "data/block", cwd=first).code == 0
    md5 = hashlib.md5(STORED, usedforsecurity=False).hexdigest()
    s3_files.pipe_file(f"{bucket}/team/files/md5/{md5[:2]}/{md5[2:]}", OTHER)
    git(tmp_path, "clone", "--quiet", "--branch", "main", f"file://{tmp_path}/origin.git", "second")
    ended = mlgit(*APPLY, "--select", "+job/jobs/reads", cwd=tmp_path / "second")
    assert ended.code == 1
    assert "job/jobs/reads: input data is not as it was stored" in ended.out
    assert "[content-corrupt]" in ended.out
    assert mlgit(*APPLY, "--select", "+job/jobs/reads", cwd=first).code == 0, "what this machine has is right"


def find_value(document, key):
    """Return the first value of a key at any depth."""
    if isinstance(document, dict) and key in document:
        return document[key]
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return next((found for child in children if (found := find_value(child, key))), None)


class LaterTime:
    """The clock of a machine on which so many days have passed."""

    def __init__(self, days: float) -> None:
        self.days = days

    def time(self) -> float:
        return time.time() + self.days * 86400


@pytest.fixture
def s3_files(s3_server):
    """Return S3 as a file system."""
    key, secret = s3_server.keys["writer"]
    return S3FileSystem(key=key, secret=secret, endpoint_url=s3_server.url, use_listings_cache=False)


@pytest.fixture
def find_files(s3_files, bucket):
    """Return the paths of the files on S3 below a folder of the store."""
    return lambda folder: s3_files.find(f"{bucket}/team/{folder}")


def test_what_nothing_needs_is_removed_from_s3_and_from_the_cache(first, mlgit, find_files, monkeypatch, golden):
    assert mlgit(*APPLY, cwd=first).code == 0
    before = len(find_files("files"))
    monkeypatch.setattr(garbage, "time", LaterTime(20))
    shown = mlgit("gc", cwd=first)
    assert (shown.code, len(find_files("files"))) == (0, before), shown.err
    golden("cli/gc/on-s3.txt", mask_sizes(shown.out))
    removed = mlgit("gc", "--remove", cwd=first)
    assert removed.code == 0, removed.err
    golden("cli/gc/on-s3-removed.txt", mask_sizes(removed.out))
    assert 0 < len(find_files("files")) < before
    assert find_files("removals") == []
    left = json.loads(mlgit("gc", "--format", "json", cwd=first).out)
    assert left["garbage"] == []
    copies = [digest for item in left["cache"]["garbage"] for digest in item["digests"]]
    assert [digest for digest in copies if not digest.endswith(".dir")] == []  # the lists were read again
    assert mlgit("verify", "--deep", cwd=first).code == 0
    again = mlgit(*APPLY, "--replace", "job/sum", cwd=first)
    assert again.code == 0, again.out + again.err
    assert mlgit("verify", "--deep", cwd=first).code == 0


def mask_sizes(text: str) -> str:
    """Mask what differs in each run: the bucket, and the sizes, since there are paths and times in what is counted."""
    return re.sub(r" +\d[\d.,]* (bytes|KiB|kB|MiB|MB)\b", " <size>", re.sub("s3://[0-9a-z]+/", "s3://<bucket>/", text))
