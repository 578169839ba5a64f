"""A reference backend that mlgit finds by name, for tests of whole commands."""

from __future__ import annotations

from pathlib import Path

from workspaces import write

_PACKAGE = "remote_backend"


def install_remote_backend(folder: Path) -> None:
    """Put a package with the entry point of the reference backend into a folder, for the path of Python."""
    write(
        folder,
        {
            f"{_PACKAGE}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {_PACKAGE}\nVersion: 1.0\n",
            f"{_PACKAGE}-1.0.dist-info/entry_points.txt": ("[mlgit.backends]\nremote = remote.backend_server:REMOTE\n"),
        },
    )
