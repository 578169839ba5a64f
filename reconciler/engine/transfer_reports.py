"""The transfers of an action as its progress: files, bytes and rate, in one line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.abbreviation import format_size
from reconciler.model.builder import ReportProgress
from reconciler.model.transfers import OnTransfer, TransferProgress

_FIRST_SECONDS = 1.0  # what takes less is not reported
_SHARE = 0.05  # of the time so far that passes until the next line: an hour has not many more of them than a minute
_MIN_SECONDS = 0.5


def transfer_reporter(report_progress: ReportProgress, now: Callable[[], float] = time.monotonic) -> OnTransfer:
    """Return a function of the progress of transfers that reports some of it as text."""
    started_at = now()
    next_at, last = started_at + _FIRST_SECONDS, TransferProgress("", 0, 0, 0, 0)

    def report(progress: TransferProgress) -> None:
        nonlocal started_at, next_at, last
        is_another = (progress.verb, progress.total_files) != (last.verb, last.total_files) or progress.done < last.done
        last, current = progress, now()
        if is_another:
            started_at, next_at = current, current + _FIRST_SECONDS
        elif current >= next_at:
            next_at = current + max(_MIN_SECONDS, (current - started_at) * _SHARE)
            report_progress(format_transfer(progress, current - started_at))

    return report


def format_transfer(progress: TransferProgress, seconds: float) -> str:
    """Return a line such as ``uploading 3 of 10 files, 12.0 MB of 40.0 MB, 4.0 MB/s``; of waiting, for what."""
    if not progress.total_files:
        return progress.verb
    rate = format_size(round(progress.done / seconds)) if seconds else "0 B"
    return f"{progress}, {rate}/s"
