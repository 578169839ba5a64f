"""The settings of a parallel step, as the runner writes them: paths are those of this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

BYTES = "bytes"
_INSTANCE_VARIABLE = "AZUREML_CR_NODE_RANK"  # as ``runner.distribution`` sets it


class Settings(NamedTuple):
    """What a parallel step does. Times are in seconds, a threshold of -1 allows any number; None is no limit.

    ``folder`` is for the files of the step itself. ``append_to`` is the file that gets all results, "" for none.
    ``concurrency`` is for each of the ``instances``, of which each is a machine, or all are this one.
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
    instances: int = 1

    @property
    def parts(self) -> Path:
        """The folder with the results of each mini-batch."""
        return Path(self.folder, "parts")

    @property
    def instance(self) -> int:
        """The number of this instance; the first one has the controller."""
        return int(os.environ[_INSTANCE_VARIABLE]) if self.instances > 1 else 0

    def exchange_folder(self, instance: int) -> Path:
        """Return the folder in which the controller and an instance exchange messages; the runner makes it."""
        return Path(self.folder, "instances", str(instance))


def read_settings(path: str) -> Settings:
    """Read settings.json."""
    return Settings(**json.loads(Path(path).read_text(encoding="utf-8")))
