"""The messages between mlgit and its program on a node: a JSON document and bytes, on the streams of one process.

A request is answered by one message. What has more bytes than one message holds is a sequence of *parts*: each names
an object by its digest and has its next bytes, the last one of an object says ``last``, and ``end`` ends the sequence.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import Any, BinaryIO, NamedTuple

from reconciler.diagnostics import Diagnostic, UserError, user_error

READY, NEEDED, TOO_OLD = "mlgit-node ready", "mlgit-node needs its program", "mlgit-node has Python "
"""The lines by which the program says, before its first message, what it is or lacks."""
PART_SIZE = 1 << 18
MAX_DOCUMENT = 1 << 27  # of an answer; one with a million files has about 100 MB
_CODE = re.compile(r"[a-z]+(-[a-z]+)+")
_HEAD = struct.Struct(">II")  # the lengths of the document and of the bytes


class MessageError(ValueError):
    """What came is no message of this protocol, or no answer to what was asked; the text says what is wrong."""


class Message(NamedTuple):
    """A document, and bytes that belong to it."""

    document: Any
    data: bytes = b""


def encode_message(document: Any, data: bytes = b"") -> bytes:
    """Return a message as it is sent."""
    text = json.dumps(document).encode()
    return _HEAD.pack(len(text), len(data)) + text + data


HEAD_SIZE = _HEAD.size


def parse_head(head: bytes) -> tuple[int, int]:
    """Return the lengths of the document and of the bytes that follow."""
    document, data = _HEAD.unpack(head)
    return document, data


def check_head(document: int, data: int) -> None:
    """Raise MessageError for an answer that is longer than any: it would fill the memory."""
    if document > MAX_DOCUMENT or data > PART_SIZE:
        raise MessageError(f"a message of {document + data} bytes")


def parse_body(body: bytes, document: int) -> Message:
    """Return the message of a body, whose document has a length; raises MessageError if that is no document."""
    try:
        return Message(json.loads(body[:document]), body[document:])
    except (ValueError, RecursionError):
        raise MessageError("a message that is no JSON") from None


def read_message(stream: BinaryIO) -> Message | None:
    """Read the next message; None at the end of the stream, also if that is in the middle of one."""
    head = stream.read(HEAD_SIZE)
    if len(head) < HEAD_SIZE:
        return None
    document, data = parse_head(head)
    body = stream.read(document + data)
    return parse_body(body, document) if len(body) == document + data else None


def object_parts(digest: str, stream: BinaryIO) -> Iterator[Message]:
    """Yield the parts of one object, of which the last is marked."""
    chunk = stream.read(PART_SIZE)
    while True:
        following = stream.read(PART_SIZE) if chunk else b""
        yield Message({"digest": digest, "last": not following}, chunk)
        if not following:
            return
        chunk = following


END = Message({"end": True})


class PartsStream(RawIOBase):
    """The bytes of one object as a stream that can be read once; `drain` reads what is left of it.

    Reading raises MessageError if the sequence ends in the middle, or goes on without bytes.
    """

    def __init__(self, first: Message, parts: Iterator[Message]) -> None:
        self._part, self._parts, self._position = first, parts, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        pieces: list[bytes] = []
        while size and (piece := self._next_piece(size)):
            pieces.append(piece)
            size -= len(piece) if size > 0 else 0
        return b"".join(pieces)

    def drain(self) -> None:
        """Read to the end of the object."""
        while self._next_piece(-1):
            pass

    def _next_piece(self, size: int) -> bytes:
        while self._position == len(self._part.data):
            if self._part.document.get("last") is not False:
                return b""
            following = next(self._parts, None)
            if following is None or not (following.data or following.document.get("last")):
                raise MessageError("an object that is not complete")
            self._part, self._position = following, 0
        end = len(self._part.data) if size < 0 else self._position + size
        piece = self._part.data[self._position : end]
        self._position += len(piece)
        return piece


def error_document(error: UserError) -> Any:
    """Return an error as the answer to a request; `raise_error` raises it on the other side."""
    return {"error": [[item.code, item.message, item.hint] for item in error.diagnostics]}


def raise_error(document: Any) -> None:
    """Raise UserError if an answer is one, MessageError if it is no document."""
    if not isinstance(document, dict):
        raise MessageError("an answer that is no object")
    if "error" in document:
        raise UserError(*_diagnostics(document["error"]))


def _diagnostics(errors: Any) -> Iterator[Diagnostic]:
    for error in errors if isinstance(errors, list) and errors else [None]:
        match error:
            case [str() as code, str() as message, str() as hint] if _CODE.fullmatch(code):
                yield from user_error(code, message, hint).diagnostics
            case _:
                raise MessageError("an error without a message")


def expect_parts(messages: Iterable[Message | None]) -> Iterator[Message]:
    """Yield the parts of a sequence to its end; raises EOFError if it is cut off, UserError if it ends in an error."""
    for message in messages:
        if message is None:
            raise EOFError
        raise_error(message.document)
        if message.document.get("end"):
            return
        yield message
