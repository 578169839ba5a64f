"""A store that does not answer, breaks off or forgets: an error that says so, never other bytes or an empty answer."""

from __future__ import annotations

import io
import os

import pytest
from remote.object_store import RemoteBench, RemoteStore
from services.drip_server import DRIPS, drip_server
from stored_files import put_bytes, put_files, read_files, read_object

from reconciler.diagnostics import UserError
from reconciler.model.content import Content
from reconciler.model.object_store import StoreContext
from reconciler.storage import _hdfs, _remote_files
from reconciler.storage.export import Export, export_contents
from reconciler.storage.stores import open_store

PLAIN = 0o100644
ABSENT = "0" * 32
USES = {
    "id": lambda store: store.id,
    "find_id": lambda store: store.find_id(),
    "put": lambda store: put_files(store, [("a", PLAIN, b"a")]),
    "put_file": lambda store: store.put_file("a", io.BytesIO(b"a")),
    "manifest": lambda store: store.manifest(Content(f"{ABSENT}.dir", "", 0, 0)),
    "open": lambda store: store.open(ABSENT),
    "missing": lambda store: store.missing([ABSENT]),
    "verify": lambda store: store.verify(Content(ABSENT, "", 0, 1, "a")),
    "create": lambda store: store.create("a/b", b""),
    "read": lambda store: store.read("a/b"),
    "list": lambda store: store.list(""),
    "delete": lambda store: store.delete("a/b"),
}


@pytest.fixture
def bench(tmp_path):
    bench = RemoteBench(tmp_path / "elsewhere")
    yield bench
    bench.stop()


def assert_unreachable(use, store):
    with pytest.raises(UserError) as caught:
        use(store)
    assert caught.value.diagnostics[0].code == "store-unreachable"
    assert store.location in caught.value.diagnostics[0].message


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_store_that_cannot_be_reached_is_an_error_of_every_use(bench, use):
    bench.stop()
    assert_unreachable(use, bench.open())


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_store_that_is_too_slow_is_an_error_of_every_use(bench, use):
    bench.order(delay=2)
    assert_unreachable(use, RemoteStore(bench.url, timeout=0.2))


def test_what_was_stored_is_there_when_the_store_is_back(bench):
    content = put_files(bench.open(), [("a", PLAIN, b"a")])
    assert bench.open().create("tokens/a", b"1")
    bench.stop()
    bench.start()
    assert read_files(bench.open(), content) == [("a", PLAIN, b"a")]
    assert not bench.open().create("tokens/a", b"2")


@pytest.mark.parametrize("size", [1, 100, 300_000])
@pytest.mark.parametrize("folder", [False, True])
def test_bytes_that_break_off_are_an_error_and_no_shorter_content(bench, tmp_path, size, folder):
    data = os.urandom(size)
    content = put_files(bench.open(), [("a", PLAIN, data)]) if folder else put_bytes(bench.open(), data, "a")
    bench.order(cut_after=size // 2)
    assert_unreachable(lambda store: export_contents(store, [Export(content, "a")], tmp_path / "copy"), bench.open())
    assert {path.name for path in tmp_path.iterdir()} <= {"elsewhere"}
    bench.order(cut_after=-1)
    assert read_files(bench.open(), content) == [("a", PLAIN, data)]


def copy_file(store, content, target):
    with store.open(content.digest) as stream:
        return target.put_file(content.name, stream)


def test_bytes_that_break_off_while_they_go_from_store_to_store_leave_nothing(bench, tmp_path):
    data = os.urandom(3_000_000)
    content = put_bytes(bench.open(), data, "a")
    other = RemoteBench(tmp_path / "other")
    try:
        bench.order(cut_after=2_000_000)
        assert_unreachable(lambda store: copy_file(store, content, other.open()), bench.open())
        assert other.is_empty()
        bench.order(cut_after=-1)
        assert copy_file(bench.open(), content, other.open()) == content
        assert read_object(other.open(), content.digest) == data
    finally:
        other.stop()


def test_what_a_store_has_forgotten_is_missing_and_can_be_stored_again(bench):
    store = bench.open()
    content = put_files(store, [("a", PLAIN, b"a")])
    assert store.create("tokens/a", b"1")
    bench.order(forget=True)
    assert store.missing([content.digest]) == {content.digest}
    assert [damage.is_missing for damage in store.verify(content)] == [True]
    assert store.read("tokens/a") is None
    assert put_files(store, [("a", PLAIN, b"a")]) == content
    assert store.verify(content, deep=True) == ()


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({"url": "s3://bucket/store", "region": "us-east-1"}, {"/access_key_id": "a", "/secret_access_key": "b"}),
        ({"url": "az://bucket/store", "account": "account"}, {"/account_key": "YWFh"}),
        ({"url": "webhdfs://host/store"}, {}),
    ],
    ids=["s3", "azure", "webhdfs"],
)
def test_a_service_that_answers_a_byte_at_a_time_is_not_waited_for(settings, secrets, tmp_path, monkeypatch):
    for module in (_remote_files, _hdfs):
        monkeypatch.setattr(module, "_SECONDS", 1.0)
    with drip_server(b"HTTP/1.1 200 OK\r\n") as url:
        settings = {**settings, "endpoint": url, "cache": str(tmp_path / "cache")}
        store = open_store("url", settings, StoreContext(str(tmp_path), secrets.get))
        for use in (lambda store: store.read("a/b"), lambda store: store.create("a/b", b""), USES["put_file"]):
            assert_unreachable(use, store)


@pytest.mark.parametrize("name", DRIPS)
def test_bytes_of_a_file_that_come_one_at_a_time_are_not_waited_for(name, monkeypatch):
    monkeypatch.setattr(_hdfs, "_SECONDS", 1.0)
    with drip_server(*DRIPS[name]) as url:
        files = _hdfs.HdfsFiles("127.0.0.1", port=int(url.rpartition(":")[2]), skip_instance_cache=True)
        with pytest.raises(OSError, match="does not end"):
            files._open("/a").read(1 << 20)
