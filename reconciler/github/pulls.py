"""Pull requests: of a workflow run, of the commits of a push, and who approved one. GitHub says which, no file does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from github import GithubException
from github.PullRequest import PullRequest as PullRequest  # for the commands
from github.WorkflowRun import WorkflowRun

from reconciler.diagnostics import user_error
from reconciler.github.client import Client, asking
from reconciler.model import Json

PERMISSION = "pull-requests: read"
_PULL_REQUEST = "pull_request"
_UNPROCESSABLE = 422
_WORKFLOW_FOLDERS = (".github/workflows/", ".github/actions/")
_MAX_LISTED_FILES = 3000  # GitHub lists no more
_VERDICTS = frozenset(
    {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}
)  # the newest of a reviewer counts; comments do not


class OutdatedError(Exception):
    """What was made for the head of an open pull request is not shown any more: the text says why."""


class Approval(NamedTuple):
    """An approval of the head commit of a pull request."""

    login: str
    submitted_at: str


def find_pull(client: Client, number: int) -> PullRequest:
    """Return a pull request. Raise UserError ``github-not-found`` if there is none of that number."""
    with asking(f"pull request {number}", PERMISSION):
        pull = client.repository.get_pull(number)
        pull.complete()
        return pull


def find_current_pull(client: Client, number: int, head: str) -> PullRequest:
    """Return an open pull request whose head is a commit; raise OutdatedError if it has another one, or is closed."""
    pull = find_pull(client, number)
    if pull.state != "open":
        raise OutdatedError(f"pull request {number} is closed")
    if pull.head.sha != head:
        raise OutdatedError(f"pull request {number} has a newer head, {pull.head.sha[:10]}, than {head[:10]}")
    return pull


def is_from_fork(client: Client, pull: PullRequest) -> bool:
    """Return True if the head of a pull request is in another repository, or in one that is deleted."""
    return not _is_headed(pull, client.access.repository.lower())


def changes_workflows(pull: PullRequest) -> bool:
    """Return True if a pull request changes what its own workflow runs execute, or so many files that it may."""
    with asking(f"the files of pull request {pull.number}", PERMISSION):
        if pull.changed_files > _MAX_LISTED_FILES:
            return True
        return any(
            name.startswith(_WORKFLOW_FOLDERS)
            for file in pull.get_files()
            for name in (file.filename, file.previous_filename or "")
        )


def find_pull_of_run(client: Client, run: WorkflowRun, number: int | None) -> PullRequest:
    """Return the open pull request whose head commit a workflow run is for; ``number`` is the expected one, if any.

    It is searched by the head repository, branch and commit of the run. Raise OutdatedError if none has that head, and
    UserError ``github-run`` if the run is not one of a pull request, or if another one or several have that head.
    """
    if run.event != _PULL_REQUEST:
        message = f"workflow run {run.id} is of the event {run.event}, not of a pull request"
        raise user_error("github-run", message, "name the run of a workflow on `pull_request`")
    head = _head_repository(run)
    owner = (run.raw_data.get("head_repository") or {}).get("owner", {}).get("login", "")
    with asking(f"the pull request of workflow run {run.id}", PERMISSION):
        label = f"{owner}:{run.head_branch}"
        opened = [pull for pull in client.repository.get_pulls(state="open", head=label) if _is_headed(pull, head)]
    if pulls := [pull for pull in opened if pull.head.sha == run.head_sha]:
        return _choose_pull(pulls, run, number)
    moved = "".join(f"; pull request {pull.number} has a newer head, {pull.head.sha[:10]}" for pull in opened)
    raise OutdatedError(f"no open pull request has the head of workflow run {run.id}, {run.head_sha[:10]}{moved}")


def _choose_pull(pulls: Sequence[PullRequest], run: WorkflowRun, number: int | None) -> PullRequest:
    """Return the pull request that is meant, of those that have the head of a run; raise UserError ``github-run``."""
    named = {pull["number"] for pull in run.raw_data.get("pull_requests") or ()} if number is None else {number}
    meant = [pull for pull in pulls if pull.number in named]
    if number is None and not meant:
        meant = [*pulls]
    if len(meant) == 1:
        return meant[0]
    numbers = ", ".join(str(pull.number) for pull in pulls)
    message = (
        f"workflow run {run.id} is for the head of {'pull request' if len(pulls) == 1 else 'pull requests'} {numbers}"
    )
    raise user_error("github-run", message, "say with --pull which of these is meant")


def is_run_of(run: WorkflowRun, pull: PullRequest) -> bool:
    """Return True if a workflow run is for the head of a pull request: its commit, branch and repository.

    Any user can open a pull request from a fork with the same commit, into another base.
    """
    repository = pull.head.repo.full_name.lower() if pull.head.repo else ""
    head = (run.head_sha, run.head_branch, _head_repository(run))
    return head == (pull.head.sha, pull.head.ref, repository)


def find_merged_pulls(client: Client, commits: Iterable[str]) -> tuple[PullRequest, ...]:
    """Return the pull requests whose merge is one of the commits of a push, by number."""
    commits = tuple(commits)
    found = (pull for commit in commits for pull in _pulls_of_commit(client, commit))
    merged = {pull.number: pull for pull in found if pull.merged_at and pull.merge_commit_sha in commits}
    return tuple(pull for _, pull in sorted(merged.items()))


def _pulls_of_commit(client: Client, commit: str) -> Iterator[PullRequest]:
    with asking(f"the pull requests of commit {commit[:10]}", PERMISSION):
        try:
            yield from client.repository.get_commit(commit).get_pulls()
        except GithubException as error:
            if error.status != _UNPROCESSABLE:
                raise
            message = f"{client.access.repository} has no commit {commit[:10]}"
            raise user_error("github-not-found", message, "push it first") from error


def find_approvals(pull: PullRequest) -> tuple[Approval, ...]:
    """Return who approved the head commit of a pull request and has not taken it back, in the order of approval."""
    newest: dict[str, Json] = {}
    with asking(f"the reviews of pull request {pull.number}", PERMISSION):
        for review in pull.get_reviews():
            if review.state in _VERDICTS and review.user:
                newest.pop(review.user.login, None)
                newest[review.user.login] = review
    return tuple(
        Approval(login, review.submitted_at.isoformat())
        for login, review in newest.items()
        if review.state == "APPROVED" and review.commit_id == pull.head.sha and login != pull.user.login
    )


def _head_repository(run: WorkflowRun) -> str:
    """Return the name of the repository of the head of a run in lower case, "" if it is deleted."""
    return str((run.raw_data.get("head_repository") or {}).get("full_name", "")).lower()


def _is_headed(pull: PullRequest, repository: str) -> bool:
    return bool(pull.head.repo) and pull.head.repo.full_name.lower() == repository
