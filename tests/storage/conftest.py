"""Stores to test: each that is found by name and a remote one, new and empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from remote.object_store import RemoteBench

from reconciler.model.object_store import ObjectStore
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.stores import STORES


class Bench(Protocol):
    """A store, and what a test can do to it."""

    def open(self) -> ObjectStore:
        """Open the store once more, as another process would."""
        ...

    def damage(self, digest: str, data: bytes | None) -> None:
        """Give an object other bytes, or remove it."""
        ...

    def is_empty(self) -> bool:
        """Return True if nothing was made for the store."""
        ...

    def stop(self) -> None:
        """End what the test started."""
        ...


@dataclass
class FolderBench:
    """A store in a folder."""

    root: Path

    def open(self) -> ObjectStore:
        return FolderStore(self.root)

    def damage(self, digest: str, data: bytes | None) -> None:
        path = self.root / "files" / "md5" / digest[:2] / digest[2:]
        path.chmod(0o644)
        path.unlink() if data is None else path.write_bytes(data)

    def is_empty(self) -> bool:
        return not self.root.exists()

    def stop(self) -> None:
        """Do nothing: no process serves a folder."""


# A store that is found by name needs a bench here: a service to start, and how an object of it is damaged.
BENCHES: dict[str, Callable[[Path], Bench]] = {"folder": FolderBench, "remote": RemoteBench}


@pytest.fixture(params=sorted({*STORES.names(), "remote"}))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = BENCHES[request.param](tmp_path / "store")
    yield bench
    bench.stop()


@pytest.fixture
def store(bench: Bench) -> ObjectStore:
    return bench.open()
