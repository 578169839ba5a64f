"""Work spread over all cores, by processes that inherit what this one knows and heed no signal that is meant for it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import Any

_HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def fork_pool(begin: Callable[..., None], *given: Any) -> Iterator[Pool]:
    """Give a pool of processes, one for each core, in each of which ``begin`` was called with what is given.

    Whoever ends this process by a signal leaves it to end them, and they say nothing of it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED_SIGNALS)  # until each has let go of our handlers
    try:
        pool = multiprocessing.get_context("fork").Pool(core_count(), _start_worker, [begin, *given])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with pool:
        yield pool
        pool.close()
        pool.join()


def _start_worker(begin: Callable[..., None], *given: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which a pool that breaks off ends its processes
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED_SIGNALS)
    begin(*given)
