"""Make repositories: one in a folder, or one whose Git directory lies elsewhere."""

from __future__ import annotations

from pathlib import Path

from reconciler.git.command import run_git
from reconciler.git.repository import Repository, open_repository, open_separate_repository
from reconciler.git.writer import init_repository


def create_repository(folder: Path, message: str) -> Repository:
    """Make a folder a repository with all its files in a first commit."""
    init_repository(folder)
    repository = open_repository(folder)
    repository.write_git("add", "--all")
    identity = repository.identity_env()
    repository.write_git("-c", "commit.gpgsign=false", "commit", "--quiet", "-m", message, env=identity)
    return repository


def create_separate_repository(folder: Path, git_dir: Path) -> Repository:
    """Make a Git directory elsewhere that has a folder as its work tree; nothing is written into the folder."""
    env = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(folder)}
    run_git(["init", "--quiet", "--initial-branch=main"], git_dir.parent, env=env)
    return open_separate_repository(folder, git_dir)
