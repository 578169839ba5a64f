"""The tree that merging two commits gives; nothing is committed, and what is written goes to the scratch folder."""

from __future__ import annotations

from reconciler.abbreviation import abbreviate_id, join_some
from reconciler.diagnostics import user_error
from reconciler.git.command import GitError
from reconciler.git.repository import Repository


def merge_trees(repository: Repository, base: str, commit: str) -> str:
    """Return the tree of a merge of a commit into another. Raise UserError ``merge-conflict`` if there is none."""
    command = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", base, commit)
    try:
        return repository.git(*command, env=repository.scratch_objects_env()).rstrip("\0")
    except GitError as error:
        into = f"{abbreviate_id(commit)} cannot be merged into {abbreviate_id(base)}"
        if repository.is_shallow():
            hint = "fetch the whole history: `git fetch --unshallow`, in CI fetch-depth: 0"
            raise user_error("merge-conflict", f"{into}: this clone is shallow", hint) from error
        files = [name for name in error.stdout.split("\0")[1:] if name]
        reason = f"both change {join_some(files)}" if files else str(error)
        raise user_error("merge-conflict", f"{into}: {reason}", "merge the base into the branch first") from error
