"""What was downloaded from URLs, as the live state has it: one file for each URL."""

from __future__ import annotations

from reconciler.git import trees
from reconciler.model.downloads import Download
from reconciler.state import codec, paths
from reconciler.state.snapshot import Snapshot


def read_download(snapshot: Snapshot, url: str) -> Download | None:
    """Return what was downloaded from a URL; None if nothing was."""
    path = paths.download_path(url)
    raw = trees.read_file_at(snapshot.repository, snapshot.commit, path)
    return snapshot.parse_file(path, raw, codec.decode_download) if raw else None


def encode_download(snapshot: Snapshot | None, url: str, download: Download) -> bytes:
    """Return what is to be written of a download: the first one of its URL, which the state may have."""
    first = read_download(snapshot, url) if snapshot else None
    return codec.encode_json((first or download).to_json())
