"""Git commands that write, run by GitPython; `repository` loads this module by name, when something is written."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from git import Git, Repo

from reconciler.git.command import SAFE_CONFIG_OPTIONS, decode_output, output_of
from reconciler.git.process import read_all


class _SafeGit(Git):
    """Git that runs no hooks, in sessions of its own: Ctrl-C reaches mlgit alone, which still records what was done."""

    def execute(self, command: Any, *arguments: Any, **options: Any) -> Any:
        program, *rest = command
        options = {"start_new_session": True, **options, "as_process": True}
        handle = super().execute([program, *SAFE_CONFIG_OPTIONS, *rest], *arguments, **options)
        with handle.proc as process:
            return decode_output(output_of(process, *read_all(process)))


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
