"""The cache of a node: contents are checked by their sha256, and what was right is read once."""

from __future__ import annotations

import os
from io import BytesIO

import pytest
from md5_collision import MD5, OTHER, STORED

from reconciler.backends import _node_store
from reconciler.backends._node_store import NodeStore
from reconciler.model.content import Content, ContentFile, UploadFile
from reconciler.storage.digests import compute_digests
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.fast
PLAIN, EXECUTABLE = 0o100644, 0o100755


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two files, one of them a script, and a list of them as a submission has it."""
    store = FolderStore(tmp_path / "store")
    files = [UploadFile("a.csv", PLAIN, lambda: BytesIO(STORED)), UploadFile("b", EXECUTABLE, lambda: BytesIO(b"#!"))]
    content = store.put(files)
    return content, store.manifest(content)


@pytest.fixture
def read(monkeypatch):
    """Return a list that grows by one for each object that is read to be checked."""
    times: list[int] = []
    monkeypatch.setattr(_node_store, "compute_digests", lambda stream: times.append(1) or compute_digests(stream))
    return times


def open_node(tmp_path, folder, arrived=None) -> NodeStore:
    node = NodeStore(tmp_path / "node", arrived)
    content, files = folder
    node.manifests[content] = files
    return node


def receive(node: NodeStore, folder, data: bytes = STORED) -> None:
    for file in folder[1]:
        node.put_object(file.digest, BytesIO(b"#!" if file.path == "b" else data))


def test_what_arrived_is_not_read_to_be_checked_nor_is_what_was_right_before(tmp_path, folder, read):
    arrived: dict[str, tuple[int, int, int, int, str]] = {}
    receive(open_node(tmp_path, folder, arrived), folder)
    assert open_node(tmp_path, folder, arrived).find_wrong([folder[0]]) == []
    assert open_node(tmp_path, folder).find_wrong([folder[0]]) == []
    assert read == []


def test_what_another_process_received_or_was_touched_is_read_once(tmp_path, folder, read):
    receive(open_node(tmp_path, folder), folder)
    for _ in range(2):
        assert open_node(tmp_path, folder).find_wrong([folder[0]]) == []
    assert len(read) == 2
    os.utime(open_node(tmp_path, folder).object_files.object_path(MD5))
    for _ in range(2):
        assert open_node(tmp_path, folder).find_wrong([folder[0]]) == []
    assert len(read) == 3


def test_the_sha256_of_what_arrived_does_not_count_for_other_bytes_that_are_there(tmp_path, folder):
    """Two files have one md5: the one that is there stays, and is not the one that has arrived."""
    arrived: dict[str, tuple[int, int, int, int, str]] = {}
    receive(open_node(tmp_path, folder), folder, OTHER)
    node = open_node(tmp_path, folder, arrived)
    receive(node, folder)
    assert node.object_files.object_path(MD5).read_bytes() == OTHER
    assert node.find_wrong([folder[0]]) == [folder[0]]
    assert not node.object_files.object_path(MD5).exists()
    receive(node, folder)
    assert node.find_wrong([folder[0]]) == []


def test_modes_that_others_changed_are_wrong_and_objects_that_were_right_stay(tmp_path, folder):
    content, files = folder
    node = open_node(tmp_path, folder, {})
    receive(node, folder)
    assert node.find_wrong([content]) == []
    node.manifests[content] = tuple(file._replace(mode=EXECUTABLE) for file in files)
    assert node.find_wrong([content]) == [content]
    assert all(node.object_files.object_path(file.digest).exists() for file in files)


def test_objects_of_a_right_content_stay_beside_a_wrong_one_of_the_same_submission(tmp_path, folder):
    node = open_node(tmp_path, folder, {})
    receive(node, folder)
    wrong = Content(MD5, "0" * 64, len(STORED), 1, "a.csv")
    node.manifests[wrong] = (ContentFile("a.csv", PLAIN, MD5),)
    assert node.find_wrong([folder[0], wrong]) == [wrong]
    assert node.object_files.object_path(MD5).exists()
