"""What every object store guarantees: these tests run on each store that is found by name, and on a remote one."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remote.url_store import UrlBench
from stored_files import put_bytes, put_files, read_files, read_object, source_files

from reconciler.diagnostics import UserError
from reconciler.model.content import Content, HashedFile, UploadFile
from reconciler.model.grants import Access
from reconciler.storage.disk_files import put_path
from reconciler.storage.export import Export, export_contents
from reconciler.storage.folder_store import FolderStore

PLAIN, EXECUTABLE, LINK, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o160000
ABSENT = "0" * 32
FILES = [("a.csv", PLAIN, b"1\n"), ("b/run", EXECUTABLE, b"#!/bin/sh\n"), ("c", LINK, b"b/run")]

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
PARTS = NAMES.filter(lambda name: name not in {".", ".."})
# Folders and files have different first letters, so that no file is also a folder.
PATHS = st.tuples(st.lists(PARTS.map("d".__add__), max_size=3), PARTS.map("f".__add__)).map(
    lambda names: "/".join([*names[0], names[1]])
)
FOLDERS = st.dictionaries(PATHS, st.tuples(st.sampled_from([PLAIN, EXECUTABLE]), st.binary(max_size=64)), max_size=8)
ON_ONE_STORE = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


class OnceStream(io.RawIOBase):
    """A stream that can be read once, and gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk = self._data.read(min(len(buffer), 100_000))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def export(store, content, target, **options):
    return export_contents(store, [Export(content, "a content")], target, **options)


def code_of(error):
    return error.value.diagnostics[0].code


@ON_ONE_STORE
@given(folder=FOLDERS)
def test_a_folder_is_read_back_as_it_was_stored(store, folder):
    files = [(path, mode, data) for path, (mode, data) in folder.items()]
    content = put_files(store, files)
    assert read_files(store, content) == sorted(files)
    assert (content.files, content.size, content.name) == (len(files), sum(len(data) for _, _, data in files), "")
    assert put_files(store, reversed(files)) == content
    assert store.missing([content.digest]) == frozenset()
    assert store.verify(content, deep=True) == ()


@ON_ONE_STORE
@given(data=st.binary(max_size=200), name=PATHS)
def test_a_file_is_read_back_under_its_name(store, data, name):
    content = put_bytes(store, data, name)
    md5, sha256 = hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest()
    assert content == Content(md5, sha256, len(data), 1, name)
    assert read_files(store, content) == [(name, PLAIN, data)]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 21) + 17])
@pytest.mark.parametrize("make_stream", [io.BytesIO, OnceStream])
def test_a_stream_is_stored_to_its_end_whether_it_can_be_read_twice_or_not(store, size, make_stream):
    data = os.urandom(size)
    content = store.put_file("x", make_stream(data))
    assert (content.sha256, content.size) == (hashlib.sha256(data).hexdigest(), size)
    assert read_object(store, content.digest) == data
    assert store.put(iter([UploadFile("x", PLAIN, partial(make_stream, data))])).size == size


def test_a_stream_is_stored_from_where_it_is(store):
    stream = io.BytesIO(b"before after")
    stream.seek(7)
    assert read_object(store, store.put_file("x", stream).digest) == b"after"


def test_only_one_file_is_open_at_a_time(store):
    opened = []

    def open_file(data):
        assert all(stream.closed for stream in opened)
        opened.append(io.BytesIO(data))
        return opened[-1]

    store.put(UploadFile(str(number), PLAIN, partial(open_file, b"%d" % number)) for number in range(5))
    assert len(opened) >= 5


