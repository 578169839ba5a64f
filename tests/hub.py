"""A GitHub of this machine: a bare repository over HTTP, the REST API, and the events that start workflows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from github_api import TOKEN, GithubApi, Request
from services import git_http
from services.act import Act, Run
from workspaces import SMALL, commit, git, until

READ_TOKEN = "ghs_" + "r3Ad" * 9  # that of a pull request from a fork
HOST = "here"
LIVE = "refs/mlgit/small/default/live"
USER = "x-access-token"


def settings(folder: Path) -> str:
    """Return mlgit.yml of a workspace whose store and jobs are on this machine."""
    return f"""
        state: {{name: small, lineage: "{"1" * 32}", remote: origin}}
        store: {{path: {folder}/store, host: {HOST}}}
        backends: {{local: {{type: local, host: {HOST}}}}}
        compute: {{"*": local}}
        assets: {{include: [{{glob: "**/*.yml", run: on-change}}], exclude: [.github/]}}
        """


def assets(folder: Path) -> dict[str, str]:
    """Return the assets of the small workspace; its job counts its executions, and ends once a file says so."""
    code = """
        import time
        open({count!r}, 'a').write('once\\n')
        while not pathlib.Path({gate!r}).exists():
            time.sleep(0.1)
        """.format(count=str(folder / "executions"), gate=str(folder / "gate"))
    files = {path: text for path, text in SMALL.items() if path != "mlgit.yml"}
    return {**files, "src/sum.py": f"{files['src/sum.py'].rstrip()}{code}"}


@dataclass
class Hub:
    """The repository octo/ml, a clone of it, and what happens on GitHub."""

    folder: Path
    act_cache: Path
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
        refs = [f"refs/pull/{number}/head", *([] if fork else [f"refs/heads/{branch}"])]
        git(self.clone, "push", "--quiet", "--force", "origin", *(f"{head}:{ref}" for ref in refs))
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

    def run_merge_group(self, number: int) -> Run:
        """Run the workflows for what a merge queue would merge: the commit that is checked out."""
        sha, base = git(self.clone, "rev-parse", "HEAD"), self.api.refs["heads/main"]
        ref = f"refs/heads/gh-readonly-queue/main/pr-{number}-{base}"
        git(self.clone, "push", "--quiet", "--force", "origin", f"HEAD:{ref}")
        group = {"head_sha": sha, "head_ref": ref, "base_sha": base, "base_ref": "refs/heads/main"}
        return self.run_event("merge_group", {"action": "checks_requested", "merge_group": group}, ref)

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
        self.api.commit_pulls.setdefault(sha, [])
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
        url = f"http://127.0.0.1:{server.port}/git"
        return Act(self.folder / "act", self.act_cache, url, self.api.url, self.api.repository).run(
            self.clone,
            event,
            {**payload, "repository": repository},
            ref=ref,
            token=READ_TOKEN if is_fork else TOKEN,
            run_id=run_id,
            workflow={"schedule": "mlgit-schedule.yml", "workflow_run": "mlgit-forks.yml"}.get(event, "mlgit.yml"),
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

    def executions(self) -> int:
        """Return how often the job was executed."""
        path = self.folder / "executions"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def open_gate(self) -> None:
        """Let the job end, and wait until it has."""
        (self.folder / "gate").touch()
        until(lambda: list(self.folder.glob("store/runs/*/result.json")))

    def live(self) -> str:
        """Return the commit of the live state at the remote, "" for none."""
        return git(self.origin, "for-each-ref", "--format=%(objectname)", LIVE)

    def requests(self, pattern: str) -> list[Request]:
        """Return the requests to the API of the last run whose ``METHOD /path`` a pattern finds."""
        return [request for request in self.api.sent(pattern) if request in self.api.requests[self.sent :]]
