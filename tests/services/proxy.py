"""A way out of a network namespace that has none: an HTTP proxy on a Unix socket, and a relay to it from a port.

A socket of the file system is seen in all network namespaces. The proxy runs where the network is, the relay in the
namespace; it is run as a script: ``python proxy.py PORT SOCKET``.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from pathlib import Path

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


async def _join(one: _Streams, other: _Streams) -> None:
    await asyncio.gather(_copy(one[0], other[1]), _copy(other[0], one[1]))


async def _connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one ``CONNECT host:port``, which is all that clients of HTTPS ask of a proxy."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii", "replace")
    method, _, rest = head.partition(" ")
    host, _, port = rest.partition(" ")[0].rpartition(":")
    try:
        assert method == "CONNECT"
        outside = await asyncio.open_connection(host, int(port))
    except (AssertionError, OSError, ValueError):
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await _join((reader, writer), outside)


class Proxy:
    """The proxy, in a thread of its own, on a socket or on a port of 127.0.0.1.

    With a port to forward to, it connects to that one of 127.0.0.1 and is asked for nothing.
    """

    def __init__(self, socket: Path | int, port: int = 0) -> None:
        self._socket = socket
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)

    async def _listen(self) -> asyncio.Server:
        answer = self._forward if self._port else _connect
        if isinstance(self._socket, int):
            return await asyncio.start_server(answer, "127.0.0.1", self._socket)
        return await asyncio.start_unix_server(answer, self._socket)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            outside = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()
            return
        await _join((reader, writer), outside)

    def stop(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._server.close)
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(120)
        self._loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _relay(port: int, socket: str) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join((reader, writer), await asyncio.open_unix_connection(socket))

    await (await asyncio.start_server(handle, "0.0.0.0", port)).serve_forever()  # noqa: S104 - of the namespace


if __name__ == "__main__":
    asyncio.run(_relay(int(sys.argv[1]), sys.argv[2]))