def test_a_folder_on_disk_is_the_same_as_from_memory(store, tmp_path):
    source = tmp_path / "source"
    (source / "sub" / "empty folder").mkdir(parents=True)
    (source / "sub" / "é 名.txt").write_bytes(b"unicode")
    (source / " ").write_bytes(b"")
    (source / "run.sh").write_bytes(b"#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    files = [(" ", PLAIN, b""), ("run.sh", EXECUTABLE, b"#!/bin/sh\n"), ("sub/é 名.txt", PLAIN, b"unicode")]
    assert put_path(store, source) == put_files(store, files)


def test_a_content_is_the_same_in_every_store(store, tmp_path):
    other = FolderStore(tmp_path / "other")
    for files in ([], FILES, [("é", PLAIN, b"x"), ("d/e", EXECUTABLE, b"")]):
        assert put_files(store, files) == put_files(other, files)
    assert put_bytes(store, b"x") == put_bytes(other, b"x")


def test_an_empty_folder_can_be_stored(store, tmp_path):
    (tmp_path / "empty").mkdir()
    content = put_path(store, tmp_path / "empty")
    assert content.is_folder
    assert (content.files, content.size, store.manifest(content)) == (0, 0, ())
    export(store, content, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_folders_that_differ_only_in_a_mode_are_different_contents(store):
    executable = put_files(store, [("run", EXECUTABLE, b"x")])
    plain = put_files(store, [("run", PLAIN, b"x")])
    assert executable != plain
    assert read_files(store, plain) == [("run", PLAIN, b"x")]
    assert read_files(store, executable) == [("run", EXECUTABLE, b"x")]
    assert (store.verify(plain, deep=True), store.verify(executable, deep=True)) == ((), ())


def test_an_executable_stays_executable(store, tmp_path):
    content = put_files(store, [("bin/run", EXECUTABLE, b"#!/bin/sh\necho ran\n"), ("data", PLAIN, b"")])
    export(store, content, tmp_path / "copy")
    done = subprocess.run([tmp_path / "copy" / "bin" / "run"], capture_output=True, text=True, check=True)
    assert done.stdout == "ran\n"
    assert not os.access(tmp_path / "copy" / "data", os.X_OK)


def test_an_export_is_a_writable_copy(store, tmp_path):
    content = put_files(store, [("sub/a", PLAIN, b"a"), ("link", LINK, b"sub/a")])
    target = tmp_path / "new" / "copy"
    export(store, content, target)
    assert (target / "link").is_symlink()
    (target / "sub" / "a").write_bytes(b"changed")
    assert store.verify(content, deep=True) == ()
    assert [path.name for path in target.parent.iterdir()] == ["copy"]
    export(store, put_bytes(store, b"b"), target)
    assert (target / "file").read_bytes() == b"b"


def test_an_export_overwrites_nothing_and_leaves_no_partial_copy(bench, store, tmp_path):
    content = put_files(store, [("a", PLAIN, b"a"), ("b", PLAIN, b"b")])
    out = tmp_path / "out"
    out.mkdir()
    (out / "b").write_text("other", "utf-8")
    with pytest.raises(UserError) as caught:
        export(store, content, out)
    assert code_of(caught) == "target-exists"
    bench.damage(store.manifest(content)[1].digest, None)
    for target in (out, out / "new", out / "new" / "folders"):
        with pytest.raises(UserError) as caught:
            export(store, content, target, overwrite=True)
        assert code_of(caught) == "content-missing"
    assert [(path.name, path.read_text("utf-8")) for path in out.iterdir()] == [("b", "other")]


def test_contents_that_are_not_whole_are_missing(bench, store):
    folder, file = put_files(store, FILES), put_bytes(store, b"c")
    digests = [folder.digest, file.digest, ABSENT, f"{ABSENT}.dir", "no digest", "../.."]
    assert store.missing(digests) == frozenset(digests[2:])
    bench.damage(store.manifest(folder)[0].digest, None)
    assert store.missing(digests) == frozenset([folder.digest, *digests[2:]])


@pytest.mark.parametrize("name", ["a.csv", "c"])
@pytest.mark.parametrize("data", [None, b"", b"other bytes"])
def test_damage_is_found_named_and_mended_by_storing_the_content_again(bench, store, name, data):
    content = put_files(store, FILES)
    digest = next(file.digest for file in store.manifest(content) if file.path == name)
    bench.damage(digest, data)
    for deep in (False, True):
        (damage,) = store.verify(content, deep=deep)
        assert (damage.file, damage.is_missing) == (name, data is None)
        assert digest in damage.location.replace("/", "")
    assert put_files(store, FILES) == content
    assert store.verify(content, deep=True) == ()


@pytest.mark.parametrize("data", [None, b"", b"{}", b"[1]", b'[{"md5": "../../../etc/passwd", "relpath": "a"}]'])
def test_a_list_of_files_that_cannot_be_used_is_an_error(bench, store, data, tmp_path):
    content = put_files(store, FILES)
    bench.damage(content.digest, data)
    for use in (lambda: store.manifest(content), lambda: export(store, content, tmp_path / "copy")):
        with pytest.raises(UserError) as caught:
            use()
        assert code_of(caught) == ("content-missing" if data is None else "content-corrupt")
    assert store.missing([content.digest]) == {content.digest}
    assert [damage.file for damage in store.verify(content)] == [""]


def test_a_missing_object_cannot_be_opened_and_is_no_file_here(store):
    with pytest.raises(UserError) as caught:
        store.open(ABSENT)
    assert code_of(caught) == "content-missing"
    assert store.local(ABSENT) is None


def test_a_local_object_is_a_file_with_the_bytes(store):
    content = put_bytes(store, b"bytes")
    local = store.local(content.digest)
    if local is not None:
        path = Path(local.path)
        assert path.read_bytes() == b"bytes"
        status = path.stat()
        assert local.stamp == (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", "a\0b"])
def test_a_path_that_could_leave_the_folder_is_an_error(store, path):
    for use in (lambda: put_files(store, [(path, PLAIN, b"")]), lambda: put_bytes(store, b"", path)):
        with pytest.raises(UserError) as caught:
            use()
        assert code_of(caught) == "path-outside"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ([("module", SUBMODULE, b"")], "not-a-file"),
        ([("a", PLAIN, b""), ("a", PLAIN, b"")], "path-twice"),
        ([("a", PLAIN, b""), ("a/b", PLAIN, b"")], "path-twice"),
        ([("a/b/c", PLAIN, b""), ("a", PLAIN, b"")], "path-twice"),
        *(
            ([("sub/link", LINK, target)], "link-outside")
            for target in (b"", b"/etc/hosts", b"../../x", b"sub/../../../x", b"a/../b", b"../sub/..", b"a\0b")
        ),
        ([("link", LINK, b"a" * 5000)], "link-dangling"),
    ],
)
def test_a_folder_that_could_not_be_written_to_a_disk_is_an_error(store, files, code):
    with pytest.raises(UserError) as caught:
        put_files(store, files)
    assert code_of(caught) == code


@pytest.mark.parametrize("target", [b"x", b"sub/x", b"../x", b"../sub/x", b"./x", b"./../x"])
def test_a_link_inside_the_folder_is_stored_as_a_link(store, target):
    assert read_files(store, put_files(store, [("sub/link", LINK, target)])) == [("sub/link", LINK, target)]


def test_an_error_in_reading_a_source_is_not_one_of_the_store(store):
    def fail():
        raise PermissionError(13, "Permission denied", "secret.csv")

    with pytest.raises(PermissionError):
        store.put([UploadFile("a", PLAIN, fail)])


def test_the_id_is_the_same_for_all_who_ask_at_once(bench):
    assert bench.open().find_id() == ""
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: bench.open().id, range(32)))
    assert ids == {bench.open().find_id()}
    assert len(ids.pop()) == 32


