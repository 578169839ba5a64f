"""A GitHub of this machine: a bare repository over HTTP, the REST API, and the workflows that `mlgit init` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from github_api import TOKEN, GithubApi, Request
from services import act, git_http
from services.act import Act, Run
from services.fixtures import need
from workspaces import SMALL, commit, git

from reconciler.cli.workflow_files import workflow_files

READ_TOKEN = "ghs_" + "r3Ad" * 9  # that of a pull request from a fork
HOST = "here"
LIVE = "refs/mlgit/small/default/live"
_USER = "x-access-token"


@dataclass
class Hub:
    """The repository octo/ml, a clone of it, and what happens on GitHub."""

    folder: Path
    api: GithubApi
    git: git_http.GitOverHttp
    read_only_git: git_http.GitOverHttp
    sent: int = 0  # requests to the API before the run that is looked at
    _seen: set[Path] = field(default_factory=set)

    @property
    def origin(self) -> Path:
        """The bare repository."""
        return self.folder / "srv/octo/ml"

    @property
    def clone(self) -> Path:
        """The clone in which the team works."""
        return self.folder / "clone"

    @property
    def storage(self) -> Path:
        """The folder with artifacts, caches and SARIF files."""
        return self.folder / "act/storage"

    def open_pull(self, number: int, files: Mapping[str, str], *, fork: str = "") -> str:
        """Push a branch with a change, and open a pull request; return its head."""
        branch = f"change-{number}"
        git(self.clone, "checkout", "--quiet", "-B", branch, "origin/main")
        head = commit(self.clone, f"change {number}", files)
        remote = f"refs/pull/{number}/head" if fork else f"refs/heads/{branch}"
        git(self.clone, "push", "--quiet", "--force", "origin", f"{head}:refs/pull/{number}/head", f"{head}:{remote}")
        self.api.add_pull(number, head, branch=branch, fork=fork)
        return head

    def merge_commit(self, number: int) -> str:
        """Return a merge of the pull request into main, made where GitHub makes it."""
        head = self.api.pulls[number]["head"]["sha"]
        git(self.clone, "fetch", "--quiet", "origin", "main")
        git(self.clone, "checkout", "--quiet", "--detach", "origin/main")
        git(self.clone, "merge", "--quiet", "--no-ff", "-m", f"Merge pull request {number}", head)
        sha = git(self.clone, "rev-parse", "HEAD")
        git(self.clone, "push", "--quiet", "--force", "origin", f"{sha}:refs/pull/{number}/merge")
        return sha

    def run_pull_request(self, number: int, **options: Any) -> Run:
        """Run the workflows for the merge commit of a pull request."""
        self.merge_commit(number)
        pull = self.api.pulls[number]
        fork = pull["head"]["repo"]["full_name"]
        run_id = self.api.add_run(
            pull["head"]["sha"], branch=pull["head"]["ref"], fork=fork, status="in_progress", conclusion=None
        )
        payload = {"action": "synchronize", "number": number, "pull_request": pull}
        is_fork = fork != self.api.repository
        run = self._run("pull_request", payload, f"refs/pull/{number}/merge", run_id, is_fork=is_fork, **options)
        conclusion = "failure" if run.code else "success"
        self.api.runs[run_id].update(status="completed", conclusion=conclusion)
        return run

    def merge(self, number: int) -> str:
        """Merge a pull request into main, and push it."""
        sha = self.merge_commit(number)
        git(self.clone, "push", "--quiet", "origin", f"{sha}:refs/heads/main")
        self.api.refs["heads/main"] = sha
        self.api.merge(number, sha)
        return sha

    def run_push(self, **options: Any) -> Run:
        """Run the workflows for the newest commit of main."""
        git(self.clone, "fetch", "--quiet", "origin", "main")
        git(self.clone, "checkout", "--quiet", "--detach", "origin/main")
        sha = git(self.clone, "rev-parse", "HEAD")
        payload = {"ref": "refs/heads/main", "after": sha, "before": "0" * 40, "deleted": False}
        run_id = self.api.add_run(sha, branch="main", event="push", status="in_progress", conclusion=None)
        return self._run("push", payload, "refs/heads/main", run_id, **options)

    def run_event(self, event: str, payload: Mapping[str, Any], ref: str = "refs/heads/main", **options: Any) -> Run:
        """Run the workflows for another event, at the commit that is checked out."""
        sha = git(self.clone, "rev-parse", "HEAD")
        run_id = self.api.add_run(sha, branch=ref.removeprefix("refs/heads/"), event=event)
        return self._run(event, payload, ref, run_id, **options)

    def _run(
        self, event: str, payload: Mapping[str, Any], ref: str, run_id: int, *, is_fork: bool = False, **options: Any
    ) -> Run:
        self.sent = len(self.api.requests)
        server = self.read_only_git if is_fork else self.git
        repository = self.api._repo(self.api.repository)
        return Act(self.folder / "act", f"http://127.0.0.1:{server.port}/git", self.api.url, self.api.repository).run(
            self.clone,
            event,
            {**payload, "repository": repository},
            ref=ref,
            token=READ_TOKEN if is_fork else TOKEN,
            run_id=run_id,
            environment={"MLGIT_HOST": HOST, **options.pop("environment", {})},
            **options,
        )

    def add_new_artifacts(self, _: Request | None = None) -> None:
        """Let the API have the artifacts that jobs have uploaded."""
        for folder in sorted(self.storage.glob("artifacts/*/*")):
            if folder not in self._seen and folder.suffix != ".new":
                self._seen.add(folder)
                files = {path.name: path.read_bytes() for path in folder.iterdir()}
                self.api.add_artifact(int(folder.parent.name), files, folder.name)

    def live(self) -> str:
        """Return the commit of the live state at the remote, "" for none."""
        return git(self.origin, "for-each-ref", "--format=%(objectname)", LIVE)

    def requests(self, pattern: str) -> list[Request]:
        """Return the requests to the API of the last run whose ``METHOD /path`` a pattern finds."""
        return [request for request in self.api.sent(pattern) if request in self.api.requests[self.sent :]]


@pytest.fixture
def hub(tmp_path: Path, github_api: GithubApi) -> Iterator[Hub]:
    """Make the repository with the small workspace on main, and nothing applied yet."""
    need(act.MISSING or git_http.MISSING)
    origin = tmp_path / "srv/octo/ml"
    origin.parent.mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "--bare", str(origin))
    git(tmp_path, "clone", "--quiet", f"file://{origin}", "clone")
    settings = f"""
        state: {{name: small, lineage: "{"1" * 32}", remote: origin}}
        store: {{path: {tmp_path}/store, host: {HOST}}}
        backends: {{local: {{type: local, host: {HOST}}}}}
        compute: {{"*": local}}
        assets: {{include: [{{glob: "**/*.yml", run: on-change}}], exclude: [.github/]}}
        """
    for path, content in workflow_files(act.ACTIONS).items():
        (tmp_path / "clone" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / path).write_bytes(content)
    sha = commit(tmp_path / "clone", "start", {**SMALL, "mlgit.yml": settings})
    git(tmp_path / "clone", "push", "--quiet", "origin", "HEAD:main")
    github_api.refs["heads/main"] = sha
    with ExitStack() as stack:
        servers = [
            stack.enter_context(git_http.GitOverHttp(tmp_path / name, tmp_path / "srv", {_USER: token}, writer=writer))
            for name, token, writer in [("http", TOKEN, _USER), ("http-read-only", READ_TOKEN, "nobody")]
        ]
        hub = Hub(tmp_path, github_api, *servers)
        github_api.before = hub.add_new_artifacts
        yield hub
