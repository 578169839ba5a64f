"""The files of the installed package: its data folders, and digests of its code."""

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Return the data folder of that name, such as ``schemas`` or ``workspace-template``.

    It is inside the package in a wheel, beside it in a checkout; ``catalogue/environments`` always is inside.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


@cache
def code_digest() -> str:
    """Return the digest of the code, the schemas and the catalogue: a shared result is valid for these only."""
    digest = hashlib.sha256()
    data = (data_folder("schemas").rglob("*.json"), data_folder("catalogue").rglob("*.yml"))
    for path in chain(*map(sorted, (_PACKAGE.rglob("*.py"), *data))):
        content = path.read_bytes()
        digest.update(b"%s\0%d\0%s" % (path.name.encode(), len(content), content))
    return digest.hexdigest()


@cache
def installation_stamp() -> str:
    """Return a stamp of the installed code, schemas and catalogue: a result that is cached here is valid for it only.

    It has the sizes and times of the files instead of their contents, which takes a fifth of the time. It differs from
    one installation to the next, and no write leaves the time of a status change as it was. With it go the times of the
    folders of installed packages: another version of a library, or a plug-in, may change a result.

    MLGIT_INSTALLATION, set by who installs the same locked versions on many machines (`.github/actions/mlgit.sh`),
    stands for all of it, so that a cache of one machine is valid on another.
    """
    if configured := os.environ.get("MLGIT_INSTALLATION"):
        return configured
    folders = [Path(path) for path in sys.path if path.endswith("-packages")]
    times = [(str(folder), folder.stat().st_mtime_ns) for folder in folders if folder.is_dir()]
    stamp = hashlib.sha256(repr(times).encode())
    data = (_scan_files(data_folder("schemas"), ".json"), _scan_files(data_folder("catalogue"), ".yml"))
    for entry in chain(_scan_files(_PACKAGE, ".py"), *data):
        status = entry.stat()
        stamp.update(f"{entry.path}\0{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\n".encode())
    return stamp.hexdigest()


def _scan_files(folder: Path | str, suffix: str) -> Iterator[os.DirEntry[str]]:
    """Yield the files below a folder whose names end in a suffix, in an order that is always the same."""
    with os.scandir(folder) as entries:
        in_order = sorted(entries, key=lambda entry: entry.name)
    for entry in in_order:
        if entry.name.endswith(suffix):
            yield entry
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _scan_files(entry.path, suffix)
