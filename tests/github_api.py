"""GitHub's REST API on 127.0.0.1: what a request stores the next one sees, and GitHub's description judges each one.

``GithubApi`` is one repository: pull requests, comments, workflow runs, artifacts, issues, Git objects. ``serve``
answers for it. ``faults`` makes the next matching requests fail. A request that GitHub's description does not allow
gets 422, and is in ``violations``, which the fixture `github_api` expects to be empty. Answers are GitHub's
own examples with what is stored in their fields.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from services import github_openapi

REPO = "/repos/{owner}/{repo}"
TOKEN = "ghs_" + "a1B2" * 9
BOT = "github-actions[bot]"
Answer = tuple[int, Any]


@dataclass
class Fault:
    """What the next ``times`` requests get whose ``METHOD /path`` the pattern finds, after ``after`` others.

    ``kind``: 502, dropped, dropped-after (done, but the answer is lost), forbidden, secondary (with Retry-After) and
    primary rate limit, secondary-429, primary-429, unauthorized, or gone (404).
    """

    pattern: str
    kind: str
    times: int = 1
    after: int = 0
    wait: int = 1
    message: str = "Resource not accessible by integration"

    def is_hit(self, line: str) -> bool:
        if not re.search(self.pattern, line) or self.times == 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1
        return True

    def answer(self) -> tuple[int, Mapping[str, str], Any]:
        reset = {
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Limit": "60",
            "X-RateLimit-Reset": f"{time.time() + self.wait:.0f}",
        }
        secondary = {
            "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        }
        return {
            "502": (502, {}, {"message": "Server Error"}),
            "forbidden": (403, {}, {"message": self.message}),
            "unauthorized": (401, {}, {"message": "Bad credentials"}),
            "secondary": (403, {"Retry-After": str(self.wait)}, secondary),
            "secondary-429": (429, {"Retry-After": str(self.wait)}, secondary),
            "primary": (403, reset, {"message": "API rate limit exceeded for installation ID 1."}),
            "primary-429": (429, reset, {"message": "API rate limit exceeded for installation ID 1."}),
            "gone": (404, {}, {"message": "Not Found"}),
        }[self.kind]


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    body: Any
    authorization: str


@dataclass
class GithubApi:
    """What one repository has; fields are GitHub's JSON, in the order of their making."""

    repository: str = "octo/ml"
    login: str = BOT  # of the token
    token: str = TOKEN
    read_token: str = ""  # one that may only read, as in the run of a pull request from a fork
    url: str = ""
    default_branch: str = "main"
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    reviews: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    runs: dict[int, dict[str, Any]] = field(default_factory=dict)
    artifacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    archives: dict[int, bytes] = field(default_factory=dict)
    commit_pulls: dict[str, list[int]] = field(default_factory=dict)
    commits: dict[str, dict[str, Any]] = field(default_factory=dict)
    trees: dict[str, dict[str, str | None]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    before: Callable[[Request], None] = lambda _: None  # what happens meanwhile, such as a comment that is deleted
    _last_id: int = 1000
    lock: threading.RLock = field(default_factory=threading.RLock)

    # What tests put into the repository.

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_800_000_000 + self.new_id()))

    def add_pull(
        self, number: int, head: str, *, branch: str = "feature", fork: str = "", base: str = "main", **fields: Any
    ) -> None:
        """Add an open pull request; ``fork`` is the repository of its head, if it is another one."""
        repository = fork or self.repository
        owner = repository.split("/")[0]
        base_owner = self.repository.split("/")[0]
        sha = self.refs.get(f"heads/{base}", "b" * 40)
        self.pulls[number] = {
            "number": number,
            "state": "open",
            "title": f"Change {number}",
            "body": "",
            "merged": False,
            "merged_at": None,
            "merge_commit_sha": None,
            "changed_files": len(fields.get("files", ())),
            "user": user("ada"),
            "html_url": f"{self.url}/{self.repository}/pull/{number}",
            "head": {
                "label": f"{owner}:{branch}",
                "ref": branch,
                "sha": head,
                "repo": self._repo(repository),
                "user": user(owner),
            },
            "base": {
                "label": f"{base_owner}:{base}",
                "ref": base,
                "sha": sha,
                "repo": self._repo(self.repository),
                "user": user(base_owner),
            },
            **fields,
        }

    def merge(self, number: int, sha: str) -> None:
        """Merge a pull request with a merge commit."""
        pull = self.pulls[number]
        pull.update(state="closed", merged=True, merged_at=self.now(), merge_commit_sha=sha)
        self.commit_pulls.setdefault(sha, []).append(number)

    def add_comment(self, number: int, body: str, login: str = BOT) -> int:
        comment_id = self.new_id()
        self.comments[comment_id] = {
            "id": comment_id,
            "issue": number,
            "body": body,
            "user": user(login),
            "created_at": self.now(),
        }
        return comment_id

    def comments_of(self, number: int) -> list[str]:
        """Return the text of the comments of a pull request or issue."""
        return [comment["body"] for comment in self.comments.values() if comment["issue"] == number]

    def add_review(self, number: int, login: str, commit: str, state: str = "APPROVED") -> None:
        review = {
            "id": self.new_id(),
            "user": user(login),
            "state": state,
            "commit_id": commit,
            "submitted_at": self.now(),
        }
        self.reviews.setdefault(number, []).append(review)

    def add_run(self, head: str, *, branch: str = "feature", fork: str = "", **fields: Any) -> int:
        """Add a workflow run for the head of a pull request."""
        run_id = self.new_id()
        self.runs[run_id] = {
            "id": run_id,
            "head_sha": head,
            "head_branch": branch,
            "head_repository": self._repo(fork or self.repository),
            "path": ".github/workflows/mlgit.yml",
            "event": "pull_request",
            "status": "completed",
            "conclusion": "success",
            "run_attempt": 1,
            "pull_requests": [],
            "html_url": f"{self.url}/{self.repository}/actions/runs/{run_id}",
            "created_at": self.now(),
            **fields,
        }
        return run_id

    def add_artifact(
        self, run_id: int, files: Mapping[str, str | bytes] | bytes, name: str = "mlgit-report", **fields: Any
    ) -> int:
        """Add an artifact of a run, of files or of the bytes of a zip."""
        artifact_id = self.new_id()
        archive = files if isinstance(files, bytes) else zip_of(files)
        run = self.runs[run_id]
        self.archives[artifact_id] = archive
        self.artifacts[artifact_id] = {
            "id": artifact_id,
            "name": name,
            "size_in_bytes": len(archive),
            "expired": False,
            "archive_download_url": f"{self.url}/repos/{self.repository}/actions/artifacts/{artifact_id}/zip",
            "digest": f"sha256:{hashlib.sha256(archive).hexdigest()}",
            "created_at": self.now(),
            "workflow_run": {"id": run_id, "head_sha": run["head_sha"], "head_branch": run["head_branch"]},
            **fields,
        }
        return artifact_id

    def add_branch(self, name: str, files: Mapping[str, str | None] | None = None, parent: str = "") -> str:
        """Add a branch with one commit, and return its sha."""
        tree = self._put_tree(dict(files or {}))
        sha = self._put_commit(tree, [parent] if parent else [], "start")
        self.refs[f"heads/{name}"] = sha
        return sha

    def files_of(self, ref: str) -> Mapping[str, str | None]:
        """Return the files of a branch."""
        return self.trees[self.commits[self.refs[f"heads/{ref}"]]["tree"]["sha"]]

    def sent(self, pattern: str) -> list[Request]:
        """Return the requests whose ``METHOD /path`` a pattern finds."""
        return [request for request in self.requests if re.search(pattern, f"{request.method} {request.path}")]

    # What the repository answers: one method for each operation, by its id in GitHub's description.

    def answer(self, operation: str, args: Mapping[str, str], query: Mapping[str, str], body: Any) -> Answer:
        handler = getattr(self, "_" + re.sub(r"\W", "_", operation))
        answer: Answer = handler(args, query, body)
        return answer

    def _repo(self, full_name: str) -> dict[str, Any]:
        owner, name = full_name.split("/")
        return {
            "id": int(hashlib.sha256(full_name.encode()).hexdigest()[:6], 16),
            "full_name": full_name,
            "name": name,
            "owner": user(owner),
            "fork": full_name != self.repository,
            "default_branch": self.default_branch,
            "url": f"{self.url}/repos/{full_name}",
        }

    def _users_get_authenticated(self, *_: Any) -> Answer:
        if self.login.endswith("[bot]"):
            return 403, {"message": "Resource not accessible by integration"}
        return 200, user(self.login)

    def _repos_get(self, *_: Any) -> Answer:
        return 200, self._repo(self.repository)

    def _comment(self, comment: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/repos/{self.repository}/issues"
        html_url = f"{self.url}/{self.repository}/pull/{comment['issue']}#issuecomment-{comment['id']}"
        fields = {name: value for name, value in comment.items() if name != "issue"}
        return fields | {
            "url": f"{url}/comments/{comment['id']}",
            "issue_url": f"{url}/{comment['issue']}",
            "html_url": html_url,
        }

    def _issues_list_comments(self, args: Any, *_: Any) -> Answer:
        number = int(args["issue_number"])
        if number not in self.pulls | self.issues:
            return _not_found()
        return 200, [self._comment(comment) for comment in self.comments.values() if comment["issue"] == number]

    def _issues_create_comment(self, args: Any, _: Any, body: Any) -> Answer:
        number = int(args["issue_number"])
        if number not in self.pulls | self.issues:
            return _not_found()
        if problem := _too_long(body["body"]):
            return problem
        return 201, self._comment(self.comments[self.add_comment(number, body["body"], self.login)])

    def _issues_get_comment(self, args: Any, *_: Any) -> Answer:
        comment = self.comments.get(int(args["comment_id"]))
        return (200, self._comment(comment)) if comment else _not_found()

    def _issues_update_comment(self, args: Any, _: Any, body: Any) -> Answer:
        comment = self.comments.get(int(args["comment_id"]))
        if comment is None:
            return _not_found()
        if problem := _too_long(body["body"]):
            return problem
        comment["body"] = body["body"]
        return 200, self._comment(comment)

    def _issues_delete_comment(self, args: Any, *_: Any) -> Answer:
        return (204, None) if self.comments.pop(int(args["comment_id"]), None) else _not_found()

    def _issue(self, number: int) -> dict[str, Any]:
        issue = self.issues[number]
        return issue | {"url": f"{self.url}/repos/{self.repository}/issues/{number}", "labels": issue.get("labels", [])}

    def _issues_list_for_repo(self, _: Any, query: Any, __: Any) -> Answer:
        state = query.get("state", "open")
        return 200, [self._issue(number) for number, issue in self.issues.items() if state in ("all", issue["state"])]

    def _issues_create(self, _: Any, __: Any, body: Any) -> Answer:
        number = max([0, *self.issues, *self.pulls]) + 1
        html_url = f"{self.url}/{self.repository}/issues/{number}"
        labels = [{"name": name} for name in body.get("labels", [])]
        fixed = {"number": number, "state": "open", "user": user(self.login), "html_url": html_url}
        self.issues[number] = {"body": "", **body, **fixed, "labels": labels}
        return 201, self._issue(number)

    def _issues_get(self, args: Any, *_: Any) -> Answer:
        number = int(args["issue_number"])
        return (200, self._issue(number)) if number in self.issues else _not_found()

    def _issues_update(self, args: Any, _: Any, body: Any) -> Answer:
        number = int(args["issue_number"])
        if number not in self.issues:
            return _not_found()
        self.issues[number].update(body)
        return 200, self._issue(number)

    def _pull(self, number: int) -> dict[str, Any]:
        url = f"{self.url}/repos/{self.repository}"
        issue_url = f"{url}/issues/{number}"
        urls = {"url": f"{url}/pulls/{number}", "issue_url": issue_url, "comments_url": f"{issue_url}/comments"}
        return self.pulls[number] | urls

    def _pulls_list(self, _: Any, query: Any, __: Any) -> Answer:
        state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
        found = [
            self._pull(number)
            for number, pull in self.pulls.items()
            if state in ("all", pull["state"])
            and head in (None, pull["head"]["label"])
            and base in (None, pull["base"]["ref"])
        ]
        return 200, found

    def _pulls_create(self, _: Any, __: Any, body: Any) -> Answer:
        if f"heads/{body['head']}" not in self.refs:
            return 422, {"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}]}
        number = max([0, *self.issues, *self.pulls]) + 1
        head = self.refs[f"heads/{body['head']}"]
        fields = {"title": body["title"], "body": body.get("body", ""), "user": user(self.login)}
        self.add_pull(number, head, branch=body["head"], base=body["base"], **fields)
        return 201, self._pull(number)

    def _pulls_get(self, args: Any, *_: Any) -> Answer:
        number = int(args["pull_number"])
        return (200, self._pull(number)) if number in self.pulls else _not_found()

    def _pulls_update(self, args: Any, _: Any, body: Any) -> Answer:
        number = int(args["pull_number"])
        if number not in self.pulls:
            return _not_found()
        self.pulls[number].update(body)
        return 200, self._pull(number)

    def _pulls_list_files(self, args: Any, *_: Any) -> Answer:
        number = int(args["pull_number"])
        files = self.pulls[number].get("files", ())
        return 200, [{"filename": name, "status": "modified"} for name in files]

    def _pulls_list_reviews(self, args: Any, *_: Any) -> Answer:
        return 200, self.reviews.get(int(args["pull_number"]), [])

    def _repos_list_pull_requests_associated_with_commit(self, args: Any, *_: Any) -> Answer:
        sha = args["commit_sha"]
        if sha not in self.commit_pulls and sha not in self.commits:
            return 422, {"message": f"No commit found for SHA: {sha}"}
        return 200, [self._pull(number) for number in self.commit_pulls.get(sha, [])]

    def _commit(self, sha: str) -> dict[str, Any]:
        commit = self.commits[sha]
        url = f"{self.url}/repos/{self.repository}/commits/{sha}"
        parents = [{"sha": parent, "url": url} for parent in commit["parents"]]
        return {
            "sha": sha,
            "url": url,
            "html_url": url,
            "commit": {"message": commit["message"], "tree": commit["tree"]},
            "parents": parents,
        }

    def _repos_get_commit(self, args: Any, *_: Any) -> Answer:
        sha = self.refs.get(f"heads/{args['ref']}", args["ref"])
        return (
            (200, self._commit(sha)) if sha in self.commits else (422, {"message": f"No commit found for SHA: {sha}"})
        )

    def _repos_compare_commits(self, args: Any, *_: Any) -> Answer:
        base, _, head = args["basehead"].partition("...")
        old, new = set(self._history(base)), [*self._history(head)]
        brought = [self._commit(sha) for sha in reversed(new) if sha not in old]
        return 200, {
            "status": "ahead",
            "ahead_by": len(brought),
            "behind_by": 0,
            "total_commits": len(brought),
            "commits": brought,
            "files": [],
        }

    _repos_compare_commits_with_basehead = _repos_compare_commits

    def _history(self, sha: str) -> Iterator[str]:
        if sha in self.commits:
            yield sha
            for parent in self.commits[sha]["parents"]:
                yield from self._history(parent)

    def _actions_list_workflow_runs_for_repo(self, _: Any, query: Any, __: Any) -> Answer:
        runs = [
            run
            for run in reversed(self.runs.values())
            if query.get("head_sha") in (None, run["head_sha"]) and query.get("event") in (None, run["event"])
        ]
        return 200, {"total_count": len(runs), "workflow_runs": [self._run(run) for run in runs]}

    def _run(self, run: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/repos/{self.repository}/actions/runs/{run['id']}"
        return {**run, "url": url, "artifacts_url": f"{url}/artifacts"}

    def _actions_get_workflow_run(self, args: Any, *_: Any) -> Answer:
        run = self.runs.get(int(args["run_id"]))
        return (200, self._run(run)) if run else _not_found()

    def _actions_list_workflow_run_artifacts(self, args: Any, query: Any, _: Any) -> Answer:
        run_id, name = int(args["run_id"]), query.get("name")
        if run_id not in self.runs:
            return _not_found()
        found = [
            artifact
            for artifact in self.artifacts.values()
            if artifact["workflow_run"]["id"] == run_id and name in (None, artifact["name"])
        ]
        return 200, {"total_count": len(found), "artifacts": found}

    def _actions_download_artifact(self, args: Any, *_: Any) -> Answer:
        artifact = self.artifacts.get(int(args["artifact_id"]))
        if artifact is None:
            return _not_found()
        if artifact["expired"]:
            return 410, {"message": "Artifact has expired"}
        # Storage is on another host than the API: the token must not go there.
        return 302, f"{self.url.replace('127.0.0.1', 'localhost')}/_storage/{artifact['id']}?sig=signed"

    def _put_tree(self, files: dict[str, str | None]) -> str:
        present = {path: content for path, content in sorted(files.items()) if content is not None}
        sha = hashlib.sha1(json.dumps(present).encode()).hexdigest()  # noqa: S324 - a name, as Git's
        self.trees[sha] = present  # type: ignore[assignment]
        return sha

    def _put_commit(self, tree: str, parents: list[str], message: str) -> str:
        sha = hashlib.sha1(json.dumps([tree, parents, message, self.new_id()]).encode()).hexdigest()  # noqa: S324
        self.commits[sha] = {
            "sha": sha,
            "tree": {"sha": tree, "url": f"{self.url}/t"},
            "parents": parents,
            "message": message,
        }
        return sha

    def _git_create_tree(self, _: Any, __: Any, body: Any) -> Answer:
        files = dict(self.trees[body["base_tree"]]) if "base_tree" in body else {}
        files |= {entry["path"]: entry.get("content") for entry in body["tree"]}
        sha = self._put_tree(files)
        return 201, {
            "sha": sha,
            "url": f"{self.url}/repos/{self.repository}/git/trees/{sha}",
            "tree": [],
            "truncated": False,
        }

    def _git_commit(self, sha: str) -> dict[str, Any]:
        url = f"{self.url}/repos/{self.repository}/git/commits/{sha}"
        commit = self.commits[sha]
        return {
            **commit,
            "parents": [{"sha": parent, "url": url} for parent in commit["parents"]],
            "url": url,
            "html_url": url,
        }

    def _git_create_commit(self, _: Any, __: Any, body: Any) -> Answer:
        return 201, self._git_commit(self._put_commit(body["tree"], body.get("parents", []), body["message"]))

    def _git_get_commit(self, args: Any, *_: Any) -> Answer:
        sha = args["commit_sha"]
        return (200, self._git_commit(sha)) if sha in self.commits else _not_found()

    def _ref(self, name: str) -> dict[str, Any]:
        sha = self.refs[name]
        url = f"{self.url}/repos/{self.repository}/git/refs/{name}"
        return {
            "ref": f"refs/{name}",
            "url": url,
            "object": {"type": "commit", "sha": sha, "url": f"{self.url}/c/{sha}"},
        }

    def _git_get_ref(self, args: Any, *_: Any) -> Answer:
        return (200, self._ref(args["ref"])) if args["ref"] in self.refs else _not_found()

    def _git_create_ref(self, _: Any, __: Any, body: Any) -> Answer:
        name = body["ref"].removeprefix("refs/")
        if name in self.refs:
            return 422, {"message": "Reference already exists"}
        self.refs[name] = body["sha"]
        return 201, self._ref(name)

    def _git_update_ref(self, args: Any, _: Any, body: Any) -> Answer:
        if args["ref"] not in self.refs:
            return 422, {"message": "Reference does not exist"}
        self.refs[args["ref"]] = body["sha"]
        for pull in self.pulls.values():
            if pull["head"]["ref"] == args["ref"].removeprefix("heads/") and not pull["head"]["repo"]["fork"]:
                pull["head"]["sha"] = body["sha"]
        return 200, self._ref(args["ref"])

    def _git_delete_ref(self, args: Any, *_: Any) -> Answer:
        return (204, None) if self.refs.pop(args["ref"], None) else (422, {"message": "Reference does not exist"})


def user(login: str) -> dict[str, Any]:
    return {"login": login, "id": len(login), "type": "Bot" if login.endswith("[bot]") else "User"}


def zip_of(files: Mapping[str, str | bytes]) -> bytes:
    """Return a zip of files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def _not_found() -> Answer:
    return 404, {"message": "Not Found"}


def _too_long(text: str) -> Answer | None:
    if len(text) <= 65_536:
        return None
    return 422, {
        "message": "Validation Failed",
        "errors": [{"message": "body is too long (maximum is 65536 characters)"}],
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: GithubApi

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        document = json.loads(body) if body else None
        request = Request(self.command, self.path, document, self.headers.get("Authorization", ""))
        with self.api.lock:
            self.api.requests.append(request)
        self.api.before(request)
        with self.api.lock:
            fault = next((one for one in self.api.faults if one.is_hit(f"{self.command} {self.path}")), None)
            if fault and fault.kind == "dropped":
                return self._drop()
            if fault and fault.kind != "dropped-after":
                status, headers, answer = fault.answer()
                return self._send(status, answer, headers)
            if url.path.startswith("/_storage/"):
                return self._send_archive(int(url.path.rpartition("/")[2]))
            status, answer, headers = self._answer(url.path, url.query, body, document)
        if fault:
            return self._drop()
        return self._send(status, answer, headers)

    def _answer(self, path: str, query: str, body: bytes, document: Any) -> tuple[int, Any, Mapping[str, str]]:
        token = self.headers.get("Authorization", "").partition(" ")[2]
        if token not in {self.api.token, self.api.read_token}:
            return 401, {"message": "Bad credentials"}, {}
        if token == self.api.read_token and self.command != "GET":
            return 403, {"message": "Resource not accessible by integration"}, {}
        method, judged = self.command.lower(), github_openapi.judged_path(path)
        if violation := github_openapi.violation(method, judged, query, body):
            self.api.violations.append(f"{self.command} {self.path}: {violation}")
            return 422, {"message": violation}, {}
        template = github_openapi.match_template(method, judged)
        names = re.findall(r"\{(\w+)\}", template)
        match = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", template), judged)
        assert match
        args = dict(zip(names, map(unquote, match.groups()), strict=True))
        if "owner" in args and f"{args['owner']}/{args['repo']}" != self.api.repository:
            return 404, {"message": "Not Found"}, {}
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        operation = github_openapi.description()["paths"][template][method]["operationId"]
        status, answer = self.api.answer(operation, args, asked, document)
        if status == 302:
            return status, None, {"Location": answer}
        answer, headers = _page(answer, asked, f"{self.api.url}{path}")
        example = github_openapi.example(method, template, status, f"{self.api.url}/repos/{self.api.repository}")
        return status, _complete(answer, example), headers

    def _send(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        self._send_bytes(status, content, {"Content-Type": "application/json; charset=utf-8", **headers})

    def _send_archive(self, artifact_id: int) -> None:
        if self.headers.get("Authorization"):
            self.api.violations.append("the token was sent to the storage of artifacts")
        self._send_bytes(200, self.api.archives[artifact_id], {"Content-Type": "application/zip"})

    def _send_bytes(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _page(answer: Any, query: Mapping[str, str], url: str) -> tuple[Any, Mapping[str, str]]:
    """Return one page of a list, with the header that names the next."""
    key = next((name for name in ("workflow_runs", "artifacts") if isinstance(answer, dict) and name in answer), "")
    items = answer[key] if key else answer
    if not isinstance(items, list):
        return answer, {}
    size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
    page = items[(number - 1) * size : number * size]
    others = "".join(f"&{name}={value}" for name, value in query.items() if name not in ("page", "per_page"))
    more = (
        {"Link": f'<{url}?per_page={size}&page={number + 1}{others}>; rel="next"'} if len(items) > number * size else {}
    )
    return (answer | {key: page} if key else page), more


def _complete(answer: Any, example: Any) -> Any:
    """Return an answer whose missing fields are those of GitHub's example."""
    if isinstance(answer, dict) and isinstance(example, dict):
        return example | {name: _complete(value, example.get(name)) for name, value in answer.items()}
    if isinstance(answer, list) and isinstance(example, list) and example:
        return [_complete(item, example[0]) for item in answer]
    return answer


@contextmanager
def serve(api: GithubApi) -> Iterator[GithubApi]:
    """Answer for a repository at ``api.url`` until the end of the block."""
    methods = {f"do_{method}": _Handler.serve for method in ("GET", "POST", "PATCH", "PUT", "DELETE")}
    handler = type("Handler", (_Handler,), {"api": api, **methods})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
