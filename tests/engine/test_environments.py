"""Environments: built once for all workspaces with the same definition; a failed build fails only what needs it."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator

import pytest
from workspaces import APPLY, SMALL, commit, edit, git

pytestmark = pytest.mark.slow


@pytest.fixture
def empty_index(monkeypatch, tmp_path) -> Iterator[None]:
    """Serve an empty package index."""
    empty = tmp_path / "index"
    empty.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is called above
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(empty))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield
        server.shutdown()


def test_a_package_that_does_not_exist_fails_only_what_needs_it(workspace, empty_index, mlgit, run_json, golden):
    edit(workspace.folder, "environments/plain.yml", '"python>=3.11"', '"python>=3.11", {pip: [scikit-lern]}')
    commit(workspace.folder)
    result = mlgit(*APPLY, cwd=workspace.folder)
    assert result.code == 1
    golden("cli/errors/package-not-found.txt", result.out + result.err)
    assert [asset["address"] for asset in run_json(workspace.folder, "list")] == ["data/numbers", "workspace/small"]
    assert run_json(workspace.folder, "job", "list") == []
    assert workspace.executions() == []
    edit(workspace.folder, "environments/plain.yml", ", {pip: [scikit-lern]}", "")
    commit(workspace.folder)
    assert mlgit(*APPLY, cwd=workspace.folder).code == 0
    assert len(workspace.executions()) == 1


def test_a_second_workspace_uses_the_environment_of_the_first(small, mlgit, tmp_path, monkeypatch):
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "cache"))
    first = mlgit(*APPLY, cwd=small)
    assert "environment/plain: installing" in first.out
    built = list((tmp_path / "cache" / "environments").rglob("pyvenv.cfg"))
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    commit(
        other, "start", {**SMALL, "mlgit.yml": SMALL["mlgit.yml"].replace("small", "other").replace("1" * 32, "2" * 32)}
    )
    second = mlgit(*APPLY, cwd=other)
    assert second.code == 0, second.err
    assert "environment/plain: already built on this machine, Python " in second.out
    assert "installing" not in second.out
    assert list((tmp_path / "cache" / "environments").rglob("pyvenv.cfg")) == built
    assert len(built) == 1


def test_an_environment_removed_from_the_cache_is_built_again_for_the_next_run(applied, mlgit, tmp_path, monkeypatch):
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "fresh-cache"))
    assert mlgit("plan", cwd=applied).out.startswith("No changes. ")
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    result = mlgit(*APPLY, cwd=applied)
    assert result.code == 0, result.err
    assert "installing" in result.out
