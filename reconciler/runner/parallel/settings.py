"""The settings of a parallel step, as the runner writes them: paths are those of this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

BYTES = "bytes"
_INSTANCE_VARIABLE = "AZUREML_CR_NODE_RANK"  # as ``runner.distribution`` sets it


class Table(NamedTuple):
    """The table of an input: its files by their paths in the folder of the input, and the steps that make its rows.

    A step is its name with its arguments; that which reads comes first. Without one, the mini-batches have files.
    ``needs_mltable`` says what only the package mltable does, "" for nothing.
    """

    files: Sequence[str]
    steps: Sequence[tuple[str, Any]]
    needs_mltable: str = ""
    has_rows: bool = True


class Settings(NamedTuple):
    """What a parallel step does. Times are in seconds, a threshold of -1 allows any number; None is no limit.

    ``folder`` is for the files of the step itself. ``append_to`` is the file that gets all results, "" for none.
    ``concurrency`` is for each of the ``instances``, of which each is a machine, or all are this one. The input is
    divided by ``partition_keys``, columns of its table, or by size.
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
    partition_keys: Sequence[str] = ()
    table: Table | None = None

    @property
    def has_rows(self) -> bool:
        """True if the mini-batches have rows of a table, and no files."""
        return self.table is not None and self.table.has_rows

    @property
    def rows(self) -> Path:
        """The folder with the rows of each mini-batch."""
        return Path(self.folder, "rows")

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
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    table = document.pop("table", None)
    return Settings(**document, table=Table(**table) if table else None)
