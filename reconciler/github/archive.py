"""The archive of an artifact, which a stranger may have made: read in memory, within limits, by known names only."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection

from reconciler.diagnostics import UserError, user_error

MAX_ARCHIVE_BYTES = 32 * 2**20
MAX_MEMBER_BYTES = 64 * 2**20
_ENTRY_SIGNATURE = b"PK\x01\x02"  # of an entry of the directory
_SLACK = 4  # the signature may be among compressed bytes by chance
_ENCRYPTED = 0x1
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, RuntimeError, ValueError, OverflowError),
)


def read_member(archive: bytes, name: str, known: Collection[str]) -> bytes:
    """Return a member of a zip archive that has no others than the known ones.

    Raise UserError ``github-artifact`` for any other archive: more entries, other names, folders, links, encrypted or
    too large members, damage.
    """
    if archive.count(_ENTRY_SIGNATURE) > len(known) + _SLACK:  # before the directory is read
        raise _hostile_error(f"has more entries than the {len(known)} of a report")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            _check_entries(opened.infolist(), known)
            entry = next((entry for entry in opened.infolist() if entry.filename == name), None)
            if entry is None:
                raise _hostile_error(f"has no {name}")
            with opened.open(entry) as member:
                content = member.read(MAX_MEMBER_BYTES + 1)
    except _DAMAGES as error:
        raise _hostile_error("is no intact zip archive") from error
    if len(content) > MAX_MEMBER_BYTES:
        raise _too_large_error(name)
    return content


def _check_entries(entries: Collection[zipfile.ZipInfo], known: Collection[str]) -> None:
    names = [entry.filename for entry in entries]
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise _hostile_error(f"has {unknown!r:.100}, which is no file of a report")
    if len(set(names)) < len(names):
        raise _hostile_error("has a file twice")
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _hostile_error(f"has {entry.filename}, which is no regular file")
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _COMPRESSIONS:
            raise _hostile_error(f"has {entry.filename} in a form that no report has")
        if entry.file_size > MAX_MEMBER_BYTES:
            raise _too_large_error(entry.filename)


def _too_large_error(name: str) -> UserError:
    return _hostile_error(f"has {name} with more than {MAX_MEMBER_BYTES >> 20} MiB")


def _hostile_error(what: str) -> UserError:
    hint = "nothing of it is used; `mlgit ci plan` writes the files of a report, and the workflow uploads them"
    return user_error("github-artifact", f"the artifact {what}", hint)
