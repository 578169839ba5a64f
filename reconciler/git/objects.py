"""Objects read through ``git cat-file --batch-command``, one process that stays open for all questions."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from reconciler.git.command import run_git, start_git
from reconciler.git.process import NETWORK_TIMEOUT_VARIABLE, local_timeout_error, timeout_seconds

_CHUNK_BYTES = 1 << 20
_CONTENTS, _INFO = b"contents", b"info"
_NO_OBJECT = "0" * 40
_MAX_PENDING_BYTES = 2048  # of questions asked at once: below any pipe's capacity, so that asking never blocks


class GitObject(NamedTuple):
    """An object of Git: ``content`` is b"" where only the header was asked for."""

    oid: str
    type: str
    size: int
    content: bytes


_ReadAnswer = Callable[["AnswerStream"], GitObject | None]


@dataclass(slots=True)
class ObjectReader:
    """Answers questions for objects by any name that Git resolves: an object id, ``HEAD``, ``REVISION:PATH``.

    Threads may share a reader.
    """

    folder: Path
    env: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = None
    _answers: AnswerStream | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def read_all(self, names: Sequence[str], max_bytes: int | None = None) -> list[GitObject | None]:
        """Return the object of each name, None where there is none or Git cannot read it.

        A content that is longer than ``max_bytes`` is cut off, one byte beyond.
        """
        return self._read_all(_CONTENTS, names, lambda answers: _read_answer(answers, max_bytes))

    def read_headers(self, names: Sequence[str]) -> list[GitObject | None]:
        """Return the object of each name without its content, None where there is none or Git cannot read it."""
        return self._read_all(_INFO, names, lambda answers: parse_header(answers.read_line()))

    def _read_all(self, command: bytes, names: Sequence[str], read: _ReadAnswer) -> list[GitObject | None]:
        answers: list[GitObject | None] = []
        with self._lock:
            try:
                for batch in _split_questions(command, names):
                    answers += self._ask(batch, read)
            except BaseException:
                self.close()  # or the rest of an answer would be taken for the next one, after Ctrl-C
                raise
        return answers

    def close(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with what fetches objects of a partial clone
            process.communicate()

    def _ask(self, questions: Sequence[bytes], read: _ReadAnswer) -> list[GitObject | None]:
        if self._process is None:
            self._process = start_git(["cat-file", "--batch-command"], self.folder, env=self.env, has_stderr=False)
            self._answers = AnswerStream(self._process.stdout.fileno())  # type: ignore[union-attr]
        try:
            stdin: IO[bytes] = self._process.stdin  # type: ignore[assignment]
            stdin.write(b"".join(questions))
            stdin.flush()
            answers: AnswerStream = self._answers  # type: ignore[assignment]
            return [read(answers) for _ in questions]
        except (EOFError, BrokenPipeError):  # Git gives up on an object that is damaged
            self.close()
            return [None] if len(questions) == 1 else [self._ask([question], read)[0] for question in questions]


def _split_questions(command: bytes, names: Iterable[str]) -> Iterable[list[bytes]]:
    """Yield the questions for names in batches of which each fits into a pipe."""
    batch: list[bytes] = []
    size = 0
    for name in names:
        question = command + b" " + _question(name)
        if batch and size + len(question) > _MAX_PENDING_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(question)
        size += len(question)
    if batch:
        yield batch


def _question(name: str) -> bytes:
    """Return the line that asks for a name; a name that is no line asks for an object that no repository has."""
    asked = _NO_OBJECT if not name or "\n" in name or "\0" in name else name
    return asked.encode("utf-8", "surrogateescape") + b"\n"


class AnswerStream:
    """The answers of a Git process, each of which comes within a deadline. Raises EOFError at their end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._seconds = timeout_seconds(NETWORK_TIMEOUT_VARIABLE)  # a partial clone fetches what it does not have

    def read_line(self) -> bytes:
        """Return the next line without its line feed."""
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill()
        return self._take(end + 1)[:-1]

    def read(self, size: int) -> bytes:
        """Return as many bytes."""
        while len(self._buffer) < size:
            self._fill()
        return self._take(size)

    def read_some(self, size: int) -> bytes:
        """Return bytes as soon as there are any, as many at most."""
        if not self._buffer:
            self._fill()
        return self._take(min(size, len(self._buffer)))

    def skip(self, size: int) -> None:
        """Leave out as many bytes, of which no more than a chunk is in memory at a time."""
        while len(self._buffer) < size:
            size -= len(self._buffer)
            self._buffer.clear()
            self._fill()
        del self._buffer[:size]

    def _take(self, size: int) -> bytes:
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    def _fill(self) -> None:
        if not self._poll.poll(self._seconds * 1000):
            raise local_timeout_error(self._seconds)
        chunk = os.read(self._descriptor, _CHUNK_BYTES)
        if not chunk:
            raise EOFError
        self._buffer += chunk


def _read_answer(answers: AnswerStream, max_bytes: int | None) -> GitObject | None:
    parsed = parse_header(answers.read_line())
    if parsed is None:
        return None
    kept_size = parsed.size if max_bytes is None else min(parsed.size, max_bytes + 1)
    content = answers.read(kept_size)
    answers.skip(parsed.size - kept_size + 1)  # with the line feed after the content
    return parsed._replace(content=content)


def parse_header(header: bytes) -> GitObject | None:
    """Read ``<oid> <type> <size>``; None for ``<name> missing`` and ``<name> ambiguous``."""
    oid, _, rest = header.decode("utf-8", "surrogateescape").rstrip("\n").partition(" ")
    object_type, _, size = rest.partition(" ")
    return GitObject(oid, object_type, int(size), b"") if size.isdecimal() else None


def read_many_objects(folder: Path, env: Mapping[str, str], names: Sequence[str]) -> list[GitObject | None]:
    """Return the object of each name, as ObjectReader does, through a process of their own: quicker for many."""
    questions = b"".join(map(_question, names))
    output = run_git(["cat-file", "--batch", "--buffer"], folder, env=env, stdin=questions)
    answers: list[GitObject | None] = []
    position = 0
    while position < len(output):
        header_end = output.index(b"\n", position)
        answer = parse_header(output[position:header_end])
        position = header_end + 1
        if answer is not None:
            answer = answer._replace(content=output[position : position + answer.size])
            position += answer.size + 1
        answers.append(answer)
    return answers
