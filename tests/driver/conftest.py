"""Fixtures: a machine with a store, whose drivers end with the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from driver.graphs import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    for handle in site.submitted:
        site.driver.cancel(handle)
        site.wait(handle)
