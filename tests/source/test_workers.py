"""Worker processes end when the pool or its parent ends, whatever the parent does with signals, and print nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from reconciler.source import workers
from reconciler.source.workers import core_count, worker_count

needs_two_workers = pytest.mark.skipif(worker_count() < 2, reason="needs two cores, and processes that may fork")

# Uses a pool again and again while signals are deferred, and once aborts it.
_DEFER_SIGNALS = """
from reconciler.engine.signals import GracefulShutdown
from reconciler.source.workers import fork_pool

def init():
    pass

with GracefulShutdown().handle_signals():
    for _ in range(20):
        with fork_pool(init) as pool:
            assert pool.map(abs, range(-50, 0)) == [*range(50, 0, -1)]
    try:
        with fork_pool(init) as pool:
            pool.imap(__import__("time").sleep, [60] * 9)
            1 / 0
    except ZeroDivisionError:
        print("aborted")
"""
_WORK = """
from reconciler.source.workers import fork_pool
import time

def init():
    print("started", flush=True)

try:
    with fork_pool(init) as pool:
        for _ in pool.imap(time.sleep, [0.01] * 10_000):
            pass
except KeyboardInterrupt:
    print("interrupted")
"""


def test_workers_end_although_their_parent_defers_signals():
    command = [sys.executable, "-c", _DEFER_SIGNALS]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "aborted\n", "")


@needs_two_workers
def test_workers_print_nothing_when_the_terminal_sends_ctrl_c_to_all():
    process = subprocess.Popen(
        [sys.executable, "-c", _WORK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "started" in process.stdout.readline()
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert out.endswith("interrupted\n")
    assert err == ""


def test_cores_are_counted_on_systems_without_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert core_count() == os.cpu_count()


def test_one_process_does_the_work_on_systems_where_forking_is_unsafe(monkeypatch):
    monkeypatch.setattr(workers.sys, "platform", "darwin")
    assert worker_count() == 1
