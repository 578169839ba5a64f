"""The paths of folders are resolved as `os.path.realpath` does, each folder once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.source.roots import RealFolders

NAMES = ["a", "b", "link", "up", "circle", "dangling", "file", "absolute", "missing", ".", "..", ""]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Make folders with links of all kinds in them, at two depths."""
    top = Path(os.path.realpath(tmp_path_factory.mktemp("tree")))
    for folder in (top, top / "a", top / "a" / "b"):
        folder.mkdir(exist_ok=True)
        (folder / "b").mkdir(exist_ok=True)
        (folder / "file").touch()
        links = {"link": "b", "up": "..", "circle": "circle", "dangling": "nowhere/x", "absolute": str(top / "a")}
        for name, target in links.items():
            (folder / name).symlink_to(target)
    return top


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=st.lists(st.lists(st.sampled_from(NAMES), max_size=6), min_size=1, max_size=4))
def test_a_folder_is_resolved_as_realpath_does_whatever_was_resolved_before(tree, paths):
    folders = RealFolders()
    for names in paths:
        path = "/".join([str(tree), *names])
        assert folders.resolve(path) == os.path.realpath(path) or leads_through_circle(path)


def leads_through_circle(path: str) -> bool:
    """Return True if the system refuses a path; what `os.path.realpath` returns for it is no path without links."""
    try:
        Path(path).stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def test_the_top_of_the_file_system_is_resolved_to_itself():
    assert RealFolders().resolve("/") == "/"
