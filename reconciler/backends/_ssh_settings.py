"""What is checked of the settings of a machine that is reached by ssh, beside their schema: that its key is one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from reconciler.backends import _local_capacity
from reconciler.diagnostics import Diagnostic
from reconciler.model import Json

_LENGTH_SIZE = 4  # of the length of a part of a key (RFC 4253, section 6.6)
_HINT = "copy the first two words of its ssh_host_ed25519_key.pub"


def check_settings(settings: Mapping[str, Json]) -> Iterator[tuple[str, Diagnostic]]:
    """Yield what is wrong with settings of the backend `ssh` that are as their schema says."""
    yield from _local_capacity.check_settings(settings)
    yield from check_host_key(settings)


def check_host_key(settings: Mapping[str, Json]) -> Iterator[tuple[str, Diagnostic]]:
    """Yield that the host key of a machine is none."""
    if (key := settings.get("host_key")) is not None and (problem := _find_problem(key)):
        yield "host_key", Diagnostic("wrong-value", f"host_key: is no key of a host: {problem}", hint=_HINT)


def _find_problem(key: str) -> str:
    """Return what is wrong with a key as a file with a public key has it, "" if nothing is."""
    name, text = key.split(maxsplit=2)[:2]
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        return "its second word is not base64"
    parts = list(_split_parts(content))
    if not parts or parts[0] != name.encode():
        return f"its second word is no key of the type {name}"
    return "" if len(parts) > 1 and all(parts) else "its second word ends too early"


def _split_parts(content: bytes) -> Iterator[bytes]:
    """Yield the parts of a key, each of which has its length before it; the last one is empty if it ends too early."""
    while content:
        size = int.from_bytes(content[:_LENGTH_SIZE], "big")
        part, content = content[_LENGTH_SIZE : _LENGTH_SIZE + size], content[_LENGTH_SIZE + size :]
        yield part if len(part) == size else b""
