"""What a program goes by that follows the work of others: a branch of a remote, fetched, or a revision that is here.

Fetching moves the remote-tracking ref alone: what is checked out, the index and the user's branches stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.diagnostics import user_error
from reconciler.git.command import GitError
from reconciler.git.remotes import fetch_refs, remote_names
from reconciler.git.repository import Repository

_HEADS_PREFIX, _REMOTES_PREFIX = "refs/heads/", "refs/remotes/"


@dataclass(frozen=True, slots=True)
class TrackedRef:
    """A revision of this clone; where that is a branch of a remote, which branch it is there."""

    revision: str
    remote: str = ""
    branch: str = ""

    def __str__(self) -> str:
        return self.revision.removeprefix(_REMOTES_PREFIX).removeprefix(_HEADS_PREFIX)


def find_tracked_ref(repository: Repository, given: str = "") -> TrackedRef:
    """Return what to follow: what was given, else the upstream of the branch that is checked out, else HEAD."""
    if not given:
        return _find_upstream(repository)
    bare = given.removeprefix(_REMOTES_PREFIX)
    for remote in sorted(remote_names(repository), key=len, reverse=True):
        if bare.startswith(f"{remote}/"):
            return TrackedRef(f"{_REMOTES_PREFIX}{bare}", remote, f"{_HEADS_PREFIX}{bare.removeprefix(f'{remote}/')}")
    return TrackedRef(given)


def fetch_tracked_commit(repository: Repository, wanted: TrackedRef) -> str:
    """Fetch what is followed, where it is a remote's, and return the commit that it is at now.

    Raises UserError: ``remote-unreachable``, ``remote-denied``, ``revision-unknown``.
    """
    if wanted.remote:
        fetch_refs(repository, wanted.remote, [f"+{wanted.branch}:{wanted.revision}"])
    commit = repository.resolve(wanted.revision)
    if not commit:
        raise user_error(
            "revision-unknown", f"Git knows no revision {wanted}", "name another with --ref; see `git branch -a`"
        )
    return commit


def _find_upstream(repository: Repository) -> TrackedRef:
    try:
        branch = repository.git("symbolic-ref", "--quiet", "HEAD")
    except GitError:  # no branch is checked out
        return TrackedRef("HEAD")
    form = "--format=%(upstream:remotename) %(upstream:remoteref) %(upstream)"
    remote, _, rest = repository.git("for-each-ref", form, branch).partition(" ")
    theirs, _, ours = rest.partition(" ")
    if not ours:
        return TrackedRef("HEAD")
    return TrackedRef(ours) if remote == "." else TrackedRef(ours, remote, theirs)
