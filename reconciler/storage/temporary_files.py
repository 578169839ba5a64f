"""Files of a store in a folder that are not complete yet; a later process removes those of one that was killed."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from pathlib import Path

ABANDONED_SECONDS = 86400.0  # since a file was last written to: no transfer that goes on is silent for a day


class TemporaryFiles:
    """The folder ``tmp`` of a store, which is on the same disk as its objects."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "tmp"
        self._is_clean = False

    def make_path(self) -> Path:
        """Return a path to write to; the first call removes what was abandoned. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._is_clean:
            self._is_clean = True
            self.remove_abandoned()
        return self._folder / uuid.uuid4().hex

    def remove_abandoned(self) -> None:
        """Remove what nobody has written to for a day."""
        before = time.time() - ABANDONED_SECONDS
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                with suppress(OSError):  # it has gone meanwhile, or it is another user's, who removes it
                    if path.stat().st_mtime < before:
                        path.unlink()
