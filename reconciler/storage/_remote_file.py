"""What a storage service says of a file, from what its driver returns."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from reconciler.storage.stamps import Stamp

_MD5_DIGITS = 32
_TIMES = ("mtime", "modificationTime", "last_modified", "LastModified")  # of sftp, WebHDFS, Azure and S3


class RemoteFile(NamedTuple):
    """What a service says of a file: ``stamp`` is another one for other bytes, ``md5`` is "" if it says none.

    ``modified`` is when it was written, in seconds since 1970 by the clock of the service. The md5 is that of the bytes
    for certain if it is ``is_md5_sure``: S3 can have an ETag that only looks like one.
    """

    size: int
    stamp: Stamp
    md5: str = ""
    modified: float = 0.0
    is_md5_sure: bool = False


def to_remote_file(info: Mapping[str, Any]) -> RemoteFile:
    """Return what an entry of a listing of fsspec says of a file."""
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    modified = next((info[name] for name in _TIMES if info.get(name)), "")
    changed = etag or str(modified)
    content_md5 = (info.get("content_settings") or {}).get("content_md5")
    md5 = bytes(content_md5).hex() if content_md5 else etag if len(etag) == _MD5_DIGITS else ""
    size = int(info["size"] or 0)
    number = int.from_bytes(hashlib.sha256(changed.encode()).digest()[:7])
    return RemoteFile(size, (number, size, 0, 0), md5, _seconds(modified), bool(content_md5))


def _seconds(modified: Any) -> float:
    """Return a time in seconds since 1970, as services give it: WebHDFS in milliseconds; now if it gives none.

    What has no time is never old.
    """
    if isinstance(modified, datetime):
        return modified.timestamp()
    return float(modified) / 1000 if isinstance(modified, int | float) else time.time()
