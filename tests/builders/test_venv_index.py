"""The index files of the builder venv, which another version of mlgit may have written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.builders._venv import VenvBuilder
from reconciler.model.builder import BuildPlan
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow

_PLAN = BuildPlan("environment/x", "f" * 64, requires_python="", packages=(), lock="")
_STORE = FolderStore(Path("unused"))  # the builder stores nothing


def ignore(_: str) -> None:
    pass


def test_an_index_that_lacks_any_field_is_written_again(tmp_path: Path) -> None:
    builder = VenvBuilder(tmp_path)
    built = builder.build(_PLAN, _STORE, ignore)
    (path,) = tmp_path.rglob("by-fingerprint/*.json")
    complete = json.loads(path.read_text("utf-8"))
    for name in complete:
        path.write_text(json.dumps({key: value for key, value in complete.items() if key != name}), "utf-8")
        assert builder.find(_PLAN.fingerprint) is None, name
        assert builder.build(_PLAN, _STORE, ignore) == built
        assert json.loads(path.read_text("utf-8")) == complete
