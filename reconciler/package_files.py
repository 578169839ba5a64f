"""The files of the installed package: its data folders, and a digest of its code."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Return the data folder of that name, ``schemas`` or ``workspace-template``.

    It is inside the package in a wheel, beside it in a checkout.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


@cache
def code_digest() -> str:
    """Return the digest of the code and the schemas: a cached result is valid for this version of them only."""
    digest = hashlib.sha256()
    for path in (*sorted(_PACKAGE.rglob("*.py")), *sorted(data_folder("schemas").rglob("*.json"))):
        content = path.read_bytes()
        digest.update(b"%s\0%d\0%s" % (path.name.encode(), len(content), content))
    return digest.hexdigest()
