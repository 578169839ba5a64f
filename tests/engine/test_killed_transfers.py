"""Applies that are killed while they bring data from a service or write it there, and two that need the same data."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from pathlib import Path

import pytest
from engine.test_remote_data_on_services import bind
from remote.cut_proxy import CutProxy
from storage.datastore_benches import BENCHES
from workspaces import APPLY, commit, until

pytestmark = [pytest.mark.services, pytest.mark.slow]

MB = 1 << 20
FILES = 24
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: {command}
environment: azureml:plain@latest
"""
READS = JOB + 'inputs:\n  data: {{type: {type}, path: "azureml://datastores/lake/paths/in/{path}"}}\n'
WRITES = JOB + 'outputs:\n  made: {{type: uri_folder, path: "azureml://datastores/lake/paths/out"}}\n'
HASH = "find -L ${{inputs.data}} -type f | sort | xargs cat | sha256sum"


@pytest.fixture
def lake(applied, request, monkeypatch):
    """A container behind a proxy that can hold what is sent, and the same container without it."""
    bench = BENCHES["azure_blob"](request)
    port = bench.settings["endpoint"].split(":")[2].split("/")[0]
    with CutProxy(int(port)) as proxy:
        bind(
            applied,
            bench.with_settings(endpoint=bench.settings["endpoint"].replace(port, str(proxy.port))),
            monkeypatch,
        )
        yield proxy, bench.open()


@pytest.fixture
def start_one(applied, mlgit_process):
    """Return what starts an apply of the job in jobs/one.yml as a process of its own."""
    return lambda: mlgit_process(*APPLY, "--select", "job/jobs/one", cwd=applied)


def size_of(path: Path) -> int:
    return path.stat().st_size


def write_files(datastore, paths):
    """Write a file of one MB to each path; return their bytes, one after the other."""
    parts = []
    for path in sorted(paths):
        parts.append(os.urandom(MB))
        datastore.write(path, io.BytesIO(parts[-1]))
    return b"".join(parts)


def start_held(start, proxy, count, condition=lambda: True):
    """Start an apply; its connections are held after so many bytes. Return once one is, and a condition is true."""
    proxy.hold_after(count)
    process = start()
    until(lambda: (proxy.held and condition()) or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    return process


def kill(process, proxy):
    process.kill()
    process.communicate()
    proxy.release()


def stored_sizes(folder: Path) -> list[int]:
    """Return the sizes of the objects of the store, each of which has the md5 that it is named after."""
    paths = [path for path in (folder / ".mlgit/store/files/md5").rglob("*") if path.is_file()]
    for path in paths:
        md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert f"{path.parent.name}{path.name}".removesuffix(".dir") == md5
    return [path.stat().st_size for path in paths]


def test_two_applies_that_need_the_same_data_bring_it_once(applied, lake, start_one, mlgit_process, mlgit):
    proxy, datastore = lake
    data = os.urandom(24 * MB)
    datastore.write("in/big", io.BytesIO(data))
    for name in ("one", "two"):
        commit(applied, name, {f"jobs/{name}.yml": READS.format(command=HASH, type="uri_file", path="big")})
    before = proxy.passed
    first = start_held(start_one, proxy, MB)
    second = mlgit_process(*APPLY, "--select", "job/jobs/two", cwd=applied)
    assert any("waiting for the same data" in line for line in second.stdout)
    proxy.release()
    for process in (first, second):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    assert proxy.passed - before < 1.5 * len(data)
    for name in ("one", "two"):
        assert hashlib.sha256(data).hexdigest() in mlgit("job", "logs", f"jobs/{name}", cwd=applied).out


def test_an_apply_that_is_killed_while_it_brings_a_file_leaves_nothing_that_is_taken_for_whole(
    applied, lake, start_one, mlgit
):
    proxy, datastore = lake
    data = os.urandom(24 * MB)
    datastore.write("in/big", io.BytesIO(data))
    commit(applied, "job", {"jobs/one.yml": READS.format(command=HASH, type="uri_file", path="big")})
    temporary = applied / ".mlgit/store/tmp"
    kill(start_held(start_one, proxy, 10 * MB, lambda: any(map(size_of, temporary.iterdir()))), proxy)
    (partial,) = temporary.iterdir()
    assert 0 < partial.stat().st_size < len(data)
    assert len(data) not in stored_sizes(applied)
    os.utime(partial, (time.time() - 2 * 86400,) * 2)
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    assert hashlib.sha256(data).hexdigest() in mlgit("job", "logs", "jobs/one", cwd=applied).out
    assert list((applied / ".mlgit/store/tmp").iterdir()) == []
    assert len(data) in stored_sizes(applied)


def test_an_apply_that_is_killed_while_it_brings_a_folder_goes_on_with_what_is_missing(applied, lake, start_one, mlgit):
    proxy, datastore = lake
    data = write_files(datastore, [f"in/folder/{number:02}" for number in range(FILES)])
    commit(applied, "job", {"jobs/one.yml": READS.format(command=HASH, type="uri_folder", path="folder")})
    entries = applied / ".mlgit/store/entries/fetched"
    held = start_held(start_one, proxy, 3 * MB // 2, lambda: entries.is_dir() and any(entries.iterdir()))
    kill(held, proxy)
    finished = len(list(entries.iterdir()))
    assert 0 < finished < FILES
    before = proxy.passed
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    assert proxy.passed - before < (FILES - finished + 1) * MB
    assert hashlib.sha256(data).hexdigest() in mlgit("job", "logs", "jobs/one", cwd=applied).out
    assert stored_sizes(applied).count(MB) == FILES


def test_an_apply_that_is_killed_while_it_writes_an_output_goes_on_with_what_is_missing(
    applied, lake, start_one, mlgit
):
    proxy, datastore = lake
    command = f"for i in $(seq {FILES}); do head -c {MB} /dev/urandom > ${{{{outputs.made}}}}/$i; done"
    commit(applied, "job", {"jobs/one.yml": WRITES.format(command=command)})
    held = start_held(start_one, proxy, 3 * MB // 2, lambda: any(datastore.list("out")))
    kill(held, proxy)
    finished = {entry.path: entry.identity for entry in datastore.list("out")}
    assert 0 < len(finished) < FILES
    assert {identity.size for identity in finished.values()} == {MB}
    proxy.requests.clear()
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    entries = {entry.path: entry.identity for entry in datastore.list("out")}
    assert len(entries) == FILES
    again = [path for path in finished if any(sent.endswith(f"/{path}") for sent in proxy.uploads("/out/"))]
    assert len(again) <= 8, "of the files that were just sent, it was not known that they are there"
    assert not [path for path in finished.keys() - {*again} if entries[path] != finished[path]]
    runs = json.loads(mlgit("job", "list", "jobs/one", "--format", "json", cwd=applied).out)
    assert len(runs) == 1
