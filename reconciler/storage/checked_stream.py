"""A stream of the object store whose end is an error unless all of its bytes are those that were stored."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

from reconciler.diagnostics import user_error
from reconciler.model.content import Content

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class CheckedStream(io.RawIOBase):
    """The bytes of the file that a content is, read once from its start.

    ``location`` is what the error calls it. Reading to the end raises UserError ``content-corrupt`` for other bytes.
    """

    def __init__(self, stream: BinaryIO, content: Content, location: str) -> None:
        super().__init__()
        self._stream = stream
        self._content = content
        self._location = location
        self._sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        chunk = self._stream.read(len(view))
        self._sha256.update(chunk)
        if not chunk and len(view):
            self._check()
        view[: len(chunk)] = chunk
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    def _check(self) -> None:
        if self._sha256.hexdigest() != self._content.sha256:
            message = f"{self._location} is not as it was written: the object {self._content.digest} has other bytes"
            hint = "`mlgit verify` says what else is damaged; write the file again, or restore the store from a copy"
            raise user_error("content-corrupt", message, hint)
