"""Where a record stands in the tree of the live state: fanned out, so that a write costs what it changes.

``current/<2 hex>/<kind>/<name>.json`` is all that plan reads; the rest is
``history/<kind>/<2 hex>/<name>/<2 hex of version or run>/<id>.json``.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote, unquote

from reconciler.model import Address

META = "meta.json"
CURRENT = "current/"
_NAMED = 3  # folders of a version or a run, from below history/ to the one that has the name


def current(address: Address) -> str:
    """Return the path of the current record of an address."""
    return f"{CURRENT}{_hex(str(address))}/{address.kind}/{_safe(address.name)}.json"


def address_of(path: str) -> Address | None:
    """Return the address whose current record stands at a path; None where none does."""
    kind, _, name = path.removeprefix(CURRENT).partition("/")[2].partition("/")
    address = Address(kind, unquote(name.removesuffix(".json")))
    return address if current(address) == path else None


def subject_of(path: str) -> Address | None:
    """Return the address that a current record, a version or a run at a path is of; None where it is neither."""
    folder, _, rest = path.partition("/")
    parts = rest.split("/")
    if folder == "history" and len(parts) > _NAMED:
        return Address(parts[0], unquote(parts[2]))
    return address_of(path) if path.startswith(CURRENT) else None


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
