"""HDFS by WebHDFS, as datastore and as store: why it fails, what is cut off, and names that its data nodes misread."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import pytest
from remote.cut_proxy import CutProxy
from services.fault_proxy import in_front_of
from services.ports import free_port
from services.tls import Asked, TlsRecorder
from services.webhdfs import WebHdfs
from storage.conftest import make_service_bench
from storage.datastore_benches import BENCHES, Bench, failure
from stored_files import put_bytes, put_files

from reconciler.diagnostics import UserError

pytestmark = pytest.mark.services
PLAIN = 0o100644
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
STRANGER = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def bench(request) -> Bench:
    return BENCHES["azure_data_lake_gen1"](request)


@contextmanager
def sent_to(hdfs: WebHdfs, data_port: int) -> Iterator[CutProxy]:
    """Run a proxy before the name node that sends who reads or writes to a port in place of the data node's."""
    with CutProxy(hdfs.port) as proxy:
        proxy.replaced = (f":{hdfs.data_port}/".encode(), f":{data_port}/".encode())
        yield proxy


def at(bench: Bench, port: int) -> Bench:
    """Return the same datastore behind a proxy."""
    return bench.with_settings(endpoint=f"http://127.0.0.1:{port}")


def write(size: int = 1):
    """Return what writes a file of so many bytes."""
    return lambda datastore: datastore.write("new", io.BytesIO(b"x" * size))


def test_hdfs_says_why(bench, hdfs, tmp_path, golden):
    """What the server does not do itself, check a credential or ask for fewer requests, a proxy does in its place."""
    bench.open().write("folder/file", io.BytesIO(b"x" * 400_000))
    full = hdfs.make_folder()
    hdfs.administer("-setSpaceQuota", "1000", full)
    tls = TlsRecorder(tmp_path, lambda _: (200, {}, b""))
    stranger = bench.with_settings(user="stranger")
    with (
        in_front_of(hdfs.port, BUSY, 99) as busy,
        in_front_of(hdfs.port, STRANGER, 99) as refusing,
        in_front_of(hdfs.data_port, cut_after=100_000) as cutting,
        sent_to(hdfs, cutting.port) as name_node,
    ):
        found = {
            "wrong credential": failure(at(bench, refusing.port)),
            "missing folder": failure(bench.with_settings(path="/no/such"), lambda d: d.stat("folder/file")),
            "missing path": failure(bench, lambda d: d.open("folder/none")),
            "no permission": failure(stranger, write()),
            "no permission for a large file": failure(stranger, write(24 << 20)),
            "throttled and retried": failure(at(bench, busy.port)),
            "name not resolved": failure(bench.with_settings(endpoint="http://no-such-host.invalid:9870")),
            "TLS": failure(bench.with_settings(endpoint=tls.url)),
            "nobody listens": failure(at(bench, free_port())),
            "connection cut": failure(at(bench, name_node.port), lambda d: d.open("folder/file").read()),
            "quota": failure(bench.with_settings(path=full), write()),
            "quota for a large file": failure(bench.with_settings(path=full), write(24 << 20)),
            "not a file": failure(bench, lambda d: d.open("folder")),
            "a folder below a file": failure(bench, lambda d: d.write("folder/file/x", io.BytesIO(b"x"))),
            "name too long": failure(bench, lambda d: d.write("n" * 300, io.BytesIO(b"x"))),
        }
        assert busy.answered == 3, "once, and two tries more"
    tls.stop()
    hdfs.administer("-safemode", "enter")
    found["safe mode"] = failure(bench, write())
    hdfs.administer("-safemode", "leave")
    text = "".join(f"{cause} [{code}]\n  {line}\n" for cause, (code, line) in found.items())
    text = re.sub(r"127\.0\.0\.1(:|', port=)\d+", r"127.0.0.1\1PORT", text)
    text = re.sub(r"@[0-9a-f]{6,8}\b", "@#", text)
    golden("storage/hdfs-causes.txt", re.sub(r"mlgit-[0-9a-f]+", "mlgit-#", text))


