"""Blobs as streams: each has its bytes, however much of the one before was read."""

from __future__ import annotations

import os

import pytest
from workspaces import git, has_ended

from reconciler.git.blob_reader import BlobReader
from reconciler.git.repository import open_repository
from reconciler.git.trees import MissingObjectError

SIZES = (0, 1, 5, (1 << 16) - 1, 1 << 16, (1 << 20) + 1, (5 << 20) + 3)


@pytest.fixture
def blobs(tmp_path):
    """Commit files of several sizes; return the bytes by object ID."""
    git(tmp_path, "init", "--quiet")
    names = {}
    for size in SIZES:
        (tmp_path / str(size)).write_bytes(os.urandom(size))
        names[git(tmp_path, "hash-object", "-w", str(size))] = (tmp_path / str(size)).read_bytes()
    return names


@pytest.fixture
def repository(blobs, tmp_path):
    repository = open_repository(tmp_path)
    yield repository
    repository.close()


@pytest.mark.parametrize("packed", [False, True])
def test_each_blob_is_read_as_it_is(repository, blobs, packed):
    if packed:
        git(repository.top, "add", "--all")
        git(repository.top, "commit", "--quiet", "-m", "start")
        git(repository.top, "gc", "--quiet")
    with BlobReader(repository) as reader:
        assert {oid: reader.open(oid).read() for oid in (*blobs, *reversed(blobs))} == blobs


@pytest.mark.parametrize("size", [0, 1, 100, 1 << 17])
def test_a_blob_that_is_left_in_the_middle_does_not_disturb_the_next(repository, blobs, size):
    with BlobReader(repository) as reader:
        for oid, data in [*blobs.items(), *blobs.items()]:
            assert reader.open(oid).read(size) == data[:size]


def test_the_process_ends_with_the_reader_also_in_the_middle_of_a_blob(repository, blobs):
    with BlobReader(repository) as reader:
        reader.open(list(blobs)[-1]).read(10)
        assert not has_ended(reader._process.pid)
    assert has_ended(reader._process.pid)


@pytest.mark.parametrize("name", ["0" * 40, "no object", ""])
def test_an_object_that_does_not_exist_is_an_error_and_the_next_is_read(repository, blobs, name):
    with BlobReader(repository) as reader:
        with pytest.raises(MissingObjectError):
            reader.open(name)
        assert {oid: reader.open(oid).read() for oid in blobs} == blobs


def test_an_object_that_is_damaged_is_an_error_and_no_shorter_blob(repository, blobs):
    oid = list(blobs)[-1]
    path = repository.top / ".git/objects" / oid[:2] / oid[2:]
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[: len(data) // 2])
    with BlobReader(repository) as reader, pytest.raises(MissingObjectError):
        reader.open(oid).read()
