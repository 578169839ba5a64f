"""The commands of the program: ``run SETTINGS ARGUMENTS``, the controller, and ``work SETTINGS FD ARGUMENTS``."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

from .batches import list_items, make_batches
from .pool import Pool
from .report import INFO, WARNING, Report, StepFailedError, write_failure
from .rows import join_parts
from .settings import Settings, read_settings
from .worker import work
from .worker_process import Started, default_concurrency, start_worker


def main(command: list[str]) -> int:
    """Execute a command; return 0, or 1 for a step that has failed."""
    program, name, path, *rest = command
    settings = read_settings(path)
    if name == "work":
        with socket.socket(fileno=int(rest[0])) as channel:
            work(channel, settings, rest[1:])
        return 0
    report = Report(settings.logging_level)
    try:
        _run_step(settings, [sys.executable, program, "work", path], rest, report)
    except StepFailedError as error:
        report.write(WARNING, f"the step failed: {error}")
        write_failure(settings.folder, str(error))
        return 1
    finally:
        shutil.rmtree(settings.parts, ignore_errors=True)
    return 0


def _run_step(settings: Settings, worker: list[str], arguments: list[str], report: Report) -> None:
    items = list_items(settings.input_path)
    if not items:
        raise StepFailedError("the input has no files, so there is no mini-batch")
    batches = make_batches(items, settings.mini_batch_size, settings.size_unit)
    concurrency = settings.concurrency or default_concurrency()
    workers = min(concurrency, len(batches))
    report.write(INFO, f"{len(items)} files in {len(batches)} mini-batches, {workers} worker processes")
    settings.parts.mkdir(parents=True, exist_ok=True)

    def start() -> Started:
        return start_worker(worker, arguments)

    pool = Pool(settings, batches, start, report)
    pool.run(concurrency)
    failed = pool.progress.failed
    if failed:
        report.write(WARNING, f"the results of {failed} of {len(batches)} mini-batches are missing: they failed")
    if settings.append_to:
        join_parts(settings.parts, sorted(pool.done), Path(settings.append_to))