def test_an_upload_that_is_cut_leaves_no_file_and_the_next_use_connects_again(bench, hdfs):
    with CutProxy(hdfs.data_port) as data_node, sent_to(hdfs, data_node.port) as name_node:
        datastore = at(bench, name_node.port).open()
        datastore.write("kept", io.BytesIO(b"old"))
        data_node.cut_after(1 << 20)
        for path in ("new", "kept"):
            with pytest.raises(UserError) as caught:
                datastore.write(path, io.BytesIO(b"x" * (24 << 20)))
            assert caught.value.diagnostics[0].code == "datastore-unreachable"
        assert [entry.path for entry in datastore.list("")] == ["kept"]
        assert datastore.stat("kept").identity.size == 3
        data_node.cut_after(None)
        datastore.write("new", io.BytesIO(b"y"))
    assert bench.open().open("new").read() == b"y"


def test_a_file_that_changes_while_it_is_read_is_an_error_and_not_a_mixture(bench):
    datastore = bench.open()
    datastore.write("a", io.BytesIO(b"x" * (24 << 20)))
    stream = datastore.open("a")
    assert stream.read(10) == b"x" * 10
    datastore.write("a", io.BytesIO(b"y" * (24 << 20)))
    with pytest.raises(UserError) as caught:
        stream.read()
    assert caught.value.diagnostics[0].code == "datastore-file-changed"


def test_no_other_file_is_read_or_written_for_a_name_with_an_escape(bench):
    datastore = bench.open()
    for path in ("A", "%41", "%2541", "Ax/f", "%41x/f", "50% off/100%"):
        datastore.write(path, io.BytesIO(path.encode()))
    paths = [entry.path for entry in datastore.list("")]
    assert paths == ["%2541", "%41", "%41x/f", "50% off/100%", "A", "Ax/f"]
    assert [datastore.open(path).read() for path in paths] == [path.encode() for path in paths]


@pytest.mark.parametrize(
    ("secret", "sent"),
    [
        ("/password", lambda asked: asked.headers.get("Authorization") == "Basic YWRhOnBsYW50ZWQ="),
        ("/delegation_token", lambda asked: "delegation=planted" in asked.path and "user.name" not in asked.path),
    ],
)
def test_a_credential_is_sent_as_the_protocol_has_it(secret, sent, tmp_path, monkeypatch):
    """No server here checks one: this is the request only."""
    requests: list[Asked] = []

    def answer(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        requests.append(asked)
        return 200, {}, b'{"FileStatus": {"type": "DIRECTORY", "length": 0}}'

    server = TlsRecorder(tmp_path, answer)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.certificate))
    Bench("azure_data_lake_gen1", {}, {"endpoint": server.url, "user": "ada"}, {secret: "planted"}).open().check()
    server.stop()
    assert requests
    assert all(map(sent, requests))


def test_a_folder_that_was_cut_resumes_and_sends_no_finished_file_again(hdfs, request, tmp_path):
    bench = make_service_bench(request, "webhdfs", tmp_path)
    files = [(f"{number:02}", PLAIN, os.urandom(2000)) for number in range(40)]
    with CutProxy(hdfs.data_port) as data_node, sent_to(hdfs, data_node.port) as name_node:
        bench.settings["endpoint"] = f"http://127.0.0.1:{name_node.port}"
        store = bench.open()
        assert store.id
        data_node.cut_after(40_000)
        with pytest.raises(UserError) as caught:
            put_files(store, files)
        assert caught.value.diagnostics[0].code == "store-unreachable"
        data_node.cut_after(None)
        finished = {path.rpartition("files/md5")[2] for path in bench.client.find(f"{bench.root}/files")}
        assert 0 < len(finished) < len(files)
        name_node.requests.clear()
        content = put_files(store, files)
    del bench.settings["endpoint"]
    renamed = [unquote(path).rpartition("files/md5")[2] for _, path in name_node.requests if "files%2Fmd5" in path]
    sent = {path.partition("&")[0] for path in renamed}
    assert len(sent) == 41 - len(finished)
    assert not sent & finished
    assert bench.open().verify(content, deep=True) == ()


def test_a_refusal_of_the_data_node_is_said_for_a_store_too(hdfs, request, tmp_path):
    bench = make_service_bench(request, "webhdfs", tmp_path)
    put_bytes(bench.open(), b"x")
    bench.settings["url"] = bench.settings["url"].replace(f"//{hdfs.user}@", "//stranger@")
    with pytest.raises(UserError) as caught:
        put_bytes(bench.open(), os.urandom(8 << 20))
    assert caught.value.diagnostics[0].code == "store-not-usable"
    assert "AccessControlException, Permission denied: user=stranger" in caught.value.diagnostics[0].message
