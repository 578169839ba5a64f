"""The tree that merging two commits gives; nothing is committed, and what is written goes to the scratch folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from reconciler.abbreviation import abbreviate_id, join_some
from reconciler.diagnostics import user_error
from reconciler.git.command import GitError, decode_output, run_git
from reconciler.git.repository import Repository


def merge_trees(repository: Repository, base: str, commit: str) -> str:
    """Return the tree of a merge of a commit into another. Raise UserError ``merge-conflict`` if there is none.

    Git runs in an empty folder: ``.gitattributes`` of the work tree, which may be a stranger's, can choose a merge
    driver that the configuration of the clone has, which is a program.
    """
    command = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", base, commit)
    try:
        with tempfile.TemporaryDirectory(prefix="mlgit-merge-") as folder:
            location = {"GIT_DIR": str(repository.git_dir.absolute()), "GIT_WORK_TREE": folder}
            env = {**repository.scratch_objects_env(), **location}
            return decode_output(run_git(command, Path(folder), env=env)).rstrip("\0")
    except GitError as error:
        into = f"{abbreviate_id(commit)} cannot be merged into {abbreviate_id(base)}"
        if repository.is_shallow():
            hint = "fetch the whole history: `git fetch --unshallow`, in CI fetch-depth: 0"
            raise user_error("merge-conflict", f"{into}: this clone is shallow", hint) from error
        files = [name for name in error.stdout.split("\0")[1:] if name]
        reason = f"both change {join_some(files)}" if files else str(error)
        raise user_error("merge-conflict", f"{into}: {reason}", "merge the base into the branch first") from error
