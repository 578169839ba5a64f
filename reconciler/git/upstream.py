"""Find and fetch the revision that the controller tracks: a branch of a remote, or a revision of this clone.

Fetching changes only the remote-tracking ref: the work tree, the index and the user's branches stay as they are.
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
    """A revision of this clone; for a remote-tracking branch, also the remote and the branch in it."""

    revision: str
    remote: str = ""
    branch: str = ""

    def __str__(self) -> str:
        return self.revision.removeprefix(_REMOTES_PREFIX).removeprefix(_HEADS_PREFIX)


def find_tracked_ref(repository: Repository, revision: str = "") -> TrackedRef:
    """Return the ref to track: the given revision, else the upstream of the current branch, else HEAD."""
    if not revision:
        return _find_upstream(repository)
    name = revision.removeprefix(_REMOTES_PREFIX)
    for remote in sorted(remote_names(repository), key=len, reverse=True):
        if name.startswith(f"{remote}/"):
            return TrackedRef(f"{_REMOTES_PREFIX}{name}", remote, f"{_HEADS_PREFIX}{name.removeprefix(f'{remote}/')}")
    return TrackedRef(revision)


def fetch_tracked_commit(repository: Repository, tracked: TrackedRef) -> str:
    """Fetch a tracked ref, if it is a branch of a remote, and return its current commit.

    Raise UserError: ``remote-unreachable``, ``remote-denied``, ``revision-unknown``.
    """
    if tracked.remote:
        fetch_refs(repository, tracked.remote, [f"+{tracked.branch}:{tracked.revision}"])
    commit = repository.resolve(tracked.revision)
    if not commit:
        raise user_error(
            "revision-unknown", f"Git knows no revision {tracked}", "name another with --ref; see `git branch -a`"
        )
    return commit


def _find_upstream(repository: Repository) -> TrackedRef:
    try:
        branch = repository.git("symbolic-ref", "--quiet", "HEAD")
    except GitError:  # no branch is checked out
        return TrackedRef("HEAD")
    format_option = "--format=%(upstream:remotename) %(upstream:remoteref) %(upstream)"
    remote, _, rest = repository.git("for-each-ref", format_option, branch).partition(" ")
    remote_branch, _, upstream = rest.partition(" ")
    if not upstream:
        return TrackedRef("HEAD")
    return TrackedRef(upstream) if remote == "." else TrackedRef(upstream, remote, remote_branch)
