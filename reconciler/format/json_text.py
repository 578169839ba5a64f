"""Read JSON that a stranger may have written."""

from __future__ import annotations

import json
import re

from reconciler.model import Json

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(raw: bytes) -> Json:
    """Return what JSON says; raise ValueError or RecursionError if it is none, or if a text in it is no Unicode text.

    JSON can write half of a surrogate pair, which can be neither printed nor written.
    """
    document = json.loads(raw)
    if _SURROGATE.search(raw):
        json.dumps(document, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError
    return document
