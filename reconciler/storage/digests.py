"""The digests of bytes, computed in one pass: both at once, on two cores, where there is more than a chunk of them."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import BinaryIO, NamedTuple

CHUNK_SIZE = 1 << 20
_WAITING_CHUNKS = 4


class Digests(NamedTuple):
    """The digests and the size of some bytes, computed in one pass."""

    md5: str
    sha256: str
    size: int


def compute_digests(stream: BinaryIO, on_chunk: Callable[[bytes], object] = len, start: bytes = b"") -> Digests:
    """Return the digests of a stream, read once; `on_chunk` is called with each chunk, first with ``start``."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    chunk = start or stream.read(CHUNK_SIZE)
    with _in_background(md5.update) if len(chunk) >= CHUNK_SIZE else nullcontext(md5.update) as update_md5:
        while chunk:
            update_md5(chunk)
            sha256.update(chunk)
            on_chunk(chunk)
            size += len(chunk)
            chunk = stream.read(CHUNK_SIZE)
    return Digests(md5.hexdigest(), sha256.hexdigest(), size)


def read_chunk(stream: BinaryIO) -> bytes:
    """Return the next bytes of a stream; fewer than a chunk only at its end."""
    chunk = stream.read(CHUNK_SIZE)
    while 0 < len(chunk) < CHUNK_SIZE and (rest := stream.read(CHUNK_SIZE - len(chunk))):
        chunk += rest
    return chunk


@contextmanager
def _in_background(update: Callable[[bytes], object]) -> Iterator[Callable[[bytes], object]]:
    """Yield what calls a function with each chunk in a thread; all calls have ended afterwards."""
    # A signal may raise an exception anywhere in this thread: a `queue.Queue` could keep its lock then, and the end
    # would never end. The operations of a `SimpleQueue` are done or not.
    chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    free: queue.SimpleQueue[None] = queue.SimpleQueue()
    for _ in range(_WAITING_CHUNKS):
        free.put(None)

    def work() -> None:
        while chunk := chunks.get():
            update(chunk)
            free.put(None)

    def put(chunk: bytes) -> None:
        free.get()
        chunks.put(chunk)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield put
    finally:
        chunks.put(b"")
        thread.join()
