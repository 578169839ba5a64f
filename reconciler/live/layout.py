"""Where a record stands in the tree of the live state: fanned out, so that a write costs what it changes.

``current/<2 hex>/<kind>/<name>.json`` is all that plan reads; the rest is
``history/<kind>/<2 hex>/<name>/<2 hex of version or run>/<id>.json``.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from reconciler.model import Address

META = "meta.json"
CURRENT = "current/"


def current(address: Address) -> str:
    """Return the path of the current record of an address."""
    return f"{CURRENT}{_hex(str(address))}/{address.kind}/{_safe(address.name)}.json"


def history(address: Address, version: str) -> str:
    """Return the path of one version or one run of an address."""
    return f"{history_of(address)}{_hex(version)}/{_safe(version)}.json"


def history_of(address: Address) -> str:
    """Return the folder of all versions or runs of an address."""
    return f"history/{address.kind}/{_hex(address.name)}/{_safe(address.name)}/"


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:2]


def _safe(name: str) -> str:
    """Write a name as one path component; ``.`` and ``..`` too."""
    return quote(name, safe="").replace(".", "%2E")
