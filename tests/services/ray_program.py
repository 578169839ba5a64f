"""Ray in an environment of its own (`make ray`), which tests of jobs with a cluster of their own need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = (Path(__file__).parent.parent.parent / "build/ray/bin").resolve()
"""Where its programs are."""
COUNT_NODES = Path(__file__).with_name("count_nodes.py").read_text(encoding="utf-8")
"""A program that prints what the cluster is, and on how many of its nodes tasks have run."""


def find_missing() -> str:
    """Return what this machine lacks; "" for nothing, and where everything has to be there."""
    has_ray = (FOLDER / "ray").exists() or os.environ.get("CI") == "true"
    return "" if has_ray else "Ray is not installed (make ray)"


needs_ray = pytest.mark.skipif(bool(find_missing()), reason=find_missing())
