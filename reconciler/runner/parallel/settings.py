"""The settings of a parallel step, as the runner writes them: paths are those of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

BYTES = "bytes"


class Settings(NamedTuple):
    """What a parallel step does. Times are in seconds, a threshold of -1 allows any number; None is no limit.

    ``folder`` is for the files of the step itself. ``append_to`` is the file that gets all results, "" for none.
    """

    folder: str
    entry_script: str
    input_path: str
    append_to: str
    mini_batch_size: int
    size_unit: str
    max_retries: int
    timeout: float
    concurrency: int | None
    logging_level: str
    mini_batch_error_threshold: int
    error_threshold: int
    allowed_failed_percent: float
    task_overhead_timeout: float
    first_task_creation_timeout: float
    progress_update_timeout: float | None

    @property
    def parts(self) -> Path:
        """The folder with the results of each mini-batch."""
        return Path(self.folder, "parts")


def read_settings(path: str) -> Settings:
    """Read settings.json."""
    return Settings(**json.loads(Path(path).read_text(encoding="utf-8")))
