"""The object store: contents are stored, listed, checked and exported, by several processes at once."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from dvc_data.hashfile import load
from dvc_data.hashfile.build import build
from dvc_data.hashfile.checkout import checkout
from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.transfer import transfer
from dvc_objects.fs.local import localfs
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import UserError
from reconciler.storage.object_store import ObjectStore

PLAIN, EXECUTABLE, LINK = 0o100644, 0o100755, 0o120000
ABSENT = "0" * 32

Files = list[tuple[str, int, bytes]]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


def objects(store: ObjectStore) -> list[Path]:
    return sorted(path for path in (store.root / "files").rglob("*") if path.is_file())


def read_back(store: ObjectStore, md5: str, sha256: str = "") -> Files:
    return [(file.path, file.mode, file.object_path.read_bytes()) for file in store.manifest(md5, sha256=sha256)]


def code_of(error: pytest.ExceptionInfo[UserError]) -> str:
    return error.value.diagnostics[0].code


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
PARTS = NAMES.filter(lambda name: name not in {".", ".."})
# Folders and files have different first letters, so that no file is also a folder.
PATHS = st.tuples(st.lists(PARTS.map("d".__add__), max_size=3), PARTS.map("f".__add__)).map(
    lambda names: "/".join([*names[0], names[1]])
)
FOLDERS = st.dictionaries(PATHS, st.tuples(st.sampled_from([PLAIN, EXECUTABLE]), st.binary(max_size=64)), max_size=8)


@settings(deadline=None, max_examples=60)
@given(folder=FOLDERS)
def test_a_folder_is_read_back_as_it_was_stored(
    folder: dict[str, tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = ObjectStore(tmp_path_factory.mktemp("store"))
    files = [(path, mode, data) for path, (mode, data) in folder.items()]
    content = store.put_files(files)
    assert read_back(store, content.md5, content.sha256) == sorted(files)
    assert (content.file_count, content.size) == (len(files), sum(len(data) for _, _, data in files))
    assert store.put_files(reversed(files)) == content
    assert store.has_content(content.md5)
    assert store.is_intact(content.md5)


@settings(deadline=None, max_examples=30)
@given(data=st.binary(max_size=200), chunk=st.sampled_from([1, 3, 1 << 20]))
def test_a_file_is_the_same_from_disk_and_from_memory(
    data: bytes, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    (folder / "file").write_bytes(data)
    from_disk = ObjectStore(folder / "one").put_path(folder / "file")
    assert from_disk == ObjectStore(folder / "two").put_bytes("file", data)
    assert from_disk.md5 == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert from_disk.sha256 == hashlib.sha256(data).hexdigest()
    assert (from_disk.size, from_disk.file_count) == (len(data), 1)


def test_a_large_file_is_stored_in_chunks(store: ObjectStore, tmp_path: Path) -> None:
    data = os.urandom((1 << 20) * 2 + 17)
    (tmp_path / "large").write_bytes(data)
    content = store.put_path(tmp_path / "large")
    assert content.sha256 == hashlib.sha256(data).hexdigest()
    assert store.manifest(content.md5)[0].object_path.read_bytes() == data


def test_a_folder_on_disk_is_the_same_as_from_memory(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub" / "empty folder").mkdir(parents=True)
    (source / "sub" / "é 名.txt").write_bytes(b"unicode")
    (source / " ").write_bytes(b"")
    (source / "run.sh").write_bytes(b"#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    files = [(" ", PLAIN, b""), ("run.sh", EXECUTABLE, b"#!/bin/sh\n"), ("sub/é 名.txt", PLAIN, b"unicode")]
    assert store.put_path(source) == store.put_files(files)


def test_an_empty_folder_can_be_stored(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    content = store.put_path(tmp_path / "empty")
    assert content.md5.endswith(".dir")
    assert (content.file_count, content.size, store.manifest(content.md5)) == (0, 0, ())
    assert store.has_content(content.md5)
    store.export(content.md5, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_the_manifest_of_a_single_file_has_the_given_name(store: ObjectStore) -> None:
    content = store.put_bytes("iris.csv", b"1,2")
    [(name, object_path, mode, _)] = store.manifest(content.md5, "iris.csv")
    assert (name, mode, object_path.read_bytes()) == ("iris.csv", PLAIN, b"1,2")
    assert object_path.is_absolute()


def test_objects_are_read_only_and_no_temporary_file_remains(store: ObjectStore) -> None:
    store.put_files([("a", EXECUTABLE, b"a"), ("b", PLAIN, b"b")])
    assert [stat.S_IMODE(path.stat().st_mode) for path in objects(store)] == [0o444] * 3
    assert list((store.root / "tmp").iterdir()) == []


def test_storing_the_same_content_again_copies_nothing(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"same")
    store.put_path(tmp_path / "file")
    before = [(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in objects(store)]
    store.put_path(tmp_path / "file")
    store.put_bytes("other name", b"same")
    assert [(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in objects(store)] == before


def test_an_executable_stays_executable(store: ObjectStore, tmp_path: Path) -> None:
    script = b"#!/bin/sh\necho ran\n"
    content = store.put_files([("bin/run", EXECUTABLE, script), ("data", PLAIN, b"")])
    assert [file.mode for file in store.manifest(content.md5)] == [EXECUTABLE, PLAIN]
    store.export(content.md5, tmp_path / "copy")
    done = subprocess.run([tmp_path / "copy" / "bin" / "run"], capture_output=True, text=True, check=True)
    assert done.stdout == "ran\n"
    assert not os.access(tmp_path / "copy" / "data", os.X_OK)


def test_folders_that_differ_only_in_a_mode_have_different_sha256(store: ObjectStore) -> None:
    executable = store.put_files([("run", EXECUTABLE, b"x")])
    plain = store.put_files([("run", PLAIN, b"x")])
    assert executable.md5 == plain.md5  # the key of dvc does not cover modes
    assert executable.sha256 != plain.sha256
    assert read_back(store, plain.md5, plain.sha256) == [("run", PLAIN, b"x")]
    assert read_back(store, plain.md5, executable.sha256) == [("run", EXECUTABLE, b"x")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "é.txt").write_bytes(b"one")
    (folder / "sub" / "b").write_bytes(b"two")
    return folder


def dvc_cache(store: ObjectStore) -> LocalHashFileDB:
    return LocalHashFileDB(localfs, str(store.root / "files" / "md5"))  # type: ignore[no-untyped-call]


def test_dvc_reads_contents_of_the_store(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    cache = dvc_cache(store)
    folder = load(cache, HashInfo("md5", store.put_path(source).md5))
    checkout(str(tmp_path / "copy"), localfs, folder, cache)
    assert (tmp_path / "copy" / "é.txt").read_bytes() == b"one"
    assert (tmp_path / "copy" / "sub" / "b").read_bytes() == b"two"


def test_the_store_reads_contents_written_by_dvc(store: ObjectStore, source: Path) -> None:
    cache = dvc_cache(store)
    staging, _, folder = build(cache, str(source), localfs, "md5")
    assert folder.hash_info
    transfer(staging, cache, {folder.hash_info}, hardlink=False, shallow=False)
    before = objects(store)
    content = store.put_path(source)
    assert content.md5 == folder.hash_info.value
    assert store.is_intact(content.md5)
    assert objects(store) == before
    assert read_back(store, content.md5) == [("sub/b", PLAIN, b"two"), ("é.txt", PLAIN, b"one")]


def test_contents_that_were_not_stored_are_missing(store: ObjectStore) -> None:
    folder = store.put_files([("a", PLAIN, b"a"), ("b", PLAIN, b"b")])
    file = store.put_bytes("c", b"c")
    assert [store.has_content(md5) for md5 in (folder.md5, file.md5)] == [True, True]
    assert [store.has_content(md5) for md5 in (ABSENT, f"{ABSENT}.dir")] == [False, False]
    store.manifest(folder.md5)[0].object_path.unlink()
    assert not store.has_content(folder.md5)  # one of its files is missing
    assert not store.is_intact(folder.md5)
    assert not ObjectStore(store.root / "nowhere").has_content(file.md5)


@pytest.mark.parametrize("damage", [b"", b"other bytes"])
def test_a_corrupt_file_is_detected_and_replaced_when_it_is_stored_again(store: ObjectStore, damage: bytes) -> None:
    files = [("a", PLAIN, b"the bytes")]
    content = store.put_files(files)
    path = store.manifest(content.md5)[0].object_path
    path.chmod(0o644)
    path.write_bytes(damage)
    assert not store.is_intact(content.md5)
    assert path.exists()
    assert store.put_files(files) == content
    assert store.is_intact(content.md5)


@pytest.mark.parametrize(
    "listing",
    [
        *(b"", b"{}", b"[1]", b'[{"md5": "x", "relpath": "a"}]', b'[{"relpath": "a"}]', b"\xff"),
        b'[{"md5": "%s", "relpath": "../a"}]' % ABSENT.encode(),
        b'[{"md5": "%s", "relpath": "/etc/passwd"}]' % ABSENT.encode(),
        b'[{"md5": "../../../etc/passwd", "relpath": "a"}]',
    ],
)
def test_a_listing_that_is_corrupt_or_malicious_is_an_error(store: ObjectStore, listing: bytes, tmp_path: Path) -> None:
    content = store.put_files([])
    [path] = objects(store)
    path.chmod(0o644)
    path.write_bytes(listing)
    with pytest.raises(UserError) as caught:
        store.manifest(content.md5)
    assert code_of(caught) == "content-corrupt"
    assert not store.has_content(content.md5)
    assert not store.is_intact(content.md5)
    with pytest.raises(UserError):
        store.export(content.md5, tmp_path / "copy")


def test_the_manifest_of_a_missing_content_is_an_error(store: ObjectStore) -> None:
    with pytest.raises(UserError) as caught:
        store.manifest(f"{ABSENT}.dir")
    assert code_of(caught) == "content-missing"


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "ABC", ABSENT + ".DIR", "0" * 33])
def test_an_invalid_key_is_an_error(store: ObjectStore, key: str) -> None:
    for method in (store.has_content, store.manifest, store.is_intact):
        with pytest.raises(UserError) as caught:
            method(key)
        assert code_of(caught) == "content-key-invalid"


def test_an_export_is_a_writable_copy(store: ObjectStore, tmp_path: Path) -> None:
    content = store.put_files([("sub/a", PLAIN, b"a"), ("link", LINK, b"sub/a")])
    target = tmp_path / "new" / "copy"
    store.export(content.md5, target)
    assert (target / "link").read_bytes() == b"a"
    assert (target / "link").is_symlink()
    (target / "sub" / "a").write_bytes(b"changed")
    assert store.is_intact(content.md5)
    assert [path.name for path in target.parent.iterdir()] == ["copy"]
    store.export(store.put_bytes("b", b"b").md5, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"b"


def test_an_export_overwrites_nothing_and_leaves_no_partial_copy(store: ObjectStore, tmp_path: Path) -> None:
    content = store.put_files([("a", PLAIN, b"a"), ("b", PLAIN, b"b")])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(UserError) as caught:
        store.export(content.md5, out)
    assert code_of(caught) == "target-exists"
    store.manifest(content.md5)[1].object_path.unlink()
    with pytest.raises(UserError) as caught:
        store.export(content.md5, out / "copy")
    assert code_of(caught) == "content-missing"
    assert list(out.iterdir()) == []


def test_the_id_of_a_store_is_the_same_for_concurrent_readers(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: ObjectStore(root).id, range(32)))
    assert len(ids) == 1
    assert len(ids.pop()) == 32
    assert ObjectStore(tmp_path / "other").id != ObjectStore(root).id
    assert list((root / "tmp").iterdir()) == []


def test_reading_from_a_store_does_not_create_it(tmp_path: Path) -> None:
    ObjectStore(tmp_path / "store").has_content(ABSENT)
    assert list(tmp_path.iterdir()) == []


def put_many(root: str) -> list[str]:
    store = ObjectStore(Path(root))
    return [store.put_files([(f"{number}", EXECUTABLE, b"same" * number)]).md5 for number in range(40)]


def test_several_processes_can_store_the_same_content_at_once(store: ObjectStore) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(put_many, [str(store.root)] * 4))
    assert results == [results[0]] * 4
    assert all(store.is_intact(md5) for md5 in results[0])
    assert list((store.root / "tmp").iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from reconciler.storage.object_store import ObjectStore
from reconciler.diagnostics import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    ObjectStore(Path(sys.argv[1])).put_path(Path(sys.argv[2]))
except UserError as error:
    print(error.diagnostics[0].code)
"""


