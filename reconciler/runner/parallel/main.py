"""The commands of the program: ``run SETTINGS ARGUMENTS``, an instance, and ``work SETTINGS FD ARGUMENTS``, a worker.

The first instance has the controller, the others do what it tells.
"""

from __future__ import annotations

import shutil
import socket
import sys
import traceback
from functools import partial
from pathlib import Path

from .batches import MiniBatch, divide_files
from .exchange import Exchange
from .instance import Instance
from .other_instance import OtherInstance
from .pool import Pool, ThisInstance
from .report import INFO, WARNING, Report, StepFailedError, write_failure
from .row_batches import divide_rows
from .rows import join_parts
from .settings import Settings, read_settings
from .text_tables import TableError
from .worker import describe_error, work
from .worker_process import default_concurrency, start_worker


def main(command: list[str]) -> int:
    """Execute a command; return 0, or 1 for a step that has failed."""
    program, name, path, *rest = command
    settings = read_settings(path)
    if name == "work":
        with socket.socket(fileno=int(rest[0])) as channel:
            work(channel, settings, rest[1:])
        return 0
    start = partial(start_worker, [sys.executable, program, "work", path], rest)
    concurrency = settings.concurrency or default_concurrency()
    if number := settings.instance:
        Instance(Exchange(settings.exchange_folder(number), is_controller=False), start).run(concurrency)
        return 0
    report = Report(settings.logging_level)
    try:
        _run_step(settings, ThisInstance(start, concurrency), report)
    except StepFailedError as error:
        report.write(WARNING, f"the step failed: {error}")
        write_failure(settings.folder, str(error))
        return 1
    finally:
        for folder in (settings.parts, settings.rows):
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _run_step(settings: Settings, this: ThisInstance, report: Report) -> None:
    batches = _divide(settings, report)
    unit = "rows" if settings.has_rows else "files"
    if not batches:
        raise StepFailedError(f"the input has no {unit}, so there is no mini-batch")
    others = [
        OtherInstance(number, Exchange(settings.exchange_folder(number), is_controller=True))
        for number in range(1, settings.instances)
    ]
    where = f"on {settings.instances} instances" if others else f"{min(this.capacity, len(batches))} worker processes"
    count = sum(batch.rows or len(batch.items) for batch in batches)
    report.write(INFO, f"{count} {unit} in {len(batches)} mini-batches, {where}")
    settings.parts.mkdir(parents=True, exist_ok=True)
    pool = Pool(settings, batches, [this, *others], report)
    pool.run()
    failed = pool.progress.failed
    if failed:
        report.write(WARNING, f"the results of {failed} of {len(batches)} mini-batches are missing: they failed")
    if settings.append_to:
        join_parts(settings.parts, sorted(pool.done), Path(settings.append_to))


def _divide(settings: Settings, report: Report) -> list[MiniBatch]:
    """Return the mini-batches; raises StepFailedError for a table that cannot be read."""
    try:
        return divide_rows(settings, report) if settings.has_rows else divide_files(settings)
    except TableError as error:
        raise StepFailedError(str(error)) from error
    except Exception as error:
        if not settings.has_rows:
            raise
        traceback.print_exc()
        raise StepFailedError(
            f"the table cannot be read: {describe_error(error, 'before the first mini-batch')}"
        ) from error
