"""Large content goes through in streams: no process has as much memory as one file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parent.parent.parent / "benchmarks" / "memory.py"
LIMIT = 200  # megabytes

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc to read a peak from")


def peaks_of(megabytes: int, folder: Path) -> dict[str, float]:
    """Return the peak of each process that a file goes through."""
    command = [sys.executable, str(BENCHMARK), "--megabytes", str(megabytes), "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peaks: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return peaks


@needs_proc
@pytest.mark.services
@pytest.mark.slow
def test_a_file_goes_into_the_store_through_a_run_and_out_with_less_memory_than_it_has(tmp_path):
    peaks = peaks_of(300, tmp_path)
    assert peaks.keys() == {"plan", "apply", "git", "runner", "put", "export"}
    assert {name: peak for name, peak in peaks.items() if peak > LIMIT} == {}


@needs_proc
@pytest.mark.soak
def test_five_gibibytes_take_no_more_memory(tmp_path):
    if shutil.disk_usage(tmp_path).free < 40 << 30:
        pytest.skip("it takes 40 GB on the disk")
    assert {name: peak for name, peak in peaks_of(5120, tmp_path).items() if peak > LIMIT} == {}
