"""What other clones share through a remote: refs fetched from it, and moved there by compare-and-swap.

A remote is the name of one that the clone has configured, never an URL: what a repository's files name is never a
place that Git would go to, or a command that it would run.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence

from reconciler.diagnostics import UserError, user_error
from reconciler.git.command import GitError
from reconciler.git.refs import RefUpdate
from reconciler.git.repository import Repository

# What a command that only reads can do without, if it knows an older state.
UNREACHABLE_CODES = frozenset({"remote-unreachable", "remote-denied"})

# Nobody is there to be asked for a password, and a server that has stopped talking is not waited for.
_NO_PROMPT_ENV = {"GIT_TERMINAL_PROMPT": "0"}
_NETWORK_CONFIG = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30", "-c", "gc.auto=0")

_FETCH_OPTIONS = (
    *("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap="),
    *("--no-filter", "--no-recurse-submodules"),
)

# In what Git says on its standard error, what means that another was quicker.
_LOST_RACE = re.compile(
    r"stale info|fetch first|non-fast-forward|failed to update ref|failed to lock|cannot lock ref"
    r"|reference already exists|incorrect old value"
)
_LOCAL_REF_LOCKED = re.compile(
    r"cannot lock ref|unable to update local ref|\.lock': file exists|some local refs could not"
)
_ACCESS_DENIED = re.compile(
    r"authentication failed|permission denied|access denied|could not read (?:username|password)"
    r"|returned error: 40[13]|read[- ]only|not allowed to|authorization failed|unauthorized"
)
_PUSH_REJECTED = re.compile(
    r"\[remote rejected\]|! \[remote|remote: error|does not support --atomic|shallow update not allowed"
)
# What is said before, and beside, that which says something.
_GENERIC_ERROR = re.compile(
    r"(?:fatal: |error: )?(?:could not read from remote|failed to push some refs|the remote end hung up"
    r"|please make sure|and the repository exists|atomic push fail)",
    re.IGNORECASE,
)
_URL_CREDENTIALS = re.compile(r"//[^/\s@]*@")
_MAX_ATTEMPTS = 10


def remote_names(repository: Repository) -> tuple[str, ...]:
    """Name the remotes that the clone has."""
    return tuple(repository.git("remote").split())


def fetch_refs(repository: Repository, remote: str, refspecs: Sequence[str], *more: str) -> None:
    """Bring refs of a remote, and take away those that it has no more.

    Never with a depth: that would make the user's clone shallow; and whole also where it is a partial clone. Raises
    UserError: ``remote-unreachable``, ``remote-denied``.
    """
    options = (*_FETCH_OPTIONS, *more)
    for attempt in range(_MAX_ATTEMPTS):
        try:
            repository.git(*_NETWORK_CONFIG, "fetch", *options, "--", remote, *refspecs, env=_NO_PROMPT_ENV)
        except GitError as error:
            if not _LOCAL_REF_LOCKED.search(error.stderr.lower()) or attempt == _MAX_ATTEMPTS - 1:
                raise _remote_error(remote, error, "read from") from error
            time.sleep(random.uniform(0, 0.1 * (attempt + 1)))  # noqa: S311 - spreads those who fetch, no secret
        else:
            return


def push_refs(repository: Repository, remote: str, moves: Sequence[RefUpdate]) -> bool:
    """Move refs of a remote, all of them or none; False where another was quicker.

    Raises UserError: ``remote-unreachable``, ``remote-denied``, ``remote-rejects``; after the first of them what was
    pushed may have arrived all the same.
    """
    leases = [f"--force-with-lease={update.ref}:{update.old}" for update in moves if update.old is not None]
    wanted = [f"{'' if update.old is not None else '+'}{update.new}:{update.ref}" for update in moves]
    options = ("--quiet", "--atomic", "--no-verify", "--no-signed", "--recurse-submodules=no", *leases)
    try:
        repository.write_git(*_NETWORK_CONFIG, "push", *options, "--", remote, *wanted, env=_NO_PROMPT_ENV)
    except GitError as error:
        if _LOST_RACE.search(error.stderr.lower()):
            return False
        raise _remote_error(remote, error, "write to") from error
    return True


def _remote_error(remote: str, error: GitError, verb: str) -> UserError:
    said = _main_error_line(error)
    lower = error.stderr.lower()
    if _PUSH_REJECTED.search(lower):
        message = f"the remote {remote} does not take the live state: {said}"
        hint = "it must let you push refs/mlgit/*, as one atomic push; ask who runs it"
        return user_error("remote-rejects", message, hint)
    if _ACCESS_DENIED.search(lower):
        message = f"the remote {remote} does not let you {verb} it: {said}"
        hint = f"check your credentials with `git ls-remote {remote}`; nothing was changed there"
        return user_error("remote-denied", message, hint)
    message = f"cannot {verb} the remote {remote}: {said}"
    return user_error("remote-unreachable", message, f"check the network, and `git ls-remote {remote}`")


def _main_error_line(error: GitError) -> str:
    """Return the line of Git's complaint that says most: of the remote's own words, else the first that is fatal."""
    text = _URL_CREDENTIALS.sub("//***@", error.stderr)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not _GENERIC_ERROR.match(line)] or lines
    for begin in ("remote: ", "! [remote rejected]", "! [", "fatal: ", "error: "):
        for line in telling:
            if line.startswith(begin) and line.removeprefix("remote:").strip():
                return line.removeprefix("remote: ").removeprefix("fatal: ").removeprefix("error: ").strip()
    return telling[0] if telling else f"git ended with {error.status}"
