"""The HTTP server of the tracking API: loopback only, a token for every call, limited bodies, MLflow's errors."""

from __future__ import annotations

import hmac
import io
import json
import re
import shutil
import socket
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from ..files import parse_json  # noqa: TID252 - this package is shipped under another name
from .artifacts import ArtifactStore, truncated_upload_error
from .calls import TrackingApi
from .errors import ApiError, invalid_value_error

MAX_BODY_BYTES = 16 << 20  # of a JSON body; artifacts are streamed to the disk and have no limit
_IDLE_SECONDS = 600  # after which an idle connection is closed
_MAX_CHUNK_LINE_BYTES = 1 << 12  # of a line between two chunks of a body
_CALL_PATH = re.compile(r"/(?:ajax-)?api/[23]\.0/mlflow/(.+)")
_ARTIFACT_PATH = re.compile(r"/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts(?:/(.*))?")


class TrackingServer(ThreadingMixIn, TCPServer):
    """A server behind a port that is open already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, calls: TrackingApi, artifacts: ArtifactStore, token: str) -> None:
        super().__init__(listener.getsockname(), _RequestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.calls = calls
        self.artifacts = artifacts
        self.authorization = f"Bearer {token}".encode()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a broken connection: its client has gone, and every other error was sent as a response."""


class _RequestHandler(BaseHTTPRequestHandler):
    server: TrackingServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    wbufsize = -1  # head and body in one packet: Nagle's algorithm would delay the second of two
    error_content_type = "application/json"
    error_message_format = '{"error_code": "BAD_REQUEST", "message": "%(message)s"}'

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Log nothing: the log is that of the command."""

    def _handle_request(self) -> None:
        try:
            self._authorize()
            self._dispatch(urlsplit(self.path).path)
        except ApiError as error:
            self._send_api_error(error)
        except ConnectionError:
            self.close_connection = True
        except Exception:  # noqa: BLE001 - the client gets a response, the log of the runner the traceback
            sys.excepthook(*sys.exc_info())
            self._send_api_error(
                ApiError("INTERNAL_ERROR", "the tracking of the runner failed; see the log of the runner")
            )

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle_request  # noqa: N815 - names of the base class

    def _dispatch(self, path: str) -> None:
        if match := _ARTIFACT_PATH.fullmatch(path):
            self._handle_artifact(unquote(match[1] or ""))
        elif match := _CALL_PATH.fullmatch(path):
            self._send_json(200, self.server.calls.handle_call(self.command, unquote(match[1]), self._read_arguments()))
        else:
            raise ApiError("ENDPOINT_NOT_FOUND", f"the tracking server of this run has no {self.command} {path}")

    def _authorize(self) -> None:
        authorization = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(authorization, self.server.authorization):
            self._open_body().read(MAX_BODY_BYTES)  # closing a connection with unread bytes would lose the response
            raise ApiError("UNAUTHENTICATED", "this call needs the token in MLFLOW_TRACKING_TOKEN")

    def _read_arguments(self) -> dict[str, Any]:
        query: dict[str, Any] = dict(parse_qsl(urlsplit(self.path).query))
        content = self._open_body().read(MAX_BODY_BYTES + 1)
        if len(content) > MAX_BODY_BYTES:
            raise ApiError("REQUEST_LIMIT_EXCEEDED", f"the body is larger than {MAX_BODY_BYTES} bytes")
        try:
            document = parse_json(content or b"{}")
        except (ValueError, RecursionError) as error:
            raise ApiError("BAD_REQUEST", f"the body is not JSON: {error}") from error
        if not isinstance(document, dict):
            raise ApiError("BAD_REQUEST", "the body must be a JSON object")
        return {**query, **document}

    def _handle_artifact(self, name: str) -> None:
        match self.command:
            case "PUT":
                self.server.artifacts.save_file(name, self._open_body())
                self._send_json(200, {})
            case "GET" if not name:
                path = dict(parse_qsl(urlsplit(self.path).query)).get("path", "")
                self._send_json(200, {"files": self.server.artifacts.list_files(path)})
            case "GET":
                with self.server.artifacts.open_file(name) as file:
                    self._send_file(file)
            case "DELETE":
                self.server.artifacts.delete(name)
                self._send_json(200, {})
            case _:
                raise ApiError("ENDPOINT_NOT_FOUND", f"artifacts do not support {self.command}")

    def _open_body(self) -> BinaryIO:
        """Return the body of the request as a file that ends with the body."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return io.BufferedReader(_ChunkedBody(self.rfile))
        try:
            length = max(0, int(self.headers.get("Content-Length") or 0))
        except ValueError as error:
            raise invalid_value_error("Content-Length is not a number") from error
        return io.BufferedReader(_SizedBody(self.rfile, length))

    def _send_json(self, status: int, document: dict[str, Any]) -> None:
        self._send_head(status, "application/json", len(content := json.dumps(document).encode()))
        self.wfile.write(content)

    def _send_file(self, file: BinaryIO) -> None:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self._send_head(200, "application/octet-stream", size)
        shutil.copyfileobj(file, self.wfile)

    def _send_head(self, status: int, content_type: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_api_error(self, error: ApiError) -> None:
        self.close_connection = True  # the rest of the body may be unread; it is not the next request
        self._send_json(error.status, error.to_json())


class _SizedBody(io.RawIOBase):
    """The next bytes of a stream, up to a length."""

    def __init__(self, stream: io.BufferedIOBase, length: int) -> None:
        self._stream = stream
        self._remaining = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._remaining)
        data = self._stream.read(length)
        if len(data) < length:
            raise truncated_upload_error()
        buffer[: len(data)] = data
        self._remaining -= len(data)
        return len(data)


class _ChunkedBody(io.RawIOBase):
    """A body in chunks, which clients send for files that are empty or have an unknown length."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._remaining = 0
        self._is_complete = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._remaining == 0 and not self._is_complete:
            self._read_chunk_header()
        if self._is_complete:
            return 0
        data = self._stream.read(min(len(buffer), self._remaining))
        if not data:
            raise truncated_upload_error()
        buffer[: len(data)] = data
        self._remaining -= len(data)
        if self._remaining == 0:
            self._stream.readline(_MAX_CHUNK_LINE_BYTES)
        return len(data)

    def _read_chunk_header(self) -> None:
        try:
            self._remaining = int(self._stream.readline(_MAX_CHUNK_LINE_BYTES).split(b";")[0], 16)
        except ValueError as error:
            raise truncated_upload_error() from error
        if self._remaining == 0:
            while self._stream.readline(_MAX_CHUNK_LINE_BYTES).strip():
                pass
            self._is_complete = True
