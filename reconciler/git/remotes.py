"""Fetch refs from a remote, and push refs to it by compare-and-swap.

A remote is the name of one that is configured in the clone, never a URL: Git must not connect to an address, or run a
command, that comes from the files of a repository.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from urllib.parse import unquote

from reconciler.diagnostics import UserError, user_error
from reconciler.git.command import GitError, trust_command
from reconciler.git.process import NETWORK_TIMEOUT_VARIABLE, GitTimeoutError
from reconciler.git.refs import RefUpdate
from reconciler.git.repository import Repository
from reconciler.secrets.urls import URL_SECRET_MASK, mask_url_secrets

# A command that only reads can go on with an older state after these errors.
UNREACHABLE_CODES = frozenset({"remote-unreachable", "remote-timeout", "remote-denied"})

# Never prompt for a password, and give up on a server that stops sending.
_NO_PROMPT_ENV = {"GIT_TERMINAL_PROMPT": "0"}
_NETWORK_CONFIG = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30", "-c", "gc.auto=0")

_FETCH_OPTIONS = (
    *("--progress", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap="),
    *("--no-filter", "--no-recurse-submodules"),
)

# Expressions, compiled with the first error. Git's messages that mean that another process changed the ref first:
_LOST_RACE = (
    r"stale info|fetch first|non-fast-forward|failed to update ref|failed to lock|cannot lock ref"
    r"|reference already exists|incorrect old value"
)
_LOCAL_REF_LOCKED = r"cannot lock ref|unable to update local ref|\.lock': file exists|some local refs could not"
_ACCESS_DENIED = (
    r"authentication failed|permission denied|access denied|could not read (?:username|password)"
    r"|returned error: 40[13]|read[- ]only|not allowed to|authorization failed|unauthorized"
)
_PUSH_REJECTED = r"\[remote rejected\]|! \[remote|remote: error|does not support --atomic|shallow update not allowed"
# Lines of Git's standard error that do not name the cause.
_GENERIC_ERROR = (
    r"(?i:(?:fatal: |error: )?(?:could not read from remote|failed to push some refs|the remote end hung up"
    r"|please make sure|and the repository exists|atomic push fail))"
)
# Git reports progress as a sign of life (see git.process).
_PROGRESS = (
    r"(?:remote: )?(?:(?:Enumerating|Counting|Compressing|Receiving|Resolving|Writing|Unpacking|Updating|Checking"
    r"|Finding|Delta compression)\b.*\d|Total \d|From |To )"
)
_URL_CREDENTIALS = r"//[^/\s@]*@"
_MAX_ATTEMPTS = 10


def remote_names(repository: Repository) -> tuple[str, ...]:
    """Return the names of the remotes of the clone."""
    return tuple(repository.git("remote").split())


def fetch_refs(repository: Repository, remote: str, refspecs: Sequence[str], *extra_options: str) -> None:
    """Fetch refs from a remote, and prune those that it no longer has.

    Fetch without a depth, which would make the user's clone shallow, and without the filter of a partial clone. Raise
    UserError: ``remote-unreachable``, ``remote-timeout``, ``remote-denied``.
    """
    options = (*_FETCH_OPTIONS, *extra_options)
    for attempt in range(_MAX_ATTEMPTS):
        try:
            repository.network_git(*_NETWORK_CONFIG, "fetch", *options, "--", remote, *refspecs, env=_NO_PROMPT_ENV)
        except GitTimeoutError as error:
            raise _timeout_error(remote, error, "read from") from None
        except GitError as error:
            if not re.search(_LOCAL_REF_LOCKED, error.stderr.lower()) or attempt == _MAX_ATTEMPTS - 1:
                raise _remote_error(repository, remote, error, "read from") from None
            time.sleep(random.uniform(0, 0.1 * (attempt + 1)))  # noqa: S311 - jitter between fetches, not a secret
        else:
            return


def push_refs(repository: Repository, remote: str, updates: Sequence[RefUpdate]) -> bool:
    """Update all refs of a remote or none; return False if another process changed one of them first.

    Raise UserError: ``remote-unreachable``, ``remote-timeout``, ``remote-denied``, ``remote-rejects``. After the first
    two the push may still have arrived.
    """
    leases = [f"--force-with-lease={update.ref}:{update.old}" for update in updates if update.old is not None]
    refspecs = [f"{'' if update.old is not None else '+'}{update.new}:{update.ref}" for update in updates]
    options = ("--progress", "--atomic", "--no-verify", "--no-signed", "--recurse-submodules=no", *leases)
    try:
        arguments = (*_NETWORK_CONFIG, "push", *options, "--", remote, *refspecs)
        repository.network_git(*arguments, env=_NO_PROMPT_ENV, writes=True)
    except GitTimeoutError as error:
        raise _timeout_error(remote, error, "write to") from None
    except GitError as error:
        if re.search(_LOST_RACE, error.stderr.lower()):
            return False
        raise _remote_error(repository, remote, error, "write to") from None
    return True


def _remote_error(repository: Repository, remote: str, error: GitError, verb: str) -> UserError:
    reason = _mask_secrets(_main_error_line(error), _remote_urls(repository, remote))
    lower = error.stderr.lower()
    if command := trust_command(error):
        message = f"cannot {verb} the remote {remote}: Git does not trust it, because it belongs to another user"
        hint = f"if you do, run `{command}` on the machine that has it"
        return user_error("repository-not-trusted", message, hint)
    if re.search(_PUSH_REJECTED, lower):
        message = f"the remote {remote} does not take the live state: {reason}"
        hint = "it must let you push refs/mlgit/*, as one atomic push; ask who runs it"
        return user_error("remote-rejects", message, hint)
    if re.search(_ACCESS_DENIED, lower):
        message = f"the remote {remote} does not let you {verb} it: {reason}"
        hint = f"check your credentials with `git ls-remote {remote}`; nothing was changed there"
        return user_error("remote-denied", message, hint)
    message = f"cannot {verb} the remote {remote}: {reason}"
    return user_error("remote-unreachable", message, f"check the network, and `git ls-remote {remote}`")


def _timeout_error(remote: str, error: GitTimeoutError, verb: str) -> UserError:
    message = f"cannot {verb} the remote {remote}: it did not answer for {error.seconds:g} seconds"
    hint = (
        f"check the network, and `git ls-remote {remote}`; if the remote is that slow, "
        f"set the variable {NETWORK_TIMEOUT_VARIABLE} to more seconds"
    )
    return user_error("remote-timeout", message, hint)


def _remote_urls(repository: Repository, remote: str) -> list[str]:
    """Return the addresses of a remote as Git uses them; empty if Git cannot say."""
    try:
        addresses = [repository.git("remote", "get-url", "--all", *push, "--", remote) for push in ((), ("--push",))]
    except GitError:
        return []
    return [url for address in addresses for url in address.split("\n")]


def _mask_secrets(text: str, urls: Sequence[str]) -> str:
    """Return a message of Git without the passwords of the addresses, and without any other user of an address.

    Git takes an address apart where a password has a character that is not encoded, so parts of one are masked, too.
    """
    for password in {password for url in urls if (password := _password(url))}:
        forms = (password, unquote(password))
        parts = (part for form in forms for part in re.split(r"[/@#?:&]", form) if len(part) > 1)
        for secret in sorted({*forms, *parts}, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", URL_SECRET_MASK, text)
    return re.sub(_URL_CREDENTIALS, f"//{URL_SECRET_MASK}@", mask_url_secrets(text))


def _password(url: str) -> str:
    """Return the password in an address, or the user if there is none: it may be a token."""
    user_info, at, _ = url.partition("://")[2].rpartition("@")
    user, colon, password = user_info.partition(":")
    return password if colon else user if at and url.startswith("http") else ""


def _main_error_line(error: GitError) -> str:
    """Return the most specific line of Git's standard error: one from the remote if any, else the first fatal one."""
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip() and not re.match(_PROGRESS, line)]
    specific = [line for line in lines if not re.match(_GENERIC_ERROR, line)] or lines
    for prefix in ("remote: ", "! [remote rejected]", "! [", "fatal: ", "error: "):
        for line in specific:
            if line.startswith(prefix) and line.removeprefix("remote:").strip():
                return line.removeprefix("remote: ").removeprefix("fatal: ").removeprefix("error: ").strip()
    return specific[0] if specific else f"git ended with {error.status}"
