"""Stores to test: each that is found by name and a remote one, new and empty."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import botocore.retries.standard
import botocore.retryhandler
import pytest
from remote.object_store import RemoteBench
from remote.url_store import SERVICES, UrlBench
from s3fs import S3FileSystem

from reconciler.model.object_store import ObjectStore
from reconciler.storage import _remote_removal
from reconciler.storage.datastores import _azure_client
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.stores import STORES

RETRY_SECONDS = 0.05


@pytest.fixture(autouse=True)
def _short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the drivers of services try again as often as they do, but for s3fs itself, after hardly any time.

    What they wait between tries is seconds, and s3fs tries all tries of its client five times.
    """
    monkeypatch.setattr(_azure_client._Retry, "get_backoff_time", lambda *_: RETRY_SECONDS)
    monkeypatch.setattr(botocore.retryhandler, "delay_exponential", lambda *_args, **_options: RETRY_SECONDS)
    monkeypatch.setattr(botocore.retries.standard.ExponentialBackoff, "delay_amount", lambda *_: RETRY_SECONDS)
    monkeypatch.setattr(S3FileSystem, "retries", 2)


class Bench(Protocol):
    """A store, and what a test can do to it."""

    def open(self) -> ObjectStore:
        """Open the store once more, as another process would."""
        ...

    def damage(self, digest: str, data: bytes | None) -> None:
        """Give an object other bytes, or remove it."""
        ...

    def age(self) -> float:
        """Make all objects old; return a time that all of them are older than."""
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

    def age(self) -> float:
        now = time.time()
        for path in (self.root / "files" / "md5").rglob("*"):
            if path.is_file():
                os.utime(path, (now - 7200, now - 7200))
        return now - 3600

    def is_empty(self) -> bool:
        return not self.root.exists()

    def stop(self) -> None:
        """Do nothing: no process serves a folder."""


# A store that is found by name needs a bench here: a service to start, and how an object of it is damaged.
BENCHES: dict[str, Callable[[Path], Bench]] = {"folder": FolderBench, "remote": RemoteBench}
NAMES = {*STORES.names(), "remote"} - {"url"}


@pytest.fixture(params=[*sorted(NAMES), *(pytest.param(name, marks=pytest.mark.services) for name in SERVICES)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param in SERVICES:
        bench = make_service_bench(request, request.param, tmp_path / "store")
    else:
        bench = BENCHES[request.param](tmp_path / "store")
    yield bench
    bench.stop()


@pytest.fixture(params=SERVICES)
def url_bench(request: pytest.FixtureRequest, tmp_path: Path) -> UrlBench:
    """Return a store on a storage service."""
    return make_service_bench(request, request.param, tmp_path / "store")


@pytest.fixture
def url_bench_s3(request: pytest.FixtureRequest, tmp_path: Path) -> UrlBench:
    """Return a store on S3."""
    return make_service_bench(request, "s3", tmp_path / "store")


def make_service_bench(request: pytest.FixtureRequest, name: str, folder: Path) -> UrlBench:
    """Return a bench of the service of a name, which is started if it does not run."""
    fixture, make_bench = SERVICES[name]
    return make_bench(request.getfixturevalue(fixture), folder)


@pytest.fixture
def removing_bench(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a store whose objects get old within a test: on a service, nothing counts as stored just now."""
    if isinstance(bench, UrlBench):
        monkeypatch.setattr(_remote_removal, "FRESH_SECONDS", 0.0)
    return bench


@pytest.fixture
def removing_store(removing_bench: Bench) -> ObjectStore:
    return removing_bench.open()


@pytest.fixture
def store(bench: Bench) -> ObjectStore:
    return bench.open()
