"""One file behind an http or https URL, as a stream that ends in an error unless all of its bytes have come.

Only the host of the URL is asked: a redirect to another one is refused, because the plan has named this one.
"""

from __future__ import annotations

import io
import logging
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from reconciler.model.datastores import Identity
from reconciler.storage.public_hosts import PublicAdapter
from reconciler.storage.web_error import WebError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

logging.getLogger("urllib3").setLevel(logging.ERROR)  # what it retries is no concern of the user's

_CONNECT_SECONDS = 10.0
_RETRIES = urllib3.Retry(
    total=3,
    redirect=0,
    backoff_factor=0.3,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=("GET", "HEAD"),
    raise_on_status=False,
    respect_retry_after_header=False,  # a server could ask for hours
)
_MAX_REDIRECTS = 5
_OK = 200
_MISSING = (404, 410)
_NO_HEAD = (403, 405, 501)  # a signature in a URL can be for GET alone
_DEFAULT_PORTS = {"http": 80, "https": 443}
_START_SIZE = 1024
_MAX_NAME_BYTES = 200  # file systems take 255, and what writes a file puts something before or after its name
_HTML_TYPES = ("text/html", "application/xhtml")
_HTML_SUFFIXES = (".html", ".htm", ".xhtml")
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_MARKUP_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_MIRROR_HINT = "or map the URL under mirrors: in mlgit.yml to a file of the workspace"


class _NoHeadError(Exception):
    """A server does not answer HEAD."""


class WebFile(NamedTuple):
    """A file that is about to be read: its name, its bytes, what the server says of it; ``size`` is None if unknown."""

    name: str
    stream: io.RawIOBase
    etag: str
    modified: str
    size: int | None


@contextmanager
def open_web_file(url: str, timeout: float, *, allows_local: bool = True) -> Iterator[WebFile]:
    """Open the file behind a URL; ``timeout`` is in seconds without a byte.

    Raises WebError, and so does reading the stream if the connection ends before the file does. Unless it
    ``allows_local``, a host whose address is of this machine or of its link is refused.
    """
    with _open_session(allows_local=allows_local) as session, _request(session, url, timeout) as response:
        body = _Body(response, url)
        if _is_unexpected_html(response, url, body.start):
            message = f"{url} is an HTML page and not data"
            raise WebError(message, f"open it in a browser to see what it says; name the file itself, {_MIRROR_HINT}")
        headers = response.headers
        size = _content_length(response)
        yield WebFile(_file_name(url), body, headers.get("ETag", ""), headers.get("Last-Modified", ""), size)


def stat_web_file(url: str, timeout: float, *, allows_local: bool = True) -> Identity:
    """Return what a server says of the file behind a URL, without reading it; the size is 0 if it does not say it.

    A server that does not answer HEAD is asked with GET, of which only the headers are read. Raises WebError, with
    ``is_missing`` if the server says that there is no such file.
    """
    with _open_session(allows_local=allows_local) as session:
        try:
            with _request(session, url, timeout, "HEAD") as response:
                return _identity(response)
        except _NoHeadError:
            with _request(session, url, timeout) as response:
                return _identity(response)


def _identity(response: requests.Response) -> Identity:
    headers = response.headers
    return Identity(_content_length(response) or 0, headers.get("ETag", ""), headers.get("Last-Modified", ""))


def _content_length(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _open_session(*, allows_local: bool) -> requests.Session:
    session, adapter = requests.Session(), HTTPAdapter if allows_local else PublicAdapter
    session.mount("https://", adapter(max_retries=_RETRIES))
    session.mount("http://", adapter(max_retries=_RETRIES))
    return session


class _Body(io.RawIOBase):
    """The bytes of a response, as they were sent; reading raises WebError if they are not all there."""

    def __init__(self, response: requests.Response, url: str) -> None:
        super().__init__()
        self._response = response
        self._url = url
        self.start = self._rest = self._read(_START_SIZE)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        chunk = self._rest[: len(view)] or self._read(len(view))
        self._rest = self._rest[len(chunk) :]
        view[: len(chunk)] = chunk
        return len(chunk)

    def _read(self, size: int) -> bytes:
        raw = self._response.raw
        try:
            remaining = raw.length_remaining or 0  # None if the server did not announce a length
            if remaining == 1 and _bytes_at_hand(raw) > 1:
                message = (
                    f"{self._url} has more bytes than the {self._response.headers['Content-Length']} that are announced"
                )
                raise WebError(message, f"try again later, {_MIRROR_HINT}", is_interrupted=True)
            # The last byte is read by itself: only then it shows whether more bytes follow.
            return bytes(raw.read(min(size, remaining - 1) if remaining > 1 else size, decode_content=False))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"{self._url} did not come whole: {_describe_interruption(error)}"
            raise WebError(message, f"try again later, {_MIRROR_HINT}", is_interrupted=True) from error


def _bytes_at_hand(raw: urllib3.BaseHTTPResponse) -> int:
    """Return how many bytes of a connection can be read at once; 0 if that is not known."""
    reader = getattr(getattr(raw, "_fp", None), "fp", None)  # http.client would drop what follows the announced length
    return len(reader.peek(2)) if isinstance(reader, io.BufferedReader) else 0


def _describe_interruption(error: Exception) -> str:
    incomplete = next(
        (item for item in (error, *error.args) if isinstance(item, urllib3.exceptions.IncompleteRead)), None
    )
    if incomplete is not None and incomplete.expected:
        total = incomplete.partial + incomplete.expected
        return f"the server announced {total} bytes and sent {incomplete.partial}"
    return "the server sent nothing for too long" if _is_timeout(error) else "the connection was closed"


def _is_timeout(error: BaseException) -> bool:
    return isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError | requests.Timeout)


