"""Transfers of many files at once: a bounded number of threads, and a bounded number of bytes in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from reconciler.model.transfers import OnTransfer, TransferProgress, transfer_listener

T = TypeVar("T")
R = TypeVar("R")

_BUDGET_BLOCKS = 12  # in memory at once, each of the size of one request
_MAX_CONCURRENCY = 8  # requests of one file at once


class Transfer(NamedTuple):
    """An object to transfer: its key and its size in bytes."""

    key: str
    size: int


class TransferPool:
    """Does transfers in ``jobs`` threads; with ``block`` bytes a request, large files take turns."""

    def __init__(self, jobs: int, block: int = 1 << 20) -> None:
        self._jobs = jobs
        self._block = block
        self._free = _BUDGET_BLOCKS
        self._changed = threading.Condition()

    def map(self, call: Callable[[T], R], values: Iterable[T]) -> list[R]:
        """Return what a function returns for each value, called in threads; the first error ends it."""
        items = list(values)
        if len(items) <= 1 or self._jobs == 1:
            return [call(item) for item in items]
        pool = ThreadPoolExecutor(min(self._jobs, len(items)))
        try:
            futures = [pool.submit(call, item) for item in items]
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((future for future in futures if future.done() and future.exception()), None)
            return [future.result() for future in ([failed] if failed else futures)]
        finally:
            pool.shutdown(cancel_futures=True)

    def run(
        self,
        call: Callable[[Transfer, int, Callable[[int], None]], object],
        transfers: Sequence[Transfer],
        verb: str,
    ) -> None:
        """Do all transfers: a function gets each, how many requests it may have at once, and what to tell its bytes.

        The first error stops those that have not begun, and is raised when the others have ended.
        """
        meter = _Meter(verb, len(transfers), sum(transfer.size for transfer in transfers), transfer_listener())
        share = max(2, _BUDGET_BLOCKS // max(1, min(self._jobs, len(transfers))))

        def transfer_one(transfer: Transfer) -> None:
            blocks = -(-transfer.size // self._block) or 1
            concurrency = min(blocks, share, _MAX_CONCURRENCY)
            with self._reserve(concurrency):
                call(transfer, concurrency, meter.add_bytes)
            meter.end_file()

        self.map(transfer_one, transfers)

    @contextmanager
    def _reserve(self, blocks: int) -> Iterator[None]:
        """Wait until so many blocks may be in memory."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= blocks)
            self._free -= blocks
        try:
            yield
        finally:
            with self._changed:
                self._free += blocks
                self._changed.notify_all()


class _Meter:
    """Counts the files and bytes that are done, for all threads."""

    def __init__(self, verb: str, files: int, size: int, on_transfer: OnTransfer) -> None:
        self._progress = TransferProgress(verb, 0, files, 0, size)
        self._on_transfer = on_transfer
        self._mutex = threading.Lock()

    def add_bytes(self, count: int) -> None:
        with self._mutex:
            self._progress = self._progress._replace(done=self._progress.done + count)
            self._on_transfer(self._progress)

    def end_file(self) -> None:
        with self._mutex:
            self._progress = self._progress._replace(files=self._progress.files + 1)
            self._on_transfer(self._progress)
