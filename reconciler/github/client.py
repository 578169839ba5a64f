"""A client for one repository, and its errors as diagnostics in the words of workflows."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from github import Auth, BadCredentialsException, Github, GithubException, RateLimitExceededException
from github.Repository import Repository

from reconciler.diagnostics import UserError, user_error
from reconciler.github.access import Access
from reconciler.github.retry import make_retry

logging.getLogger("github").setLevel(logging.ERROR)  # what it retries is no concern of the user's

_PAGE_SIZE = 100
_TIMEOUT_SECONDS = 30
_ACTIONS_BOT = "github-actions[bot]"  # writes for the token of a workflow
_FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 403, 404, 429, 500
_FORK_HINT = "the run of a pull request from a fork cannot write at all: write from a workflow on `workflow_run`"
# What the client raises for a response that it did not take after all retries says its status.
_UNTRUSTED = "certificate verify failed"
_LAST_STATUS = re.compile(r"too many (\d{3}) error responses")


@dataclass(frozen=True, slots=True)
class Client:
    """GitHub, asked for one repository."""

    access: Access
    github: Github
    repository: Repository

    def find_login(self) -> str:
        """Return the login of the user or bot whose token it is; of a GitHub App, that of workflows until it writes."""
        try:
            with asking("who the token belongs to", ""):
                return self.github.get_user().login
        except UserError as error:
            if error.diagnostics[0].code not in ("github-permission", "github-not-found"):
                raise
            return _ACTIONS_BOT  # a bot may not ask who it is


@contextmanager
def open_client(access: Access) -> Iterator[Client]:
    """Open a client for the repository. No request is sent yet."""
    github = Github(
        auth=Auth.Token(access.token),
        base_url=access.api_url,
        timeout=_TIMEOUT_SECONDS,
        user_agent="mlgit",
        per_page=_PAGE_SIZE,
        retry=make_retry(),
        seconds_between_requests=None,
        seconds_between_writes=None,
        lazy=True,
    )
    with github:
        yield Client(access, github, github.get_repo(access.repository))


@contextmanager
def asking(what: str, permission: str) -> Iterator[None]:
    """Turn what GitHub answers into UserError.

    ``what`` is asked or written, ``permission`` is what that needs, as a workflow has it: ``pull-requests: write``.
    """
    try:
        yield
    except AssertionError as error:  # PyGithub sends the token to no other host
        hint = "set it to the address that the API itself gives for its pages"
        raise user_error("github-repository", "GITHUB_API_URL is not how this API names itself", hint) from error
    except BadCredentialsException as error:
        hint = "a token of a workflow ends with its job; another may have expired"
        raise user_error("github-token", "GitHub does not accept the token of GITHUB_TOKEN", hint) from error
    except RateLimitExceededException as error:
        raise _rate_limit_error(what) from error
    except GithubException as error:
        raise _refusal(error, what, permission) from error
    except OSError as error:  # of requests, after all retries
        status = _LAST_STATUS.search(str(error))
        if status and int(status[1]) in (_FORBIDDEN, _TOO_MANY):
            raise _rate_limit_error(what) from error
        hint = "see https://www.githubstatus.com, then run the job again"
        cause = f"it answers with status {status[1]}" if status else "there is no connection"
        if _UNTRUSTED in str(error):
            cause, hint = (
                "its certificate is not trusted",
                "set REQUESTS_CA_BUNDLE to the certificates of your GitHub server",
            )
        raise user_error("github-unreachable", f"GitHub was asked for {what}, and {cause}", hint) from error


def _rate_limit_error(what: str) -> UserError:
    message = f"GitHub's rate limit for this token is used up: it was asked for {what}"
    return user_error("github-rate-limit", message, "run the job again later")


def _refusal(error: GithubException, what: str, permission: str) -> UserError:
    said = _message_of(error)
    if error.status == _FORBIDDEN:
        hint = f"give the job `permissions: {permission}`" if permission else ""
        if "pull requests" in said and "not permitted" in said:
            hint = "allow GitHub Actions to create pull requests: Settings, Actions, General, Workflow permissions"
        elif permission.endswith("write"):
            hint = f"{hint}; {_FORK_HINT}"
        return user_error("github-permission", f"the token has no permission for {what}: {said}", hint)
    if error.status == _NOT_FOUND:
        hint = f"see that it exists, and that the job has `permissions: {permission}`"
        return user_error("github-not-found", f"GitHub does not find {what}", hint)
    if error.status >= _SERVER_ERROR:
        return user_error("github-unreachable", f"GitHub fails at {what}: {said}", "run the job again")
    return user_error("github-refused", f"GitHub refuses {what}: {said}", "see https://docs.github.com/rest")


def _message_of(error: GithubException) -> str:
    data = error.data if isinstance(error.data, dict) else {}
    problems = data.get("errors")
    details = [
        problem.get("message") or problem.get("code") or "" for problem in problems or () if isinstance(problem, dict)
    ]
    return "; ".join(str(part) for part in (data.get("message") or f"status {error.status}", *details) if part)
