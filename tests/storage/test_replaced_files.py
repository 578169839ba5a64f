"""A file of a datastore of every workspace is there whenever the process is killed that replaces it."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from reconciler.storage.datastores._object_store import ObjectStoreDatastore
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow


_WRITER = """
import io, sys
from pathlib import Path
from reconciler.storage.datastores._object_store import ObjectStoreDatastore
from reconciler.storage.folder_store import FolderStore

datastore = ObjectStoreDatastore(FolderStore(Path(sys.argv[1])), "workspaceblobstore")
print("ready", flush=True)
while True:
    for text in (b"old", b"new"):
        datastore.write("raw/a.csv", io.BytesIO(text * 1000))
"""


def test_a_file_that_is_replaced_is_there_whenever_its_writer_is_killed(tmp_path):
    datastore = ObjectStoreDatastore(FolderStore(tmp_path / "store"), "workspaceblobstore")
    datastore.write("raw/a.csv", io.BytesIO(b"old" * 1000))
    for number in range(8):
        command = [sys.executable, "-c", _WRITER, str(tmp_path / "store")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            try:
                assert writer.stdout.readline() == b"ready\n"
                end = time.monotonic() + 0.05 + number / 100
                while time.monotonic() < end:
                    assert datastore.stat("raw/a.csv").identity.size == 3000
            finally:
                writer.kill()
        with datastore.open("raw/a.csv") as stream:
            assert stream.read() in {b"old" * 1000, b"new" * 1000}
        assert [entry.path for entry in datastore.list("raw")] == ["raw/a.csv"]
