"""Stores to test: each that is found by name, new and empty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.model.object_store import ObjectStore
from reconciler.storage.folder_store import FolderStore


@dataclass
class FolderBench:
    """A store in a folder."""

    root: Path

    def open(self) -> ObjectStore:
        """Open the store once more, as another process would."""
        return FolderStore(self.root)

    def damage(self, digest: str, data: bytes | None) -> None:
        """Give an object other bytes, or remove it."""
        path = self.root / "files" / "md5" / digest[:2] / digest[2:]
        path.chmod(0o644)
        path.unlink() if data is None else path.write_bytes(data)

    def is_empty(self) -> bool:
        return not self.root.exists()


@pytest.fixture(params=["folder"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> FolderBench:
    return FolderBench(tmp_path / "store")


@pytest.fixture
def store(bench: FolderBench) -> ObjectStore:
    return bench.open()
