"""Where the data folders are, inside the package in a wheel, beside it in a checkout; and which code this is."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Return the data folder of that name: ``schemas`` or ``workspace-template``."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


@cache
def code_digest() -> str:
    """Return the digest of all that an answer of mlgit may depend on beside its input: the code, and the schemas."""
    found = hashlib.sha256()
    for path in (*sorted(_PACKAGE.rglob("*.py")), *sorted(data_folder("schemas").rglob("*.json"))):
        raw = path.read_bytes()
        found.update(b"%s\0%d\0%s" % (path.name.encode(), len(raw), raw))
    return found.hexdigest()
