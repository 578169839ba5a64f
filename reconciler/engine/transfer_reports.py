"""The transfers of an action as its progress: a line now and then, with what tells at any time how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.model.transfers import OnTransfer, ReadTransfer, RunningTransfer, TransferProgress

_FIRST_SECONDS = 1.0  # what takes less is not reported
_SHARE = 0.05  # of the time so far that passes until the next line: an hour has not many more of them than a minute
_MIN_SECONDS = 0.5


def transfer_reporter(
    report_transfer: Callable[[ReadTransfer], None], now: Callable[[], float] = time.monotonic
) -> OnTransfer:
    """Return a function of the progress of transfers that reports now and then that one goes on."""
    started_at = last_at = now()
    next_at, last = started_at + _FIRST_SECONDS, TransferProgress("", 0, 0, 0, 0)

    def read() -> RunningTransfer:
        ends_at = last_at if last.done >= last.size else now()  # the rate of what is done stays as it was
        return RunningTransfer(last, ends_at - started_at)

    def report(progress: TransferProgress) -> None:
        nonlocal started_at, last_at, next_at, last
        is_another = (progress.verb, progress.total_files) != (last.verb, last.total_files) or progress.done < last.done
        last, current = progress, now()
        last_at = current
        if is_another:
            started_at, next_at = current, current + _FIRST_SECONDS
        elif current >= next_at:
            next_at = current + max(_MIN_SECONDS, (current - started_at) * _SHARE)
            report_transfer(read)

    return report
