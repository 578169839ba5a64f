"""A channel to the program of a node: what every one can do, and one to a process of this machine."""

from __future__ import annotations

import os
import subprocess
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, Protocol, cast

from reconciler.backends._node_messages import (
    NEEDED,
    READY,
    TOO_OLD,
    Message,
    MessageError,
    encode_message,
    raise_error,
    read_message,
)
from reconciler.backends._node_program import build_program, program_command
from reconciler.diagnostics import UserError, user_error

_MAX_GREETING = 1 << 16
MAX_WORDS = 300  # characters of what a program has written last


class Channel(ABC):
    """One process of the program on the node: a request and its answer at a time."""

    prefix = ""
    """What the errors that the node sends begin with."""

    def ask(self, document: Mapping[str, Any]) -> Any:
        """Send a request and return its answer; raises UserError if it is one."""
        self.send([Message(document)])
        return self.receive_answer().document

    @abstractmethod
    def send(self, messages: Iterable[Message]) -> None:
        """Send messages; the node reads them as they come."""

    @abstractmethod
    def receive(self) -> Message:
        """Return the next message; raises EOFError if the program has ended, MessageError if it is none."""

    def receive_answer(self) -> Message:
        """Return the next message, whose document is an object; raises UserError if it is an error."""
        message = self.receive()
        try:
            raise_error(message.document)
        except UserError as error:
            named = (item._replace(message=f"{self.prefix}{item.message}") for item in error.diagnostics)
            raise UserError(*named) from None
        return message

    @abstractmethod
    def close(self) -> None:
        """End the program."""


class Connection(Protocol):
    """A way to the program of a node."""

    def channel(self) -> AbstractContextManager[Channel]:
        """Yield a channel that nothing else uses; raises UserError ``backend-unreachable`` if it breaks."""
        ...


def unusable_program(place: str, words: str) -> UserError:
    """Return the error of a program that could not be started, with what was last written to stderr."""
    message = f"the program of mlgit could not be started on {place}: {words or 'it ended without a message'}"
    hint = "python: of the backend names a Python 3.11 or newer of that machine, folder: one that its user can write"
    return user_error("backend-program", message, hint)


def old_python(place: str, version: str) -> UserError:
    """Return the error of a machine whose Python is too old."""
    message = f"{place} has Python {version}, and a run needs 3.11 or newer"
    return user_error("backend-program", message, "name another one of that machine with python: in mlgit.yml")


def ended_program(place: str, words: str) -> UserError:
    """Return the error of a program that has ended while it was asked: a fault of ours."""
    message = f"the program of mlgit on {place} ended: {words or 'without a message'}"
    return user_error("backend-program", message, "report this as a bug")


class _ProcessChannel(Channel):
    """A channel to a process of this machine."""

    def __init__(self, enter: Sequence[str], python: str, folder: str, opening: Mapping[str, Any]) -> None:
        self.enter = enter
        self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [*enter, "/bin/sh", "-c", program_command(python, folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is for mlgit, which ends it in its own way
        )
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        self._place = os.uname().nodename
        try:
            self._start(opening)
        except BaseException:
            self.close()
            raise

    def send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._write(encode_message(*message))

    def receive(self) -> Message:
        message = read_message(self._answers)
        if message is None:
            raise ended_program(self._place, self._last_words())
        return message

    def close(self) -> None:
        for stream in (self._requests, self._answers):
            with suppress(OSError):
                stream.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def _start(self, opening: Mapping[str, Any]) -> None:
        """Wait until the program says that it is ready, and give it what it lacks. Raises UserError."""
        while (text := self._answers.readline(_MAX_GREETING)) and (line := text.decode().strip()) != READY:
            if line == NEEDED:
                self._write(build_program())
            elif line.startswith(TOO_OLD):
                raise old_python(self._place, line.removeprefix(TOO_OLD))
        if not text:
            raise unusable_program(self._place, self._last_words())
        self._write(encode_message(dict(opening)))

    def _write(self, data: bytes) -> None:
        try:
            self._requests.write(data)
            self._requests.flush()
        except BrokenPipeError as error:
            raise ended_program(self._place, self._last_words()) from error

    def _last_words(self) -> str:
        """Return the last line that the process, which has ended, has written to stderr."""
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read(_MAX_GREETING).decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[-MAX_WORDS:] if lines else ""


class ProcessConnection:
    """The program of a node as processes of this machine, of which one that is not in use is kept.

    ``find_entry`` returns the words before the command that starts one, such as those that enter a namespace.
    """

    def __init__(
        self, python: str, folder: str, opening: Mapping[str, Any], find_entry: Callable[[], Sequence[str]] = tuple
    ) -> None:
        self._python, self._node_folder, self._opening, self._find_entry = python, folder, opening, find_entry
        self._lock = threading.Lock()
        self._process, self._idle = os.getpid(), list[_ProcessChannel]()
        weakref.finalize(self, _close, self._idle, self._process)

    @contextmanager
    def channel(self) -> Iterator[Channel]:
        """Yield a channel that nothing else uses; raises UserError ``backend-unreachable`` if it breaks."""
        channel = self._take()
        try:
            yield channel
        except MessageError as error:
            channel.close()
            message = f"the program of mlgit on {os.uname().nodename} sent an answer that is not valid: {error}"
            raise user_error("backend-broken", message, "check the disk with its folder") from error
        except BaseException:  # an answer may not have been read to its end
            channel.close()
            raise
        with self._lock:
            self._idle.append(channel)

    def _take(self) -> _ProcessChannel:
        if self._process != os.getpid():  # a copy of the process that had them
            self._process, self._lock, self._idle = os.getpid(), threading.Lock(), []
            weakref.finalize(self, _close, self._idle, self._process)
        entry = self._find_entry()
        with self._lock:
            while self._idle:
                channel = self._idle.pop()
                if channel.enter == entry:
                    return channel
                channel.close()
        return _ProcessChannel(entry, self._python, self._node_folder, self._opening)


def _close(channels: list[_ProcessChannel], process: int) -> None:
    if process == os.getpid():
        for channel in channels:
            channel.close()
