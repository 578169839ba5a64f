"""How a parallel step works on files or rows, as a task has it; the runner hands it to the program that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from reconciler.model.assets import Json

ROWS, FILES = "rows", "files"
_OF_TABLES = frozenset({"partition_keys", "form", "table"})


@dataclass(frozen=True, slots=True)
class ParallelWork:
    """How a parallel step works on an input: in mini-batches, by calls of an entry script.

    ``input`` and ``output`` are names; what the calls return is appended to the output, in a file of ``file_name`` if
    it is a folder, "" for none. A mini-batch has so many files or bytes, by ``size_unit``, which is "" if no size is
    given for a table; or what has the same values of ``partition_keys``. Times are in seconds; a threshold of -1 allows
    any number; None is what the machine has, or no limit.

    ``form`` is ``rows`` for an input that is a table with rows, and ``files`` for one whose files are listed; "" for an
    input that is no MLTable. The ``table`` is known when the step is submitted: its files, and the steps of its rows.
    """

    entry_script: str
    input: str
    output: str = ""
    file_name: str = "parallel_run_step.txt"
    mini_batch_size: int = 1
    size_unit: str = "files"
    max_retries: int = 2
    timeout: float = 60
    concurrency: int | None = None
    logging_level: str = "INFO"
    mini_batch_error_threshold: int = -1
    error_threshold: int = -1
    allowed_failed_percent: float = 100
    task_overhead_timeout: float = 600
    first_task_creation_timeout: float = 600
    progress_update_timeout: float | None = None
    partition_keys: tuple[str, ...] = ()
    form: str = ""
    table: Json | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the settings by name; those of tables only if there is one, so that the others are as they were."""
        return {name: value for name, value in asdict(self).items() if name not in _OF_TABLES or value}

    @classmethod
    def from_json(cls, document: Mapping[str, Json]) -> ParallelWork:
        """Return the settings of a document."""
        return cls(**{**document, "partition_keys": tuple(document.get("partition_keys", ()))})
