"""Git commands that write, run by GitPython; `repository` loads this module by name, when something is written."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from git import Git, Repo
from git.exc import GitCommandError

from reconciler.git.command import SAFE_CONFIG_OPTIONS, GitError, describe_git_error


class _SafeGit(Git):
    """Git that runs no hooks, in sessions of its own: Ctrl-C reaches mlgit alone, which still records what was done."""

    def execute(self, command: Any, *arguments: Any, **options: Any) -> Any:
        program, *rest = command
        try:
            return super().execute(
                [program, *SAFE_CONFIG_OPTIONS, *rest], *arguments, **{"start_new_session": True, **options}
            )
        except GitCommandError as error:
            stderr = str(error.stderr).strip().removeprefix("stderr: ").strip("'")  # GitPython adds a title and quotes
            raise describe_git_error(GitError(error.status if isinstance(error.status, int) else 1, stderr)) from error


class _SafeRepo(Repo):
    GitCommandWrapperType = _SafeGit


class GitWriter:
    """Runs commands that write to the repository of a work tree."""

    def __init__(self, top: Path) -> None:
        self._repo = _SafeRepo(top)

    def run(self, arguments: Sequence[str], env: Mapping[str, str], stdin: bytes = b"") -> str:
        """Run a command and return its output without the last newline. Raises GitError if it fails."""
        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.seek(0)
            return str(self._repo.git.execute(["git", *arguments], env=dict(env), istream=file))


def init_repository(folder: Path) -> None:
    """Make a folder a repository whose branch is called main."""
    _SafeRepo.init(folder, initial_branch="main").close()
