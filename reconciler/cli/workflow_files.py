"""The workflows of GitHub Actions that `mlgit init` writes, and the repository and commit of mlgit that they use."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

from reconciler.package_files import data_folder

_FOLDER = ".github/workflows"
# What stands in the template: no repository, and no commit.
UNSET_ACTIONS = f"OWNER/mlgit@{'0' * 40}"
APPLY_ON_MERGE_HINT = (
    "a merge is applied once there are a shared live state and a runner of yours (docs/ci.md of mlgit)"
)
ACTIONS_HINT = "in .github/workflows, write the repository and commit of mlgit for OWNER/mlgit@0000... (docs/ci.md)"


def validate_actions(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return OWNER/REPO@SHA; refuse what names no commit in full, because a tag or a branch can be moved."""
    if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+@[0-9a-f]{40}", value):
        raise click.BadParameter(f"{value} is not OWNER/REPO@SHA with all 40 digits of a commit")
    return value


def workflow_files(actions: str) -> Mapping[str, bytes]:
    """Return the workflows by path, with the repository and commit that hold the actions of mlgit."""
    repository, _, commit = actions.partition("@")
    unset_repository, _, unset_commit = UNSET_ACTIONS.partition("@")
    return {
        f"{_FOLDER}/{path.name}": path.read_text(encoding="utf-8")
        .replace(f"{unset_repository}/", f"{repository}/")
        .replace(UNSET_ACTIONS, actions)
        .replace(unset_commit, commit)
        .encode()
        for path in sorted((data_folder("workspace-template") / _FOLDER).glob("*.yml"))
    }
