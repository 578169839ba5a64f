"""The progress of transfers between this machine and a storage service, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from reconciler.abbreviation import format_size, pluralize


class TransferProgress(NamedTuple):
    """How far the transfers that one call needs are; ``done`` and ``size`` are in bytes.

    Without files it is what a transfer waits for.
    """

    verb: str
    """What is done: ``uploading``, ``downloading``, ``comparing``, or waited for; "" if the display's title says it."""
    files: int
    total_files: int
    done: int
    size: int

    def __str__(self) -> str:
        """Return it in words: ``uploading 3 of 10 files, 12.0 MB of 40.0 MB``."""
        noun = pluralize(self.total_files, "file").partition(" ")[2]
        files = f"{self.files:,} of {self.total_files:,} {noun}"
        return f"{self.verb} {files}, {format_size(self.done)} of {format_size(self.size)}".lstrip()


class RunningTransfer(NamedTuple):
    """How far a transfer is, and for how many seconds it has gone on."""

    progress: TransferProgress
    seconds: float

    def __str__(self) -> str:
        """Return it in words: ``uploading 3 of 10 files, 12.0 MB of 40.0 MB, 4.0 MB/s``; of waiting, for what."""
        if not self.progress.total_files:
            return self.progress.verb
        rate = format_size(round(self.progress.done / self.seconds)) if self.seconds else "0 B"
        return f"{self.progress}, {rate}/s"


ReadTransfer = Callable[[], RunningTransfer]
"""Returns how far a transfer is by now."""

OnTransfer = Callable[[TransferProgress], None]
"""Called with the progress of transfers, often and in any thread, by one thread at a time."""

_LISTENER: ContextVar[OnTransfer | None] = ContextVar("transfers", default=None)


@contextmanager
def listen_to_transfers(on_transfer: OnTransfer) -> Iterator[None]:
    """Have a function called with the progress of all transfers that this thread starts until the block ends."""
    token = _LISTENER.set(on_transfer)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def transfer_listener() -> OnTransfer:
    """Return what this thread has called with the progress of transfers."""
    return _LISTENER.get() or (lambda _progress: None)
