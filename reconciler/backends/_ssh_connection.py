"""A connection by ssh to the program of a node; its host key is always compared, and never added.

asyncssh runs in a thread of its own, and keys and passwords stay in this process: OpenSSH's `ssh` would want a key in
a file and a password from another program, by its arguments or its environment.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import asyncssh
from asyncssh.saslprep import SASLPrepError

from reconciler.backends._node_channel import MAX_WORDS, Channel, ended_program, old_python, unusable_program
from reconciler.backends._node_messages import (
    HEAD_SIZE,
    NEEDED,
    READY,
    TOO_OLD,
    Message,
    MessageError,
    check_head,
    encode_message,
    parse_body,
    parse_head,
)
from reconciler.backends._node_program import build_program, program_command
from reconciler.backends._ssh_machine import Machine, connection_error, find_known_hosts

T = TypeVar("T")
_MAX_CHANNELS = 8  # of ten that servers allow on a connection
_CONNECT_SECONDS = 20
_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT = 5, 3  # a node that does not answer is noticed after this product
_MAX_GREETING = 1 << 16
_KEY_ERRORS = (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, SASLPrepError)
_ERRORS = (asyncssh.Error, *_KEY_ERRORS, OSError, EOFError, MessageError)


@cache
def _loop_of(_process: int) -> asyncio.AbstractEventLoop:
    """Return the event loop of this process, which a thread runs; after a fork there is none."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="ssh", daemon=True).start()
    return loop


def _wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, _loop_of(os.getpid())).result()


class _SshChannel(Channel):
    """A channel to a process on the machine."""

    def __init__(self, process: Any, place: str) -> None:
        self._process, self._place, self.prefix = process, place, f"{place}: "

    def send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            _wait_for(self._write(encode_message(*message)))

    def receive(self) -> Message:
        return _wait_for(self._read())

    def close(self) -> None:
        _loop_of(os.getpid()).call_soon_threadsafe(self._process.close)

    async def start(self, opening: Mapping[str, Any]) -> None:
        """Wait until the program says that it is ready, and give it what it lacks. Raises UserError."""
        size, is_sent = 0, False
        while True:
            line = (await self._process.stdout.readline()).decode("utf-8", "replace").rstrip("\n")
            size += len(line) + 1
            if line == READY:
                break
            if line == NEEDED and not is_sent:
                is_sent = True
                await self._write(build_program())
            elif line.startswith(TOO_OLD):
                raise old_python(self._place, line.removeprefix(TOO_OLD))
            elif size > _MAX_GREETING or self._process.stdout.at_eof():
                raise unusable_program(self._place, await self._last_words())
        await self._write(encode_message(dict(opening)))

    async def _last_words(self) -> str:
        """Return the last line of what a program that has ended has written to stderr; "" if the connection is cut."""
        lines = (await self._process.stderr.read(_MAX_GREETING)).decode("utf-8", "replace").strip().splitlines()
        return str(lines[-1]).strip()[-MAX_WORDS:] if lines else ""

    async def _write(self, data: bytes) -> None:
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def _read(self) -> Message:
        stdout = self._process.stdout
        try:
            document, data = parse_head(await stdout.readexactly(HEAD_SIZE))
            check_head(document, data)
            body = await stdout.readexactly(document + data)
        except EOFError:
            if text := await self._last_words():
                raise ended_program(self._place, text) from None
            raise
        return parse_body(body, document)


class SshConnection:
    """The connection to a machine, made when it is needed, with as many channels as are used at once."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._lock = threading.Lock()
        self._process, self._connection = os.getpid(), _Box()
        self._idle: list[Channel] = []
        self._free = threading.BoundedSemaphore(_MAX_CHANNELS)
        self._finalizer = weakref.finalize(self, _close, self._connection, self._process)

    @contextmanager
    def channel(self) -> Iterator[Channel]:
        """Yield a channel that nothing else uses; raises UserError ``backend-unreachable`` if it breaks."""
        channel: Channel | None = None
        self._follow_fork()
        with self._free:
            try:
                channel = self._take()
                yield channel
            except _ERRORS as error:
                self._forget(channel)
                raise connection_error(self._machine, error) from error
            except BaseException:  # an answer may not have been read to its end
                if channel is not None:
                    channel.close()
                raise
            with self._lock:
                self._idle.append(channel)

    def _follow_fork(self) -> None:
        """Start anew in a copy of the process that had the connection."""
        if self._process != os.getpid():
            self._process, self._connection, self._idle = os.getpid(), _Box(), []
            self._lock, self._free = threading.Lock(), threading.BoundedSemaphore(_MAX_CHANNELS)

    def _take(self) -> Channel:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._connection.value is None:
                self._connection.value = _wait_for(_connect(self._machine))
        return _wait_for(_open_channel(self._connection.value, self._machine))

    def _forget(self, channel: Channel | None) -> None:
        """Give up the connection: the next request makes a new one."""
        with self._lock:
            connection, self._connection.value, self._idle = self._connection.value, None, []
        if channel is not None:
            channel.close()
        if connection is not None:
            _loop_of(os.getpid()).call_soon_threadsafe(connection.abort)


class _Box:
    """What has a connection, without whom it serves: it is closed when that one is gone."""

    def __init__(self) -> None:
        self.value: Any = None


def _close(box: _Box, process: int) -> None:
    if box.value is not None and process == os.getpid():
        with suppress(RuntimeError):  # the loop has ended
            _loop_of(process).call_soon_threadsafe(box.value.close)


async def _open_channel(connection: Any, machine: Machine) -> _SshChannel:
    command = program_command(machine.python, machine.folder)
    channel = _SshChannel(await connection.create_process(command, encoding=None), machine.place)
    async with asyncio.timeout(_CONNECT_SECONDS * 3):  # the first time it gets its program
        await channel.start(machine.opening)
    return channel


async def _connect(machine: Machine) -> Any:
    # Without an address it has no host key either.
    await asyncio.get_running_loop().getaddrinfo(machine.host, machine.port)
    values = machine.credentials
    options: dict[str, Any] = {}
    if key := values.get("private_key"):
        # A file that holds a key ends with a line end, which the reader of secrets cuts off.
        options["client_keys"] = [asyncssh.import_private_key(f"{key}\n", values.get("passphrase"))]
    if password := values.get("password"):
        options["password"] = password
    if values:
        options |= {"agent_path": None}
        options.setdefault("client_keys", None)
    return await asyncssh.connect(
        machine.host,
        port=machine.port,
        username=machine.user,
        known_hosts=find_known_hosts(machine),
        config=None,
        connect_timeout=_CONNECT_SECONDS,
        login_timeout=_CONNECT_SECONDS,
        keepalive_interval=_KEEPALIVE_SECONDS,
        keepalive_count_max=_KEEPALIVE_COUNT,
        **options,
    )
