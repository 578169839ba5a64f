"""Processes that read for another end when they are told to, whatever that one does with signals, and say nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

# Reads again and again while signals are kept for later, once breaking off in the middle.
_KEEPING = """
from reconciler.engine.signals import GracefulShutdown
from reconciler.source.workers import fork_pool

def begin():
    pass

with GracefulShutdown().handle_signals():
    for _ in range(20):
        with fork_pool(begin) as pool:
            assert pool.map(abs, range(-50, 0)) == [*range(50, 0, -1)]
    try:
        with fork_pool(begin) as pool:
            pool.imap(__import__("time").sleep, [60] * 9)
            1 / 0
    except ZeroDivisionError:
        print("broken off")
"""
_READING = """
from reconciler.source.workers import fork_pool
import time

def begin():
    print("begun", flush=True)

try:
    with fork_pool(begin) as pool:
        for _ in pool.imap(time.sleep, [0.01] * 10_000):
            pass
except KeyboardInterrupt:
    print("interrupted")
"""


def test_they_end_though_signals_are_kept_for_later():
    ended = subprocess.run([sys.executable, "-c", _KEEPING], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "broken off\n", "")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_they_say_nothing_of_a_ctrl_c_that_their_terminal_sends_to_all():
    reading = subprocess.Popen(
        [sys.executable, "-c", _READING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert "begun" in reading.stdout.readline()
    time.sleep(0.1)
    os.killpg(reading.pid, signal.SIGINT)
    out, said = reading.communicate(timeout=30)
    assert out.endswith("interrupted\n")
    assert said == ""
