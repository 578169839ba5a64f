"""Blobs as streams, one after another, through one ``git cat-file --batch``: no blob is in memory as a whole."""

from __future__ import annotations

import io
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

from reconciler.git.command import STREAMING_OPTIONS, start_git
from reconciler.git.objects import AnswerStream, parse_header
from reconciler.git.process import end_group
from reconciler.git.repository import Repository
from reconciler.git.trees import MissingObjectError


class BlobReader:
    """Opens blobs of a repository, one at a time. Use it in a ``with`` block."""

    def __init__(self, repository: Repository) -> None:
        command = [*STREAMING_OPTIONS, "cat-file", "--batch"]
        self._process = start_git(command, repository.top, env=repository.objects_env, has_stderr=False)
        self._questions: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        self._answers = AnswerStream(self._process.stdout.fileno())  # type: ignore[union-attr]
        self._unread = 0  # bytes of the blob that was opened last, with the line feed after it

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        end_group(self._process)  # with what fetches objects of a partial clone
        self._process.communicate()

    def open(self, oid: str) -> BinaryIO:
        """Return a blob as a stream, which ends where the next one is opened. Raises MissingObjectError."""
        try:
            self._answers.skip(self._unread)
            self._unread = 0
            self._questions.write(f"{oid}\n".encode())
            self._questions.flush()
            header = parse_header(self._answers.read_line())
        except (EOFError, BrokenPipeError) as error:
            raise MissingObjectError(oid) from error
        if header is None:
            raise MissingObjectError(oid)
        self._unread = header.size + 1
        return cast("BinaryIO", io.BufferedReader(_Blob(self, oid)))

    def read_some(self, oid: str, size: int) -> bytes:
        """Return the next bytes of the open blob, b"" at its end. Raises MissingObjectError if Git cannot read it."""
        try:
            chunk = self._answers.read_some(min(size, self._unread - 1)) if self._unread > 1 else b""
        except EOFError as error:  # Git gives up on an object that is damaged
            raise MissingObjectError(oid) from error
        self._unread -= len(chunk)
        return chunk


class _Blob(io.RawIOBase):
    """The blob that a reader has open."""

    def __init__(self, reader: BlobReader, oid: str) -> None:
        self._reader = reader
        self._oid = oid

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        chunk = self._reader.read_some(self._oid, len(view))
        view[: len(chunk)] = chunk
        return len(chunk)
