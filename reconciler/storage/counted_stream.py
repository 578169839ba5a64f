"""A stream that counts the bytes that are read from it, for a progress display."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO


class CountedStream(io.BufferedReader):
    """The bytes of another stream; ``report`` is called with how many were read so far."""

    def __init__(self, stream: BinaryIO, report: Callable[[int], object]) -> None:
        self._counter = _Counter(stream, report)
        super().__init__(self._counter, buffer_size=1 << 20)

    @property
    def count(self) -> int:
        """How many bytes were read."""
        return self._counter.count


class _Counter(io.RawIOBase):
    def __init__(self, stream: BinaryIO, report: Callable[[int], object]) -> None:
        super().__init__()
        self._stream = stream
        self._report = report
        self.count = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = self._stream.seek(offset, whence)
        self.count = position  # what a driver sends again counts once
        return position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.count += len(chunk)
        self._report(self.count)
        return len(chunk)
