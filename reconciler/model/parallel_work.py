"""How a parallel step works on files, as a task has it; the runner hands it to the program that does the work."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from reconciler.model.assets import Json


@dataclass(frozen=True, slots=True)
class ParallelWork:
    """How a parallel step works on the files of an input: in mini-batches, by calls of an entry script.

    ``input`` and ``output`` are names; what the calls return is appended to the output, in a file of ``file_name`` if
    it is a folder, "" for none. A mini-batch has so many files or bytes, by ``size_unit``. Times are in seconds; a
    threshold of -1 allows any number; None is what the machine has, or no limit.
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

    def to_json(self) -> dict[str, Json]:
        """Return the settings by name."""
        return asdict(self)
