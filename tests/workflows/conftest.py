"""The repository that the workflows of `mlgit init` run in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from github_api import TOKEN, GithubApi
from hub import READ_TOKEN, USER, Hub, settings
from services import act, git_http
from services.fixtures import need
from workspaces import commit, git

from reconciler.cli.workflow_files import workflow_files


@pytest.fixture(scope="session")
def act_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for what act keeps from run to run, as a runner of one's own does: mlgit is installed once."""
    return tmp_path_factory.mktemp("act-cache")


@pytest.fixture
def hub(tmp_path: Path, act_cache: Path, github_api: GithubApi) -> Iterator[Hub]:
    """Make the repository, with no asset yet."""
    need(act.MISSING or git_http.MISSING)
    origin = tmp_path / "srv/octo/ml"
    origin.parent.mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "--bare", str(origin))
    git(tmp_path, "clone", "--quiet", f"file://{origin}", "clone")
    for path, content in workflow_files(act.ACTIONS).items():
        (tmp_path / "clone" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / path).write_bytes(content)
    sha = commit(tmp_path / "clone", "start", {"mlgit.yml": settings(tmp_path)})
    git(tmp_path / "clone", "push", "--quiet", "origin", "HEAD:main")
    github_api.refs["heads/main"] = sha
    github_api.read_token = READ_TOKEN
    with ExitStack() as stack:
        servers = [
            stack.enter_context(git_http.GitOverHttp(tmp_path / name, tmp_path / "srv", {USER: token}, writer=writer))
            for name, token, writer in [("http", TOKEN, USER), ("http-read-only", READ_TOKEN, "nobody")]
        ]
        hub = Hub(tmp_path, act_cache, github_api, *servers)
        github_api.before = hub.add_new_artifacts
        yield hub
        (tmp_path / "gate").touch()  # a job that still waits ends
