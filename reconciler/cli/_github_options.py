"""What the commands of `mlgit github` share: the client of the environment, and types of their options."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from reconciler.github.access import read_access
from reconciler.github.client import Client, open_client

FOLDER_TYPE = click.Path(path_type=Path, file_okay=False, exists=True)
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def make_client() -> Client:
    """Return a client for the repository and with the token of the environment, closed when the command ends."""
    return click.get_current_context().with_resource(open_client(read_access(os.environ)))


def check_commit(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return a commit; raise BadParameter if it is not a full name."""
    if not _COMMIT.fullmatch(value):
        raise click.BadParameter(f"{value} is not the full name of a commit, such as GITHUB_SHA has")
    return value
