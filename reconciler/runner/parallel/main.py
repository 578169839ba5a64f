"""The commands of the program: ``run SETTINGS ARGUMENTS``, an instance, and ``work SETTINGS FD ARGUMENTS``, a worker.

The first instance has the controller, the others do what it tells.
"""

from __future__ import annotations

import shutil
import socket
import sys
from functools import partial
from pathlib import Path

from .batches import list_items, make_batches
from .exchange import Exchange
from .instance import Instance
from .other_instance import OtherInstance
from .pool import Pool, ThisInstance
from .report import INFO, WARNING, Report, StepFailedError, write_failure
from .rows import join_parts
from .settings import Settings, read_settings
from .worker import work
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
        shutil.rmtree(settings.parts, ignore_errors=True)
    return 0


def _run_step(settings: Settings, this: ThisInstance, report: Report) -> None:
    items = list_items(settings.input_path)
    if not items:
        raise StepFailedError("the input has no files, so there is no mini-batch")
    batches = make_batches(items, settings.mini_batch_size, settings.size_unit)
    others = [
        OtherInstance(number, Exchange(settings.exchange_folder(number), is_controller=True))
        for number in range(1, settings.instances)
    ]
    where = f"on {settings.instances} instances" if others else f"{min(this.capacity, len(batches))} worker processes"
    report.write(INFO, f"{len(items)} files in {len(batches)} mini-batches, {where}")
    settings.parts.mkdir(parents=True, exist_ok=True)
    pool = Pool(settings, batches, [this, *others], report)
    pool.run()
    failed = pool.progress.failed
    if failed:
        report.write(WARNING, f"the results of {failed} of {len(batches)} mini-batches are missing: they failed")
    if settings.append_to:
        join_parts(settings.parts, sorted(pool.done), Path(settings.append_to))
