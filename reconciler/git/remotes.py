"""What other clones share through a remote: refs fetched from it, and moved there by compare-and-swap.

A remote is the name of one that the clone has configured, never an URL: what a repository's files name is never a
place that Git would go to, or a command that it would run.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence

from git.exc import GitCommandError

from reconciler.diagnostics import UserError, failure
from reconciler.git.refs import Move
from reconciler.git.repository import Repository

# What a command that only reads can do without, if it knows an older state.
OUT_OF_REACH = frozenset({"remote-unreachable", "remote-denied"})

# Nobody is there to be asked for a password, and a server that has stopped talking is not waited for.
_ALONE = {"GIT_TERMINAL_PROMPT": "0"}
_PATIENT = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=30", "-c", "gc.auto=0")

_ALL_OF_IT = (
    *("--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap="),
    *("--no-filter", "--no-recurse-submodules"),
)

# In what Git says on its standard error, what means that another was quicker.
_LOST_RACE = re.compile(
    r"stale info|fetch first|non-fast-forward|failed to update ref|failed to lock|cannot lock ref"
    r"|reference already exists|incorrect old value"
)
_LOCKED_HERE = re.compile(r"cannot lock ref|unable to update local ref|\.lock': file exists|some local refs could not")
_DENIED = re.compile(
    r"authentication failed|permission denied|access denied|could not read (?:username|password)"
    r"|returned error: 40[13]|read[- ]only|not allowed to|authorization failed|unauthorized"
)
_REFUSED = re.compile(
    r"\[remote rejected\]|! \[remote|remote: error|does not support --atomic|shallow update not allowed"
)
# What is said before, and beside, that which says something.
_GENERIC = re.compile(
    r"(?:fatal: |error: )?(?:could not read from remote|failed to push some refs|the remote end hung up"
    r"|please make sure|and the repository exists|atomic push fail)",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"//[^/\s@]*@")
_TRIES = 10


def names(repository: Repository) -> tuple[str, ...]:
    """Name the remotes that the clone has."""
    return tuple(repository.git("remote").split())


def fetch(repository: Repository, remote: str, refspecs: Sequence[str], *more: str) -> None:
    """Bring refs of a remote, and take away those that it has no more.

    Never with a depth: that would make the user's clone shallow; and whole also where it is a partial clone. Raises
    UserError: ``remote-unreachable``, ``remote-denied``.
    """
    options = (*_ALL_OF_IT, *more)
    for attempt in range(_TRIES):
        try:
            repository.git(*_PATIENT, "fetch", *options, "--", remote, *refspecs, env=_ALONE)
        except GitCommandError as error:
            if not _LOCKED_HERE.search(str(error.stderr).lower()) or attempt == _TRIES - 1:
                raise _failed(remote, error, "read from") from error
            time.sleep(random.uniform(0, 0.1 * (attempt + 1)))  # noqa: S311 - spreads those who fetch, no secret
        else:
            return


def push(repository: Repository, remote: str, moves: Sequence[Move]) -> bool:
    """Move refs of a remote, all of them or none; False where another was quicker.

    Raises UserError: ``remote-unreachable``, ``remote-denied``, ``remote-rejects``; after the first of them what was
    pushed may have arrived all the same.
    """
    leases = [f"--force-with-lease={each.ref}:{each.old}" for each in moves if each.old is not None]
    wanted = [f"{'' if each.old is not None else '+'}{each.new}:{each.ref}" for each in moves]
    options = ("--quiet", "--atomic", "--no-verify", "--no-signed", "--recurse-submodules=no", *leases)
    try:
        repository.git(*_PATIENT, "push", *options, "--", remote, *wanted, env=_ALONE)
    except GitCommandError as error:
        if _LOST_RACE.search(str(error.stderr).lower()):
            return False
        raise _failed(remote, error, "write to") from error
    return True


def _failed(remote: str, error: GitCommandError, verb: str) -> UserError:
    said = _words(error)
    lower = str(error.stderr).lower()
    if _REFUSED.search(lower):
        message = f"the remote {remote} does not take the live state: {said}"
        hint = "it must let you push refs/mlgit/*, as one atomic push; ask who runs it"
        return failure("remote-rejects", message, hint)
    if _DENIED.search(lower):
        message = f"the remote {remote} does not let you {verb} it: {said}"
        hint = f"check your credentials with `git ls-remote {remote}`; nothing was changed there"
        return failure("remote-denied", message, hint)
    message = f"cannot {verb} the remote {remote}: {said}"
    return failure("remote-unreachable", message, f"check the network, and `git ls-remote {remote}`")


def _words(error: GitCommandError) -> str:
    """Return the line of Git's complaint that says most: of the remote's own words, else the first that is fatal."""
    text = _CREDENTIALS.sub("//***@", str(error.stderr)).strip().removeprefix("stderr: ").strip("'\n ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not _GENERIC.match(line)] or lines
    for begin in ("remote: ", "! [remote rejected]", "! [", "fatal: ", "error: "):
        for line in telling:
            if line.startswith(begin) and line.removeprefix("remote:").strip():
                return line.removeprefix("remote: ").removeprefix("fatal: ").removeprefix("error: ").strip()
    return telling[0] if telling else f"git ended with {error.status}"
