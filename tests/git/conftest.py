"""Repositories on disk, opened and closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workspaces import git

from reconciler.git.repository import Repository, open_repository

Open = Callable[[Path], Repository]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Open a repository; closed when the test is over."""
    found: list[Repository] = []

    def open_one(folder: Path) -> Repository:
        found.append(open_repository(folder))
        return found[-1]

    yield open_one
    for each in found:
        each.close()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Make a repository without commits."""
    folder = tmp_path / "empty"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder
