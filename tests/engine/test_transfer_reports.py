"""What an apply says of transfers: nothing of short ones, and a line now and then of long ones."""

from __future__ import annotations

import pytest

from reconciler.engine.transfer_reports import transfer_reporter
from reconciler.model.transfers import TransferProgress, listen_to_transfers, transfer_listener

pytestmark = pytest.mark.fast


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_a_long_transfer_is_reported_with_its_files_bytes_and_rate():
    clock, lines = Clock(), []
    report = transfer_reporter(lambda read: lines.append(str(read())), clock)
    for second in range(5):
        clock.seconds = second
        report(TransferProgress("uploading", second, 1000, second * 2_000_000, 2_000_000_000))
    assert lines[0] == "uploading 1 of 1,000 files, 2.0 MB of 2.0 GB, 2.0 MB/s"
    assert len(lines) == 4


def test_how_far_a_transfer_is_can_be_read_at_any_time():
    clock, reads = Clock(), []
    report = transfer_reporter(reads.append, clock)
    for second in (0, 2):
        clock.seconds = second
        report(TransferProgress("uploading", 0, 2, second * 1_000_000, 8_000_000))
    (read,) = reads
    clock.seconds = 4
    assert str(read()) == "uploading 0 of 2 files, 2.0 MB of 8.0 MB, 500.0 kB/s", "it came to a halt"
    report(TransferProgress("uploading", 2, 2, 8_000_000, 8_000_000))
    clock.seconds = 100
    assert str(read()) == "uploading 2 of 2 files, 8.0 MB of 8.0 MB, 2.0 MB/s", "it has ended"


def test_waiting_is_reported_without_files_and_bytes():
    clock, lines = Clock(), []
    report = transfer_reporter(lambda read: lines.append(str(read())), clock)
    for tenth in range(15):
        clock.seconds = tenth / 10
        report(TransferProgress("waiting until the end", 0, 0, 0, 0))
    assert lines == ["waiting until the end"]


def test_a_short_transfer_is_not_reported_and_a_long_one_not_all_the_time():
    clock, lines = Clock(), []
    report = transfer_reporter(lambda read: lines.append(str(read())), clock)
    report(TransferProgress("uploading", 1, 1, 1, 1))
    clock.seconds = 0.5
    report(TransferProgress("downloading", 0, 2, 1, 2))
    assert lines == []
    for tenth in range(36_000):
        clock.seconds = tenth / 10
        report(TransferProgress("downloading", 0, 2, tenth, 36_000))
    assert len(lines) < 200


def test_only_the_transfers_of_its_thread_are_told_to_a_listener():
    heard = []
    progress = TransferProgress("uploading", 0, 1, 0, 1)
    with listen_to_transfers(heard.append):
        transfer_listener()(progress)
    transfer_listener()(progress)
    assert heard == [progress]
