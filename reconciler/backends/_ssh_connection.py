"""A connection by ssh to the program of a node; its host key is always compared, and never added.

asyncssh runs in a thread of its own, and keys and passwords stay in this process: OpenSSH's `ssh` would want a key in
a file and a password from another program, by its arguments or its environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import weakref
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import asyncssh

from reconciler.backends._node_channel import Channel, ended_program, old_python, unusable_program
from reconciler.backends._node_messages import (
    HEAD_SIZE,
    NEEDED,
    READY,
    TOO_OLD,
    Message,
    encode_message,
    parse_head,
)
from reconciler.backends._node_program import build_program, program_command
from reconciler.diagnostics import UserError, user_error

T = TypeVar("T")
_PORT = 22  # known_hosts has the names of machines with this one without it
_MAX_CHANNELS = 8  # of ten that servers allow on a connection
_CONNECT_SECONDS = 20
_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT = 5, 3  # a node that does not answer is noticed after this product
_MAX_GREETING = 1 << 16
_ERRORS = (asyncssh.Error, asyncssh.KeyImportError, asyncssh.KeyEncryptionError, OSError, EOFError)


class Machine(NamedTuple):
    """A machine and how to log on to it.

    ``host_key`` is its key as known_hosts has it, without the name; blank if the file ``known_hosts`` is to say it.
    ``credentials`` are the values of secrets by field; without any, the keys and the agent of the user count.
    ``python`` and ``folder`` are of that machine, and ``opening`` is the first message to the program there.
    """

    name: str
    host: str
    port: int
    user: str
    known_hosts: Path
    host_key: str
    credentials: Mapping[str, str]
    credential_names: str
    python: str
    folder: str
    opening: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The machine as messages name it."""
        return f"{self.user}@{self.host}:{self.port}"


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
        self._process, self._place = process, place

    def send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            _wait_for(self._write(encode_message(*message)))

    def receive(self) -> Message:
        return _wait_for(self._read())

    def close(self) -> None:
        _loop_of(os.getpid()).call_soon_threadsafe(self._process.close)

    async def start(self, opening: Mapping[str, Any]) -> None:
        """Wait until the program says that it is ready, and give it what it lacks. Raises UserError."""
        size = 0
        while True:
            line = (await self._process.stdout.readline()).decode("utf-8", "replace").rstrip("\n")
            size += len(line) + 1
            if line == READY:
                break
            if line == NEEDED:
                await self._write(build_program())
            elif line.startswith(TOO_OLD):
                raise old_python(self._place, line.removeprefix(TOO_OLD))
            elif size > _MAX_GREETING or self._process.stdout.at_eof():
                raise unusable_program(self._place, await self._last_words())
        await self._write(encode_message(dict(opening)))

    async def _last_words(self) -> str:
        """Return the last line of what a program that has ended has written to stderr; "" if the connection is cut."""
        lines = (await self._process.stderr.read(_MAX_GREETING)).decode("utf-8", "replace").strip().splitlines()
        return str(lines[-1]) if lines else ""

    async def _write(self, data: bytes) -> None:
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def _read(self) -> Message:
        stdout = self._process.stdout
        try:
            document, data = parse_head(await stdout.readexactly(HEAD_SIZE))
            body = await stdout.readexactly(document + data)
        except EOFError:
            if text := await self._last_words():
                raise ended_program(self._place, text) from None
            raise
        return Message(json.loads(body[:document]), body[document:])


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
                raise _unreachable(self._machine, error) from error
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
        known_hosts=_read_known_hosts(machine),
        config=None,
        connect_timeout=_CONNECT_SECONDS,
        login_timeout=_CONNECT_SECONDS,
        keepalive_interval=_KEEPALIVE_SECONDS,
        keepalive_count_max=_KEEPALIVE_COUNT,
        **options,
    )


def _read_known_hosts(machine: Machine) -> Any:
    """Return the known hosts, among which the machine is; raises UserError if it is not."""
    name = machine.host if machine.port == _PORT else f"[{machine.host}]:{machine.port}"
    if machine.host_key:
        return asyncssh.import_known_hosts(f"{name} {machine.host_key}\n")
    try:
        known = asyncssh.read_known_hosts(str(machine.known_hosts))
    except FileNotFoundError:
        known = asyncssh.import_known_hosts("")
    if not any(known.match(machine.host, "", machine.port)[:2]):
        message = f"the host key of {name} is not known: {machine.known_hosts} has none of it"
        hint = f"compare the key with that of the machine, then add it: ssh-keyscan -p {machine.port} {machine.host}"
        raise user_error("backend-unreachable", message, hint)
    return known


def _unreachable(machine: Machine, error: BaseException) -> UserError:
    """Return the error of a connection that failed: what happened, and what to do; no secret is in it."""
    where = "host_key: of mlgit.yml" if machine.host_key else str(machine.known_hosts)
    credential = machine.credential_names or "the keys of the user"
    match error:
        case asyncssh.HostKeyNotVerifiable():
            what = f"shows another host key than {where} has: it was set up anew, or another machine answers"
            hint = "ask who runs the machine before you replace the key"
        case asyncssh.PermissionDenied():
            what = f"does not accept {credential}"
            hint = "correct the secret, or the user; or add the public key to authorized_keys of that user"
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            what, hint = f"is not asked: {credential} cannot be read as a private key", "correct the secrets"
        case socket.gaierror():
            what, hint = "cannot be reached: its name has no address", "correct machine: in mlgit.yml"
        case _:
            reason = str(error) or type(error).__name__
            if isinstance(error, EOFError):
                reason = "the connection was cut"
            what, hint = f"does not answer: {reason}", "check that it runs and that this machine reaches it"
    return user_error("backend-unreachable", f"{machine.place} (backend {machine.name}) {what}", hint)
