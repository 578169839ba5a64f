"""The store on a service: what goes over the wire, what is in the cache, and what happens if it breaks off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient, ContentSettings
from remote.cut_proxy import CutProxy
from remote.url_store import make_azure_bench
from s3fs import S3FileSystem
from services.azurite import ACCOUNTS
from services.ports import free_port
from services.processes import Service
from stored_files import put_bytes, put_files, read_files, read_object

from reconciler.diagnostics import UserError
from reconciler.model.object_store import StoreContext
from reconciler.model.transfers import listen_to_transfers
from reconciler.storage import _remote_removal, _sha256, _url_store
from reconciler.storage.digests import compute_digests
from reconciler.storage.export import Export, export_contents
from reconciler.storage.stores import open_store

pytestmark = pytest.mark.services
PLAIN, EXECUTABLE = 0o100644, 0o100755
FILES = [("a.csv", PLAIN, b"1\n"), ("b/run", EXECUTABLE, b"#!/bin/sh\n")]


def code_of(error):
    return error.value.diagnostics[0].code


@pytest.fixture
def proxied(s3_server, url_bench_s3, tmp_path):
    """A store on S3 behind a proxy that reads the requests and can cut the connection."""
    with CutProxy(s3_server.port) as proxy:
        url_bench_s3.settings["endpoint"] = f"http://127.0.0.1:{proxy.port}"
        yield url_bench_s3, proxy


def test_another_machine_reads_what_was_stored_and_damage_of_its_cache_is_mended(url_bench):
    content = put_files(url_bench.open(), FILES)
    other = url_bench.open()
    assert other.local(content.digest) is None
    assert read_files(other, content) == FILES
    (local,) = [other.local(file.digest) for file in other.manifest(content) if file.path == "a.csv"]
    Path(local.path).chmod(0o644)
    Path(local.path).write_bytes(b"2\n")
    assert read_files(other, content) == FILES


def test_bytes_that_others_changed_on_the_service_are_refused(url_bench, tmp_path):
    content = put_bytes(url_bench.open(), b"the right bytes", "data")
    url_bench.damage_remote(content.digest, b"the WRONG bytes")
    reader = url_bench.open()
    for read in (
        lambda: reader.open(content.digest),
        lambda: export_contents(reader, [Export(content, "data/x")], tmp_path / "out"),
    ):
        with pytest.raises(UserError) as caught:
            read()
        assert code_of(caught) == "content-corrupt"
    assert reader.local(content.digest) is None
    assert [damage.is_missing for damage in url_bench.open().verify(content)] == [False]
    put_bytes(reader, b"the right bytes", "data")
    assert url_bench.open().verify(content, deep=True) == ()


def test_objects_are_fetched_together_and_then_are_files_of_this_machine(url_bench):
    content = put_files(url_bench.open(), [(f"{number}", PLAIN, b"%d" % number) for number in range(20)])
    other = url_bench.open()
    files = other.manifest(content)
    other.fetch([*(file.digest for file in files), "0" * 32, "no digest"])
    assert all(other.local(file.digest) for file in files)


def test_equal_content_is_sent_once(proxied):
    bench, proxy = proxied
    put_files(bench.open(), [(f"{number}", PLAIN, b"the same") for number in range(50)])
    put_bytes(bench.open(), b"the same")
    assert len(proxy.uploads("files/md5")) == 2  # the object, and the list of the folder


@pytest.mark.parametrize(
    ("count", "cut_at"),
    [
        (100, 3_000),
        (100, 30_000),
        *(pytest.param(1000, cut_at, marks=pytest.mark.soak) for cut_at in (3_000, 60_000, 200_000)),
    ],
)
def test_a_folder_that_is_cut_resumes_and_sends_no_finished_file_again(proxied, count, cut_at):
    bench, proxy = proxied
    files = [(f"{number:04}", PLAIN, os.urandom(16).hex().encode()) for number in range(count)]
    store = bench.open()
    assert store.id
    proxy.cut_after(cut_at)
    with pytest.raises(UserError) as caught:
        put_files(store, files)
    assert code_of(caught) == "store-unreachable"
    proxy.cut_after(None)
    finished = set(bench.client.find(f"{bench.root}/files"))
    assert len(finished) < count
    proxy.requests.clear()
    content = put_files(store, files)
    sent = proxy.uploads("files/md5")
    assert not {path for path in sent if any(path.endswith(name.rpartition("files/")[2]) for name in finished)}
    assert len(sent) == len(set(sent)) == count + 1 - len(finished)
    assert bench.open().verify(content) == ()


def test_a_folder_of_many_files_that_the_service_has_is_found_in_a_few_requests(proxied):
    bench, proxy = proxied
    files = [(f"{number:04}", PLAIN, os.urandom(16).hex().encode()) for number in range(300)]
    content = put_files(bench.open(), files)
    other = bench.open()
    proxy.requests.clear()
    assert put_files(other, files) == content
    assert len(proxy.requests) < 20
    assert not proxy.uploads("files/md5")


def test_what_is_killed_in_an_upload_leaves_nothing_that_is_taken_for_whole(url_bench, tmp_path):
    data = tmp_path / "data"
    with data.open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    script = (
        "import sys, json; from pathlib import Path; from reconciler.storage.stores import open_store\n"
        "from reconciler.model.object_store import StoreContext; from reconciler.storage.disk_files import put_path\n"
        "settings, secrets, path = json.load(sys.stdin)\n"
        "store = open_store('url', settings, StoreContext('.', secrets.get)); print(store.id, flush=True)\n"
        "print(put_path(store, Path(path)).digest, flush=True)\n"
    )
    url_bench.caches.append(tmp_path / "cache")
    settings = {**url_bench.settings, "cache": str(tmp_path / "cache")}
    command = [sys.executable, "-c", script]
    for delay in (0.3, 0.8):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdin.write(json_text(settings, url_bench.secrets, data))
            process.stdin.close()
            process.stdout.readline()
            until_cached(tmp_path / "cache")
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
    (digest,) = [f"{path.parent.name}{path.name}" for path in (tmp_path / "cache/files/md5").glob("*/*")]
    is_there = url_bench.open().missing([digest]) == frozenset()
    store = open_store("url", settings, StoreContext(".", url_bench.secrets.get))
    with data.open("rb") as stream:
        content = store.put_file("data", stream)
    assert content.digest == digest
    assert url_bench.open().verify(content, deep=True) == ()
    assert not is_there or read_object(url_bench.open(), digest)[:1]


def test_the_sha256_of_a_content_is_checked_with_the_modes_of_its_files(url_bench):
    """Whoever writes to a service can make a file of a job executable, which no md5 covers."""
    content = put_files(url_bench.open(), FILES)
    assert url_bench.open().has_recorded_sha256(content)
    file = put_bytes(url_bench.open(), b"x")
    assert url_bench.open().has_recorded_sha256(file)
    assert not url_bench.open().has_recorded_sha256(file._replace(sha256="0" * 64))
    modes = next(path for path in url_bench.client.find(f"{url_bench.root}/modes") if content.digest in path)
    url_bench.client.pipe_file(modes, json.dumps({"a.csv": EXECUTABLE, "b/run": EXECUTABLE}).encode())
    assert not url_bench.open().has_recorded_sha256(content)


def test_what_is_known_to_have_the_sha256_of_a_content_is_read_again_only_if_it_was_replaced(url_bench_s3, monkeypatch):
    store = url_bench_s3.open()
    content = put_files(store, FILES)
    read = []
    monkeypatch.setattr(_sha256, "compute_digests", lambda stream: read.append(1) or compute_digests(stream))
    for _ in range(3):
        assert store.has_recorded_sha256(content)
    assert len(read) == len(FILES)
    copies = store.cache.object_files
    for file in store.manifest(content):
        copies.object_path(file.digest).unlink()
    assert store.has_recorded_sha256(content)
    assert len(read) == 2 * len(FILES)


def test_what_a_killed_upload_left_is_removed_after_a_day(url_bench, monkeypatch):
    """That is a file beside the objects, and on S3 the parts of a large file, which no listing has."""
    store = url_bench.open()
    content = put_files(store, FILES)
    left = f"{url_bench.root}/tmp/left"  # noqa: S108 - in the store
    url_bench.client.makedirs(left.rpartition("/")[0], exist_ok=True)
    url_bench.client.pipe_file(left, b"half")
    bucket, _, prefix = url_bench.root.partition("/")
    is_s3 = isinstance(url_bench.client, S3FileSystem)
    if is_s3:
        url_bench.client.call_s3("create_multipart_upload", Bucket=bucket, Key=f"{prefix}/files/md5/aa/left")
    store.remove([], 0)
    assert url_bench.client.exists(left), "its upload may go on"
    time.sleep(1.1)
    monkeypatch.setattr(_url_store, "ABANDONED_SECONDS", 0.0)
    store.remove([], 0)
    assert not url_bench.client.exists(left)
    assert not is_s3 or not url_bench.client.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")
    assert store.verify(content, deep=True) == ()


def test_the_notice_of_a_removal_that_was_killed_counts_for_some_time_and_is_removed(url_bench, monkeypatch):
    """Who stores something waits for the rest of that time."""
    content = put_files(url_bench.open(), FILES)
    notice = f"{url_bench.root}/removals/killed"
    url_bench.client.makedirs(notice.rpartition("/")[0], exist_ok=True)
    for use in (lambda store: store.keep(content), lambda store: put_files(store, FILES) == content):
        url_bench.client.pipe_file(notice, b"\n")
        monkeypatch.setattr(_remote_removal, "_LEASE_SECONDS", 3.0)
        begin, told = time.monotonic(), []
        with listen_to_transfers(told.append):
            assert use(url_bench.open())
        assert time.monotonic() - begin > 1  # times of files are whole seconds
        assert any(progress.verb.startswith("waiting until `mlgit gc`") for progress in told)
        assert not url_bench.client.exists(notice)


def test_a_notice_that_is_too_old_is_removed_without_waiting(url_bench, monkeypatch):
    content = put_files(url_bench.open(), FILES)
    notice = f"{url_bench.root}/removals/killed"
    url_bench.client.makedirs(notice.rpartition("/")[0], exist_ok=True)
    url_bench.client.pipe_file(notice, b"\n")
    time.sleep(2.1)
    monkeypatch.setattr(_remote_removal, "_LEASE_SECONDS", 1.0)
    monkeypatch.setattr(_remote_removal, "_POLL_SECONDS", 1000.0)
    assert url_bench.open().keep(content)
    assert not url_bench.client.exists(notice)


def json_text(*values):
    return json.dumps([value if isinstance(value, dict) else str(value) for value in values])


def until_cached(cache):
    deadline = time.monotonic() + 60
    while not list(cache.glob("files/md5/*/*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_large_file_goes_both_ways_in_little_memory(url_bench, tmp_path):
    """The peak of a process of its own, with all that Python and the driver need.

    Not `getrusage`: what it says begins with the size of the process that started this one.
    """
    script = (
        "import sys, json, io, pathlib, re; from reconciler.storage.stores import open_store\n"
        "from reconciler.model.object_store import StoreContext\n"
        "class Bytes(io.RawIOBase):\n"
        "    left = 150 << 20\n"
        "    def readable(self): return True\n"
        "    def readinto(self, buffer):\n"
        "        count = min(len(buffer), self.left); self.left -= count\n"
        "        buffer[:count] = (self.left.to_bytes(8, 'big') * (count // 8 + 1))[:count]; return count\n"
        "settings, secrets, folder = json.load(sys.stdin)\n"
        "def open_one(name):\n"
        "    own = {**settings, 'cache': f'{folder}/{name}'}\n"
        "    return open_store('url', own, StoreContext('.', secrets.get))\n"
        "content = open_one('one').put_file('x', Bytes())\n"
        "other = open_one('two'); other.open(content.digest).close(); assert other.verify(content, deep=True) == ()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+) kB', pathlib.Path('/proc/self/status').read_text())[1]) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json_text(url_bench.settings, url_bench.secrets, tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 200


def test_a_service_that_replaces_what_it_should_create_is_no_store(tmp_path):
    """An S3 of before conditional writes ignores the header; that this one has no users lets the proxy drop it."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    service = Service(command, tmp_path, port, {})
    with CutProxy(port) as proxy:
        settings = {"url": "s3://bucket/store", "endpoint": f"http://127.0.0.1:{proxy.port}", "cache": "cache"}
        secrets = {"/access_key_id": "any", "/secret_access_key": "any"}
        options = {"endpoint_url": settings["endpoint"], "skip_instance_cache": True}
        client = S3FileSystem(key="any", secret=secrets["/secret_access_key"], **options)
        client.mkdir("bucket")
        proxy.dropped_header = b"if-none-match"
        store = open_store("url", settings, StoreContext(str(tmp_path), secrets.get))
        with pytest.raises(UserError, match="replaces a file") as caught:
            _ = store.id
        assert code_of(caught) == "store-not-usable"
        assert store.find_id() == ""
    service.stop()