def test_several_can_store_the_same_content_at_once(bench):
    files = [(f"{number}", EXECUTABLE, b"same" * number) for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        contents = set(pool.map(lambda _: bench.open().put(source_files(files)), range(8)))
    assert len(contents) == 1
    assert bench.open().verify(contents.pop(), deep=True) == ()


def test_of_all_who_create_an_entry_one_succeeds_and_all_read_its_data(bench):
    for name in ("tokens/a", "tokens/b", "tokens/c"):
        with ThreadPoolExecutor(8) as pool:
            results = list(
                pool.map(lambda number, name=name: (bench.open().create(name, b"%d" % number), number), range(16))
            )
        (winner,) = [number for created, number in results if created]
        assert bench.open().read(name) == b"%d" % winner


def test_an_entry_is_created_read_listed_and_deleted(store):
    assert (store.read("roots/a"), store.list("")) == (None, ())
    assert store.create("roots/a", b"1")
    assert not store.create("roots/a", b"2")
    assert store.create("roots/b", b"")
    assert store.create("tokens/a", b"\xff\0")
    assert [store.read(name) for name in ("roots/a", "roots/b", "tokens/a")] == [b"1", b"", b"\xff\0"]
    assert store.list("roots/") == ("roots/a", "roots/b")
    assert (store.list("roots/b"), store.list("r"), store.list("no/")) == (("roots/b",), ("roots/a", "roots/b"), ())
    store.delete("roots/a")
    store.delete("roots/a")
    assert (store.read("roots/a"), store.list("")) == (None, ("roots/b", "tokens/a"))
    assert store.create("roots/a", b"3")


def test_an_entry_is_replaced_in_one_step(bench):
    old, new = b"old" * 10_000, b"new" * 10_000
    store = bench.open()
    store.replace("in/a", old)
    done = threading.Event()

    def read_until_done() -> set[bytes | None]:
        reader, found = bench.open(), set()
        while not done.is_set():
            found.add(reader.read("in/a"))
        return found

    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(read_until_done)
        try:
            for number in range(20):
                store.replace("in/a", new if number % 2 else old)
        finally:
            done.set()
    assert read.result() <= {old, new}
    assert store.read("in/a") == new
    assert store.list("") == ("in/a",)


@pytest.mark.parametrize(
    "name", ["", "a", "a/", "/a", "a/b/c", "../a", "a/..", "a/.b", "A/b", "a/é", "a/b\n", f"a/{'b' * 201}"]
)
def test_a_name_that_not_every_store_could_keep_is_refused(store, name):
    for use in (
        lambda: store.create(name, b""),
        lambda: store.replace(name, b""),
        lambda: store.read(name),
        lambda: store.delete(name),
    ):
        with pytest.raises(ValueError, match="is not the name of an entry"):
            use()


def test_what_another_process_stored_is_there(bench):
    content = put_files(bench.open(), FILES)
    assert read_files(bench.open(), content) == FILES
    bench.open().create("tokens/a", b"1")
    assert bench.open().read("tokens/a") == b"1"


def test_reading_from_an_empty_store_makes_nothing(bench):
    store = bench.open()
    assert (store.missing([ABSENT]), store.list(""), store.read("a/b")) == ({ABSENT}, (), None)
    assert bench.is_empty()


def test_all_objects_are_listed_with_size_and_time(removing_store):
    store = removing_store
    assert list(store.objects()) == []
    begin = time.time() - 5
    content = put_files(store, FILES)
    listed = {item.digest: item for item in store.objects()}
    assert listed.keys() == {content.digest, *(file.digest for file in store.manifest(content))}
    assert {file.path: listed[file.digest].size for file in store.manifest(content)} == {
        "a.csv": 2,
        "b/run": 10,
        "c": 5,
    }
    assert all(begin <= item.modified <= time.time() + 5 for item in listed.values())


def test_only_what_is_old_is_removed(removing_bench, removing_store):
    bench, store = removing_bench, removing_store
    folder, file = put_files(store, FILES), put_bytes(store, b"file")
    digests = [item.digest for item in store.objects()]
    assert store.remove(digests, before=time.time() - 3600) == frozenset()
    before = bench.age()
    young = put_bytes(store, b"young")
    gone = store.manifest(folder)[0].digest
    assert store.remove([gone, young.digest, ABSENT], before) == {gone}
    assert store.missing([folder.digest, file.digest, young.digest]) == {folder.digest}
    assert gone not in [item.digest for item in store.objects()]
    assert store.remove(digests, before) == set(digests) - {gone}
    assert [item.digest for item in store.objects()] == [young.digest]
    assert put_files(store, FILES) == folder
    assert (store.verify(folder, deep=True), read_files(store, folder)) == ((), FILES)


def test_what_is_stored_again_or_kept_is_as_young_as_new(removing_bench, removing_store):
    bench, store = removing_bench, removing_store
    folder, file, kept = put_files(store, FILES), put_bytes(store, b"file"), put_files(store, [("x", EXECUTABLE, b"x")])
    old = put_bytes(store, b"old")
    before = bench.age()
    assert put_files(store, FILES) == folder
    assert put_bytes(bench.open(), b"file") == file
    assert store.keep(kept)
    assert bench.open().keep(file)
    used = {item.digest: item.modified for item in store.objects()}
    assert store.remove(used, before) == {old.digest}
    assert {digest for digest, modified in used.items() if modified < before} == {old.digest}
    assert [store.verify(content) for content in (folder, file, kept)] == [(), (), ()]
    assert store.keep(old) is False


def test_a_folder_that_lacks_a_file_cannot_be_kept(bench, store):
    content = put_files(store, FILES)
    assert store.keep(content)
    bench.damage(store.manifest(content)[0].digest, None)
    assert store.keep(content) is False


def test_what_is_stored_while_old_objects_are_removed_is_whole(removing_bench):
    bench = removing_bench
    is_service = isinstance(bench, UrlBench)
    files = [(f"{number}", EXECUTABLE, b"same" * number) for number in range(6 if is_service else 20)]
    content = put_files(bench.open(), files)

    def remove(store, before):
        return len(store.remove([item.digest for item in store.objects()], before))

    def store_and_check(store, delay):
        time.sleep(delay)
        return store.keep(content) or put_files(store, files) == content

    removed = 0
    for delay in (0.2, 0.8, 3.0, 10.0) if is_service else (*25 * (0.0,), 0.5, 5.0):
        if removed and delay:
            break
        before = bench.age()
        stores = [bench.open() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            removals = [pool.submit(remove, store, before) for store in stores[:2]]
            assert all(pool.map(partial(store_and_check, delay=delay), stores[2:]))
            removed += sum(future.result() for future in removals)
        assert bench.open().missing([content.digest]) == frozenset()
        assert bench.open().verify(content, deep=True) == ()
    assert removed > 0


def hashed(files):
    digests = (
        (path, mode, hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest(), len(data))
        for path, mode, data in files
    )
    return [HashedFile(*row) for row in digests]


def put_objects(store, files):
    for _, _, data in files:
        put_bytes(store, data)


@pytest.mark.parametrize("files", [[], FILES, [("é", PLAIN, b""), ("d/e", EXECUTABLE, b"x"), ("d/f", PLAIN, b"x")]])
def test_a_content_that_is_assembled_of_objects_is_the_same_as_one_that_is_stored(bench, store, tmp_path, files):
    put_objects(store, files)
    content = bench.open().assemble(hashed(files))
    assert content == put_files(FolderStore(tmp_path / "other"), files)
    reader = bench.open()
    assert (reader.missing([content.digest]), reader.verify(content, deep=True)) == (frozenset(), ())
    assert read_files(reader, content) == sorted(files)


def test_a_file_that_is_assembled_has_its_name(store, tmp_path):
    content = put_bytes(store, b"text", "before")
    assert store.assemble(hashed([("whatever", PLAIN, b"text")]), "after.txt") == content._replace(name="after.txt")
    with pytest.raises(UserError) as caught:
        store.assemble(hashed([("whatever", PLAIN, b"text")]), "../after.txt")
    assert code_of(caught) == "path-outside"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"digest": ABSENT}, "content-missing"),
        ({"digest": "../../id"}, "content-corrupt"),
        ({"sha256": "0"}, "content-corrupt"),
        ({"size": 3}, "content-corrupt"),
        ({"size": -1}, "content-corrupt"),
        ({"path": "../a"}, "path-outside"),
        ({"mode": SUBMODULE}, "not-a-file"),
    ],
)
def test_what_is_not_as_it_is_described_is_not_assembled(store, change, code):
    put_objects(store, FILES)
    first, *rest = hashed(FILES)
    with pytest.raises(UserError) as caught:
        store.assemble([first._replace(**change), *rest])
    assert code_of(caught) == code
    assert not store.missing([hashed(FILES)[0].digest])


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../../outside"])
def test_a_link_that_leaves_its_folder_is_not_assembled(store, target):
    put_objects(store, [("sub/link", LINK, target)])
    with pytest.raises(UserError) as caught:
        store.assemble(hashed([("sub/link", LINK, target)]))
    assert code_of(caught) == "link-outside"


def test_an_object_that_was_damaged_is_not_assembled(bench):
    put_objects(bench.open(), FILES)
    bench.damage(hashed(FILES)[0].digest, b"2\n")
    with pytest.raises(UserError) as caught:
        bench.open().assemble(hashed(FILES))
    assert code_of(caught) == "content-corrupt"


def test_old_objects_that_are_assembled_are_as_young_as_new(removing_bench):
    bench = removing_bench
    put_objects(bench.open(), FILES)
    before = bench.age()
    content = bench.open().assemble(hashed(FILES))
    store = bench.open()
    assert store.remove([item.digest for item in store.objects()], before) == frozenset()
    assert store.verify(content, deep=True) == ()


def test_a_store_grants_a_request_for_each_object_or_none(store, request):
    is_signed = request.node.callspec.params["bench"] in {"azure", "s3"}
    content = put_bytes(store, b"text")
    for access in Access:
        grants = store.grant([content.digest, ABSENT], access, 60)
        assert (grants is not None) == is_signed
        if grants is not None:
            assert list(grants) == [content.digest, ABSENT]
            assert len({grant.url for grant in grants.values()}) == 2
            assert not any(grant.url.partition("?")[2] in repr(grants) for grant in grants.values())
