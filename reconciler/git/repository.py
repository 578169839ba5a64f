"""A Git repository: found, asked, and given objects. Everything goes through Git's own commands."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from git import Git, Repo
from git.exc import GitCommandError, InvalidGitRepositoryError, NoSuchPathError

from reconciler.diagnostics import failure

FALLBACK_NAME = "mlgit"
FALLBACK_EMAIL = "mlgit@localhost"


class _Git(Git):
    """Git in sessions of its own: Ctrl-C reaches mlgit alone, which still writes down what was done by then."""

    def execute(self, command: Any, *arguments: Any, **options: Any) -> Any:
        return super().execute(command, *arguments, **{"start_new_session": True, **options})


class _Repo(Repo):
    GitCommandWrapperType = _Git


class Repository:
    """One Git repository with a work tree, open."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.top = Path(repo.working_dir).resolve()
        self.common = Path(repo.common_dir).resolve()

    def git(self, *arguments: str, env: Mapping[str, str] | None = None, **options: object) -> str:
        """Run one Git command and return what it prints, the last newline aside."""
        command = [self.repo.git.GIT_PYTHON_GIT_EXECUTABLE, *arguments]
        return str(self.repo.git.execute(command, env=dict(env or {}), **options))  # type: ignore[call-overload]

    def head(self) -> str:
        """Return the commit that is checked out, "" in a repository without commits."""
        return self.resolve("HEAD")

    def resolve(self, revision: str) -> str:
        """Return the commit that a revision names, "" where it names none."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except GitCommandError:
            return ""

    def tree_of(self, commit: str) -> str:
        """Return the tree of a commit."""
        return self.git("rev-parse", "--verify", f"{commit}^{{tree}}")

    def work_tree(self) -> str:
        """Write the work tree, untracked files too, as a tree, through an index of our own: the user's stays."""
        with tempfile.TemporaryDirectory(prefix="mlgit-index-") as folder:
            index = Path(folder) / "index"
            own = Path(self.repo.git_dir) / "index"
            if own.exists():
                shutil.copy2(own, index)
            environment = {"GIT_INDEX_FILE": str(index)}
            self.git("add", "--all", "--", ":/", env=environment)
            return self.git("write-tree", env=environment)

    def commit_tree(self, tree: str, parent: str, message: str) -> str:
        """Store a tree as a commit that no branch has."""
        parents = ["-p", parent] if parent else []
        return self.git("commit-tree", tree, *parents, "-m", message, env=self.identity())

    def is_shallow(self) -> bool:
        """Tell whether history was cut off when the repository was cloned."""
        return self.git("rev-parse", "--is-shallow-repository") == "true"

    def is_ancestor(self, commit: str, of: str) -> bool | None:
        """Tell whether one commit is behind another; None where a shallow clone cannot know."""
        if of and self.resolve(commit):
            try:
                self.git("merge-base", "--is-ancestor", commit, of)
            except GitCommandError as error:
                if error.status != 1:
                    raise
            else:
                return True
        return None if self.is_shallow() else False

    def identity(self) -> dict[str, str]:
        """Return who writes: the user that Git knows, else mlgit itself, so that a bare machine can work."""
        known: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            try:
                self.git("var", f"GIT_{role}_IDENT")
            except GitCommandError:
                known |= {f"GIT_{role}_NAME": FALLBACK_NAME, f"GIT_{role}_EMAIL": FALLBACK_EMAIL}
        return known

    def close(self) -> None:
        """End the Git processes that reading keeps open."""
        self.repo.close()


def open_repository(start: Path) -> Repository:
    """Open the repository that a folder is in; a UserError where there is none."""
    try:
        repo = _Repo(start, search_parent_directories=True)
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        message = f"{start} is not in a Git repository"
        hint = "mlgit keeps the workspace in Git: run `git init` here, or `mlgit init DIR` for a new workspace"
        raise failure("not-a-git-repository", message, hint) from error
    if repo.bare:
        repo.close()
        raise failure("bare-repository", f"{start} is a bare repository", "run mlgit in a clone with a work tree")
    return Repository(repo)


def create_repository(folder: Path, message: str) -> Repository:
    """Make a repository of a folder with all its files in a first commit."""
    repository = Repository(_Repo.init(folder, initial_branch="main"))
    repository.git("add", "--all")
    environment = repository.identity()
    repository.git("-c", "commit.gpgsign=false", "commit", "--quiet", "-m", message, env=environment)
    return repository


def is_inside_repository(folder: Path) -> bool:
    """Tell whether a folder, or the nearest one above it that exists, is in a Git repository."""
    while not folder.is_dir():
        folder = folder.parent
    try:
        Repo(folder, search_parent_directories=True).close()
    except InvalidGitRepositoryError:
        return False
    return True


def user() -> str:
    """Name who runs this process, for messages and records."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or str(os.getuid())
