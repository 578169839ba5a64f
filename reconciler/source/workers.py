"""A pool of forked processes that inherit the memory of this one and ignore the signals that are meant for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import Any

_HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def core_count() -> int:
    """Return how many cores this process may use; on systems that do not say so, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count() -> int:
    """Return how many processes to work in: 1 on systems other than Linux, where forking may be unsafe or missing."""
    return core_count() if sys.platform == "linux" else 1


@contextmanager
def fork_pool(init: Callable[..., None], *arguments: Any) -> Iterator[Pool]:
    """Provide a pool of one process for each core; each calls ``init`` with the arguments when it starts.

    A signal that ends this process ends the pool too; its processes print nothing.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED_SIGNALS)  # until each process has dropped our handlers
    try:
        pool = multiprocessing.get_context("fork").Pool(core_count(), _start_worker, [init, *arguments])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    with pool:
        yield pool
        pool.close()
        pool.join()


def _start_worker(init: Callable[..., None], *arguments: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # with which a pool that is aborted ends its processes
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED_SIGNALS)
    init(*arguments)