@contextmanager
def _request(session: requests.Session, url: str, timeout: float, method: str = "GET") -> Iterator[requests.Response]:
    """Ask for a URL, and for those on the same host that it redirects to; raises WebError."""
    current = url
    for _ in range(_MAX_REDIRECTS + 1):
        response = _ask(session, method, current, timeout)
        with response:
            if not response.is_redirect:
                if method == "HEAD" and response.status_code in _NO_HEAD:
                    raise _NoHeadError
                if response.status_code != _OK:
                    answer = f"{response.status_code} {response.reason or ''}".strip()
                    message = f"{url}: the server answers {answer}"
                    is_missing = response.status_code in _MISSING
                    raise WebError(message, f"correct the URL, {_MIRROR_HINT}", is_missing=is_missing)
                yield response
                return
            location = response.headers["Location"]
        target = _redirect_target(current, location)
        if target is None:
            message = f"{url} redirects to {location}, which is no URL"
            raise WebError(message, f"correct the URL, {_MIRROR_HINT}")
        if not _is_same_host(urlsplit(url), urlsplit(target)):
            message = f"{url} redirects to another host, {target}: only the host that the plan names is asked"
            raise WebError(message, f"write that URL if you trust it, {_MIRROR_HINT}")
        current = target
    raise WebError(f"{url} redirects more than {_MAX_REDIRECTS} times", f"correct the URL, {_MIRROR_HINT}")


def _ask(session: requests.Session, method: str, url: str, timeout: float) -> requests.Response:
    try:
        headers = {"Accept-Encoding": "identity", "User-Agent": "mlgit"}
        seconds = (min(_CONNECT_SECONDS, timeout), timeout)
        return session.request(method, url, stream=True, allow_redirects=False, timeout=seconds, headers=headers)
    except (requests.RequestException, ValueError) as error:
        message = f"{url} cannot be reached: {_describe_failure(error)}"
        hint = f"check the URL and the network of this machine, {_MIRROR_HINT}"
        raise WebError(message, hint, is_unreachable=True) from error


def _describe_failure(error: Exception) -> str:
    """Return the cause of a failed request, without the layers of libraries that it came through."""
    causes = list(_causes(error))
    system = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    if system is None and any(map(_is_timeout, causes)):
        return "the server does not answer"
    return str(system.strerror if system else causes[-1])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, outermost first."""
    visited: list[BaseException] = []
    pending: list[BaseException] = [error]
    while pending:
        current = pending.pop(0)
        if current in visited:
            continue
        visited.append(current)
        yield current
        inner = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        pending += [item for item in inner if isinstance(item, BaseException)]


def _redirect_target(url: str, location: str) -> str | None:
    """Return the URL that a redirect leads to; None if it is none."""
    try:
        target = urljoin(url, location)
        _ = urlsplit(target).port  # raises ValueError for a port that is none
    except ValueError:
        return None
    return target


def _is_same_host(first: SplitResult, second: SplitResult) -> bool:
    """Return True if two URLs are on one server; it may lead from http to https, and not back."""
    if second.scheme not in _DEFAULT_PORTS or (first.scheme, second.scheme) == ("https", "http"):
        return False
    try:
        ports = [url.port or _DEFAULT_PORTS[url.scheme] for url in (first, second)]
    except ValueError:  # what stands for the port is no number of one
        return False
    is_upgrade = first.scheme != second.scheme and ports == list(_DEFAULT_PORTS.values())
    return first.hostname == second.hostname and (ports[0] == ports[1] or is_upgrade)


def _is_unexpected_html(response: requests.Response, url: str, start: bytes) -> bool:
    """Return True if a server sent a page, such as one to log in or one that says that a file is missing."""
    if urlsplit(url).path.lower().endswith(_HTML_SUFFIXES):
        return False
    is_declared = response.headers.get("Content-Type", "").lower().startswith(_HTML_TYPES)
    pattern = _MARKUP_START if is_declared else _HTML_START
    return pattern.match(start) is not None


def _file_name(url: str) -> str:
    """Return the last part of a URL as the name of a file; "data" if no file can have it."""
    name = posixpath.basename(unquote(urlsplit(url).path).rstrip("/"))
    is_usable = name not in {"", ".", ".."} and name.isprintable() and len(name.encode()) <= _MAX_NAME_BYTES
    return name if is_usable else "data"
