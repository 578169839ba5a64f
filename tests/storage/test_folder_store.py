"""The store in a folder: DVC can read and write it, several processes use it at once, errors of the disk."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
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
from stored_files import put_bytes, put_files, read_files

from reconciler.diagnostics import UserError
from reconciler.model.content import Content
from reconciler.storage.disk_files import put_path
from reconciler.storage.export import Export, export_contents
from reconciler.storage.folder_store import FolderStore

PLAIN, EXECUTABLE = 0o100644, 0o100755
ABSENT = "0" * 32


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def objects(store: FolderStore) -> list[Path]:
    return sorted(path for path in (store.root / "files").rglob("*") if path.is_file())


def code_of(error: pytest.ExceptionInfo[UserError]) -> str:
    return error.value.diagnostics[0].code


def test_what_a_killed_process_left_is_removed_a_day_later_by_the_next_one_that_writes(tmp_path):
    content = put_bytes(FolderStore(tmp_path / "store"), b"x")
    folder = tmp_path / "store/tmp"
    (folder / "left").write_bytes(b"half")
    (folder / "going-on").write_bytes(b"half")
    os.utime(folder / "left", (time.time() - 90_000,) * 2)
    put_bytes(FolderStore(tmp_path / "store"), b"y")
    assert [path.name for path in folder.iterdir()] == ["going-on"]
    os.utime(folder / "going-on", (time.time() - 90_000,) * 2)
    store = FolderStore(tmp_path / "store")
    store.remove([], 0)
    assert list(folder.iterdir()) == []
    assert store.verify(content, deep=True) == ()


def test_objects_are_read_only_and_no_temporary_file_remains(store: FolderStore) -> None:
    put_files(store, [("a", EXECUTABLE, b"a"), ("b", PLAIN, b"b")])
    assert [stat.S_IMODE(path.stat().st_mode) for path in objects(store)] == [0o444] * 3
    assert list((store.root / "tmp").iterdir()) == []


def test_storing_the_same_content_again_copies_nothing(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"same")
    put_path(store, tmp_path / "file")
    before = [(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in objects(store)]
    put_path(store, tmp_path / "file")
    put_bytes(store, b"same", "other name")
    assert [(path, path.stat().st_ino, path.stat().st_mtime_ns) for path in objects(store)] == before


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "é.txt").write_bytes(b"one")
    (folder / "sub" / "b").write_bytes(b"two")
    return folder


def dvc_cache(store: FolderStore) -> LocalHashFileDB:
    return LocalHashFileDB(localfs, str(store.root / "files" / "md5"))  # type: ignore[no-untyped-call]


def test_dvc_reads_contents_of_the_store(store: FolderStore, source: Path, tmp_path: Path) -> None:
    cache = dvc_cache(store)
    folder = load(cache, HashInfo("md5", put_path(store, source).digest))
    checkout(str(tmp_path / "copy"), localfs, folder, cache)
    assert (tmp_path / "copy" / "é.txt").read_bytes() == b"one"
    assert (tmp_path / "copy" / "sub" / "b").read_bytes() == b"two"


def test_the_store_reads_contents_written_by_dvc(store: FolderStore, source: Path) -> None:
    cache = dvc_cache(store)
    staging, _, folder = build(cache, str(source), localfs, "md5")
    assert folder.hash_info
    transfer(staging, cache, {folder.hash_info}, hardlink=False, shallow=False)
    before = objects(store)
    content = put_path(store, source)
    assert content.digest == folder.hash_info.value
    assert store.verify(content, deep=True) == ()
    assert objects(store) == before
    assert read_files(store, content) == [("sub/b", PLAIN, b"two"), ("é.txt", PLAIN, b"one")]


@pytest.mark.parametrize(
    "listing",
    [
        *(b"", b"{}", b"[1]", b'[{"md5": "x", "relpath": "a"}]', b'[{"relpath": "a"}]', b"\xff"),
        b'[{"md5": "%s", "relpath": "../a"}]' % ABSENT.encode(),
        b'[{"md5": "%s", "relpath": "/etc/passwd"}]' % ABSENT.encode(),
        b'[{"md5": "../../../etc/passwd", "relpath": "a"}]',
    ],
)
def test_a_listing_that_is_corrupt_or_malicious_is_an_error(store: FolderStore, listing: bytes, tmp_path: Path) -> None:
    content = put_files(store, [])
    [path] = objects(store)
    path.chmod(0o644)
    path.write_bytes(listing)
    with pytest.raises(UserError) as caught:
        store.manifest(content)
    assert code_of(caught) == "content-corrupt"
    assert store.missing([content.digest]) == {content.digest}
    assert store.verify(content)
    with pytest.raises(UserError):
        export_contents(store, [Export(content, "a")], tmp_path / "copy")


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "ABC", ABSENT + ".DIR", "0" * 33])
def test_an_invalid_key_is_an_error(store: FolderStore, key: str) -> None:
    content = Content(key, "", 0, 0)
    for use in (lambda: store.open(key), lambda: store.local(key), lambda: store.verify(content)):
        with pytest.raises(UserError) as caught:
            use()
        assert code_of(caught) == "content-key-invalid"


def put_many(root: str) -> list[Content]:
    store = FolderStore(Path(root))
    return [put_files(store, [(f"{number}", EXECUTABLE, b"same" * number)]) for number in range(40)]


def test_several_processes_can_store_the_same_content_at_once(store: FolderStore) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(put_many, [str(store.root)] * 4))
    assert results == [results[0]] * 4
    assert not any(store.verify(content, deep=True) for content in results[0])
    assert list((store.root / "tmp").iterdir()) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.disk_files import put_path
from reconciler.diagnostics import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    put_path(FolderStore(Path(sys.argv[1])), Path(sys.argv[2]))
except UserError as error:
    print(error.diagnostics[0].code)
"""


