"""Open MPI, whose mpirun tests of jobs with several processes of MPI need (Debian: openmpi-bin)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ALLREDUCE = Path(__file__).with_name("allreduce.py").read_text(encoding="utf-8")
"""A program whose ranks add up their numbers; with an argument, rank 1 aborts with that code."""


def find_missing() -> str:
    """Return what this machine lacks; "" for nothing, and where everything has to be there."""
    return "" if shutil.which("mpirun") or os.environ.get("CI") == "true" else "mpirun of openmpi-bin not installed"


needs_mpirun = pytest.mark.skipif(bool(find_missing()), reason=find_missing())