def test_a_full_disk_leaves_no_partial_object(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(100_000))
    command = [sys.executable, "-c", FULL_DISK, str(store.root), str(tmp_path / "large")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "store-full"
    assert not [path for path in store.root.rglob("*") if path.is_file()]


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder without write permission; as root, the test runs as another user."""
    folder = tmp_path / "read only"
    folder.mkdir()
    folder.chmod(0o500)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield folder
    if is_root:
        os.seteuid(0)


def test_a_store_without_write_permission_is_an_error(read_only_folder: Path) -> None:
    with pytest.raises(UserError, match="Permission denied") as caught:
        ObjectStore(read_only_folder / "store").put_bytes("a", b"a")
    assert code_of(caught) == "store-not-usable"


def test_a_store_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(UserError) as caught:
        ObjectStore(tmp_path / "store").put_bytes("a", b"a")
    assert code_of(caught) == "store-not-usable"
    with pytest.raises(UserError) as caught:
        _ = ObjectStore(tmp_path / "store").id
    assert code_of(caught) == "store-not-usable"


def test_the_store_prints_nothing_and_starts_no_thread(store: ObjectStore, tmp_path: Path) -> None:
    code = (
        "import sys, threading; from pathlib import Path; from reconciler.storage.object_store import ObjectStore\n"
        "store = ObjectStore(Path(sys.argv[1]))\n"
        "content = store.put_files([(str(n), 0o100644, b'x' * n) for n in range(50)])\n"
        "store.is_intact(content.md5); store.export(content.md5, Path(sys.argv[2]))\n"
        "assert threading.active_count() == 1"
    )
    command = [sys.executable, "-c", code, str(store.root), str(tmp_path / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