def test_a_full_disk_leaves_no_partial_object(store: FolderStore, tmp_path: Path) -> None:
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
        put_bytes(FolderStore(read_only_folder / "store"), b"a", "a")
    assert code_of(caught) == "store-not-usable"


def test_a_store_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(UserError) as caught:
        put_bytes(FolderStore(tmp_path / "store"), b"a", "a")
    assert code_of(caught) == "store-not-usable"
    with pytest.raises(UserError) as caught:
        _ = FolderStore(tmp_path / "store").id
    assert code_of(caught) == "store-not-usable"


def test_the_store_prints_nothing_and_starts_no_thread(store: FolderStore, tmp_path: Path) -> None:
    code = (
        "import sys, threading; from pathlib import Path; from reconciler.storage.folder_store import FolderStore\n"
        "from reconciler.storage.disk_files import put_path; from reconciler.storage import export\n"
        "store = FolderStore(Path(sys.argv[1]))\n"
        "content = put_path(store, Path(sys.argv[2]))\n"
        "store.verify(content, deep=True)\n"
        "export.export_contents(store, [export.Export(content, 'a')], Path(sys.argv[3]))\n"
        "assert threading.active_count() == 1"
    )
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(b"bytes")
    command = [sys.executable, "-c", code, str(store.root), str(tmp_path / "source"), str(tmp_path / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


LARGE = 17 << 20  # bytes: read once


class Appended(io.FileIO):
    """A file that grows while its end is read."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if not data:
            with Path(str(self.name)).open("ab") as file:
                file.write(b"more")
        return data


def test_a_large_file_that_changes_while_it_is_stored_is_refused(store: FolderStore, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(LARGE))
    with Appended(path) as stream, pytest.raises(UserError) as caught:
        store.put_file("large", stream)
    assert caught.value.diagnostics[0].code == "file-changed"
    assert not [file for file in store.root.rglob("*") if file.is_file() and file.stat().st_size >= LARGE]


def test_a_large_file_is_read_once_and_left_as_it_is_if_the_store_has_it(store: FolderStore, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(LARGE) + b"end")
    contents, stamps = [], []
    for _ in range(2):
        with path.open("rb", buffering=0) as stream:
            contents.append(store.put_file("large", stream))
        local = store.local(contents[-1].digest)
        assert local
        stamps.append(Path(local.path).stat().st_ino)
    assert contents[0] == contents[1]
    assert contents[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert contents[0].digest == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    assert stamps[0] == stamps[1]
    assert list((store.root / "tmp").iterdir()) == []
