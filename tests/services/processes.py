"""Services of the tests that are one process each: started on a port of 127.0.0.1, ended by their number."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.ports import until_answers


class Service:
    """A process that listens on a port, and its log."""

    def __init__(
        self,
        command: Sequence[str | Path],
        folder: Path,
        port: int,
        environment: Mapping[str, str],
        seconds: float = 60,
    ) -> None:
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                list(map(str, command)),
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # smbd ends all processes of its group
            )
        until_answers(port, self._process, seconds)

    def stop(self) -> None:
        """Stop."""
        self._process.terminate()
        try:
            self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(120)
