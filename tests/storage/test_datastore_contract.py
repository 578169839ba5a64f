"""What every type of datastore guarantees, on a real service each."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from services.webhdfs import LIST_LIMIT
from storage.datastore_benches import BENCHES, Bench, params

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.datastores import folder_identity
from reconciler.storage.datastores import DATASTORES

ODD_NAMES = (
    *("a b.txt", "ü/日本.txt", "100%.txt", "%41.txt", "%2Fx", "a#b.txt", "..x", "...", "a+b&c=d.txt"),
    *("[x]{y}~'!$(),;@^`", "a/b/c/d/e.txt", ".hidden", "n" * 200, "a?b.txt", "a?b#c", "x?", "x#", "a:b"),
    *('q"q', "a*b", "g\\h", "a<b>|c", " x", "x ", "x.", "?versionid=1", "?versionId=1"),
)
_OF_AZURE = ("...", "g\\h", "x.")
_OF_SHARES = (*_OF_AZURE, "a:b", "a?b.txt", "a?b#c", "x?", 'q"q', "a*b", "a<b>|c", "x ", "?versionid=1", "?versionId=1")
# Names that a service would change, or take for other ones.
REFUSED_NAMES = {
    "azure_data_lake_gen1": ("a:b",),
    "azure_file": _OF_SHARES,
    **dict.fromkeys(("azure_blob", "azure_data_lake_gen2", "one_lake"), _OF_AZURE),
}
# How many are not 1000: where it takes 50 ms to write one, several of the lists that the service is limited to.
FILES_OF_A_FOLDER = {"azure_data_lake_gen1": 2 * LIST_LIMIT + 50}


@pytest.fixture(params=params())
def bench(request) -> Bench:
    return BENCHES[request.param](request)


@pytest.fixture
def datastore(bench):
    return bench.open()


def refusal(error: pytest.ExceptionInfo[UserError]) -> Diagnostic:
    return error.value.diagnostics[0]


class Chunks(io.RawIOBase):
    """Bytes that are made while they are read, and whose number is not known before."""

    def __init__(self, size: int, fails_at: int | None = None) -> None:
        super().__init__()
        self._left, self._fails_at, self._given = size, fails_at, 0
        self._block = hashlib.shake_256(b"x").digest(9973) * 107  # a prime number: a piece that is lost is seen
        self.largest = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        if self._fails_at is not None and self._given >= self._fails_at:
            raise OSError(5, "the disk of the source is broken")
        start = self._given % 9973
        count = min(size if size >= 0 else self._left, self._left, 1 << 20)
        self.largest = max(self.largest, count)
        self._left -= count
        self._given += count
        return self._block[start : start + count]


def digest_of(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def test_every_type_has_a_bench():
    assert set(BENCHES) == set(DATASTORES.names())


def test_what_is_written_can_be_read_listed_and_replaced(datastore):
    datastore.check()
    written = datastore.write("a/b c.txt", io.BytesIO(b"one"))
    assert datastore.open("a/b c.txt", written.identity).read() == b"one"
    datastore.write("a/ü/d.txt", io.BytesIO(b"two"))
    assert [entry.path for entry in datastore.list("a")] == ["a/b c.txt", "a/ü/d.txt"]
    assert [entry.path for entry in datastore.list("a", recursive=False)] == ["a/b c.txt", "a/ü"]
    assert [entry.path for entry in datastore.list("", recursive=False)] == ["a"]
    assert datastore.stat("a").is_folder
    assert datastore.stat("").is_folder
    assert not datastore.stat("a/b c.txt").is_folder
    before = folder_identity(datastore.list("a"), "a")
    datastore.write("a/b c.txt", io.BytesIO(b"three"))
    assert folder_identity(datastore.list("a"), "a") != before
    with pytest.raises(UserError) as error:
        datastore.open("a/b c.txt", written.identity)
    assert refusal(error).code == "datastore-file-changed"
    datastore.delete("a/b c.txt")
    datastore.delete("a/b c.txt")
    assert [entry.path for entry in datastore.list("a")] == ["a/ü/d.txt"]


def test_a_file_has_one_identity_whether_it_is_listed_or_asked_for(bench):
    written = bench.open().write("a/b", io.BytesIO(b"one"))
    assert written.identity.size == 3
    assert bench.open().stat("a/b") == written
    assert list(bench.open().list("a")) == [written]
    assert list(bench.open().list("a", recursive=False)) == [written]


def test_an_empty_file_is_a_file(datastore):
    written = datastore.write("empty", io.BytesIO(b""))
    assert written.identity.size == 0
    assert datastore.open("empty", written.identity).read() == b""


def test_names_are_what_they_are_or_refused(bench, datastore):
    refused = REFUSED_NAMES.get(bench.type, ())
    for name in refused:
        for ask in (datastore.open, datastore.stat, lambda name: datastore.write(name, io.BytesIO(b"x"))):
            with pytest.raises(UserError) as error:
                ask(name)
            assert refusal(error).code == "datastore-name"
    names = sorted({*ODD_NAMES} - {*refused})
    for name in names:
        datastore.write(name, io.BytesIO(name.encode()))
    assert [entry.path for entry in datastore.list("")] == names
    for name in names:
        assert datastore.open(name, datastore.stat(name).identity).read() == name.encode()


def test_a_folder_of_many_files_is_listed_as_a_whole(bench, datastore):
    count = FILES_OF_A_FOLDER.get(bench.type, 1000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: datastore.write(f"many/{number:04}", io.BytesIO(b"x")), range(count)))
    datastore.write("many-more/x", io.BytesIO(b"x"))
    expected = [f"many/{number:04}" for number in range(count)]
    assert [entry.path for entry in datastore.list("many")] == expected
    assert [entry.path for entry in datastore.list("many", recursive=False)] == expected


def test_64_mib_pass_in_both_directions_in_pieces(datastore):
    source = Chunks(64 << 20)
    written = datastore.write("large", source)
    assert written.identity.size == 64 << 20
    assert source.largest <= 1 << 20
    with datastore.open("large", written.identity) as stream:
        found = digest_of(iter(lambda: stream.read(1 << 20), b""))
    again = Chunks(64 << 20)
    assert found == digest_of(iter(lambda: again.read(1 << 20), b""))


@pytest.mark.parametrize("size", [100, 40 << 20])
def test_a_source_that_breaks_leaves_no_file_and_keeps_its_own_error(datastore, size):
    datastore.write("kept", io.BytesIO(b"old"))
    for path in ("new", "kept"):
        with pytest.raises(OSError, match="the disk of the source is broken"):
            datastore.write(path, Chunks(64 << 20, fails_at=size))
    assert [(entry.path, entry.identity.size) for entry in datastore.list("")] == [("kept", 3)]
    assert datastore.open("kept").read() == b"old"


def test_a_path_that_is_not_there_is_an_error_that_names_it(datastore):
    datastore.write("no/other", io.BytesIO(b"x"))
    for ask in (datastore.stat, datastore.open, datastore.list):
        with pytest.raises(UserError) as error:
            ask("no/such")
        assert refusal(error).code == "datastore-path-missing"
        assert f"{datastore.location}/no/such" in refusal(error).message


def test_a_folder_is_not_a_file_and_a_file_is_not_a_folder(datastore):
    datastore.write("folder/file", io.BytesIO(b"x"))
    with pytest.raises(UserError) as error:
        datastore.open("folder")
    assert refusal(error).code == "datastore-not-a-file"
    for recursive in (True, False):
        with pytest.raises(UserError) as error:
            datastore.list("folder/file", recursive=recursive)
        assert refusal(error).code == "datastore-not-a-folder"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a//b", "a/./b", "x/.."])
def test_a_path_never_leaves_the_datastore(datastore, path):
    for ask in (datastore.open, datastore.stat, datastore.list, datastore.delete):
        with pytest.raises(UserError) as error:
            ask(path)
        assert refusal(error).code == "path-outside"
    with pytest.raises(UserError) as error:
        datastore.write(path, io.BytesIO(b"x"))
    assert refusal(error).code == "path-outside"


def test_threads_share_a_datastore(datastore):
    start = threading.Barrier(8)

    def work(number: int) -> bytes:
        start.wait()
        for step in range(5):
            datastore.write(f"t{number}/{step}", io.BytesIO(b"%d" % number * 1000))
        datastore.write("shared", io.BytesIO(b"%d" % number * 1000))
        return datastore.open(f"t{number}/4").read()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [b"%d" % number * 1000 for number in range(8)]
    assert len(set(datastore.open("shared").read())) == 1
    assert len(list(datastore.list(""))) == 41
