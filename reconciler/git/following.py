"""What a program goes by that follows the work of others: a branch of a remote, fetched, or a revision that is here.

Fetching moves the remote-tracking ref alone: what is checked out, the index and the user's branches stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from git.exc import GitCommandError

from reconciler.diagnostics import failure
from reconciler.git.remotes import fetch, names
from reconciler.git.repository import Repository

_HEADS, _REMOTES = "refs/heads/", "refs/remotes/"


@dataclass(frozen=True, slots=True)
class Followed:
    """A revision of this clone; where that is a branch of a remote, which branch it is there."""

    revision: str
    remote: str = ""
    branch: str = ""

    def __str__(self) -> str:
        return self.revision.removeprefix(_REMOTES).removeprefix(_HEADS)


def followed(repository: Repository, given: str = "") -> Followed:
    """Return what to follow: what was given, else the upstream of the branch that is checked out, else HEAD."""
    if not given:
        return _upstream(repository)
    bare = given.removeprefix(_REMOTES)
    for remote in sorted(names(repository), key=len, reverse=True):
        if bare.startswith(f"{remote}/"):
            return Followed(f"{_REMOTES}{bare}", remote, f"{_HEADS}{bare.removeprefix(f'{remote}/')}")
    return Followed(given)


def newest(repository: Repository, wanted: Followed) -> str:
    """Fetch what is followed, where it is a remote's, and return the commit that it is at now.

    Raises UserError: ``remote-unreachable``, ``remote-denied``, ``revision-unknown``.
    """
    if wanted.remote:
        fetch(repository, wanted.remote, [f"+{wanted.branch}:{wanted.revision}"])
    commit = repository.resolve(wanted.revision)
    if not commit:
        raise failure(
            "revision-unknown", f"Git knows no revision {wanted}", "name another with --ref; see `git branch -a`"
        )
    return commit


def _upstream(repository: Repository) -> Followed:
    try:
        branch = repository.git("symbolic-ref", "--quiet", "HEAD")
    except GitCommandError:  # no branch is checked out
        return Followed("HEAD")
    form = "--format=%(upstream:remotename) %(upstream:remoteref) %(upstream)"
    remote, _, rest = repository.git("for-each-ref", form, branch).partition(" ")
    theirs, _, ours = rest.partition(" ")
    if not ours:
        return Followed("HEAD")
    return Followed(ours) if remote == "." else Followed(ours, remote, theirs)