USES = {
    "id": lambda store: store.id,
    "find_id": lambda store: store.find_id(),
    "put": lambda store: put_files(store, FILES),
    "missing": lambda store: store.missing(["0" * 32]),
    "create": lambda store: store.create("a/b", b""),
    "list": lambda store: store.list(""),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_service_that_cannot_be_reached_is_an_error_of_every_use(proxied, use):
    bench, proxy = proxied
    proxy.stop()
    with pytest.raises(UserError) as caught:
        use(bench.open())
    assert code_of(caught) == "store-unreachable"
    assert bench.settings["url"] in caught.value.diagnostics[0].message


@pytest.mark.parametrize("name", ["id", "create", "put"])
def test_a_bucket_that_does_not_exist_is_one_line(url_bench_s3, name):
    url_bench_s3.settings["url"] = "s3://no-such-bucket/store"
    with pytest.raises(UserError) as caught:
        USES[name](url_bench_s3.open())
    assert code_of(caught) == "store-not-usable"
    assert caught.value.diagnostics[0].message == (
        "the object store at s3://no-such-bucket/store cannot be used: there is no such bucket, container or folder"
    )


def test_a_wrong_key_is_refused_in_one_line_without_its_value(url_bench_s3):
    url_bench_s3.secrets["/secret_access_key"] = "planted-secret-value"
    with pytest.raises(UserError) as caught:
        _ = url_bench_s3.open().id
    assert code_of(caught) == "store-not-usable"
    assert "does not accept its credential: SignatureDoesNotMatch" in caught.value.diagnostics[0].message
    assert "planted" not in str(caught.value)


def lie_about(bench, digest, data):
    """Store other bytes as an object on Azure with the md5 property of the right ones, as whoever writes there can."""
    path = f"{bench.root}/files/md5/{digest[:2]}/{digest[2:]}"
    container, _, name = path.partition("/")
    credential = {"account_name": ACCOUNTS[0], "account_key": bench.secrets["/account_key"]}
    with BlobServiceClient(bench.settings["endpoint"], credential) as client:
        blob = client.get_blob_client(container, name)
        blob.upload_blob(data, overwrite=True)
        blob.set_http_headers(ContentSettings(content_md5=bytearray.fromhex(digest)))


def test_an_object_whose_md5_property_lies_is_found_when_it_is_read_and_stored_again(azurite, tmp_path):
    bench = make_azure_bench(azurite, tmp_path / "bench")
    content = put_bytes(bench.open(), b"the right bytes", "data")
    lie_about(bench, content.digest, b"the WRONG bytes")
    store = bench.open()
    with pytest.raises(UserError) as caught:
        read_object(store, content.digest)
    assert code_of(caught) == "content-corrupt"
    assert store.verify(content)
    assert put_bytes(store, b"the right bytes", "data") == content
    assert read_object(bench.open(), content.digest) == b"the right bytes"
    assert store.verify(content) == ()


def test_damage_behind_a_lying_md5_property_stays_known_once_it_was_looked_for(azurite, tmp_path):
    bench = make_azure_bench(azurite, tmp_path / "bench")
    store = bench.open()
    content = put_bytes(store, b"the right bytes", "data")
    lie_about(bench, content.digest, b"the WRONG bytes")
    (damage,) = store.verify(content, deep=True)
    assert store.verify(content) == (damage,)
    assert put_bytes(store, b"the right bytes", "data") == content
    assert store.verify(content, deep=True) == store.verify(content) == ()
