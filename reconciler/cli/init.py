"""mlgit init: create a workspace from the template, in a new Git repository or the surrounding one."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import uuid
from pathlib import Path

import click

from reconciler.cli.console import echo, echo_line
from reconciler.cli.init_existing import init_existing_folder
from reconciler.cli.schema import write_editor_settings
from reconciler.cli.workflow_files import (
    ACTIONS_HINT,
    APPLY_ON_MERGE_HINT,
    UNSET_ACTIONS,
    validate_actions,
    workflow_files,
)
from reconciler.config.config import CONFIG_FILE
from reconciler.diagnostics import user_error
from reconciler.git.new_repository import create_repository
from reconciler.git.repository import is_inside_repository
from reconciler.package_files import data_folder as data_folder

_TEMPLATE_NAME, _TEMPLATE_LINEAGE = "my-workspace", "0" * 32  # the values that the template contains
_IGNORE_PATTERNS = shutil.ignore_patterns("__pycache__", "*.pyc")


@click.command("init")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--here", is_flag=True, help="Initialise mlgit in the current repository; existing files are not changed."
)
@click.option("--write-computes", is_flag=True, help="With --here, write a file for each compute that has none.")
@click.option("--name", metavar="NAME", help="The name of the workspace; by default that of the folder.")
@click.option(
    "--actions",
    metavar="OWNER/REPO@SHA",
    default=UNSET_ACTIONS,
    callback=validate_actions,
    help="The repository and commit of mlgit that the workflows for GitHub use; else edit them.",
)
def command(folder: Path | None, name: str | None, actions: str, *, here: bool, write_computes: bool) -> None:
    """Start a new workspace in DIR, which must be new or empty.

    With --here, make a workspace of a repository that is there: nothing is moved, started or written over.

    \b
    mlgit init iris-demo
    cd iris-demo && mlgit plan
    cd our-repository && mlgit init --here
    """
    if write_computes and not here:
        raise click.UsageError("--write-computes belongs to --here: a new workspace has a file for its compute")
    if here == (folder is not None):
        raise click.UsageError("name a folder for a new workspace, or adopt the one you are in with --here")
    if folder is None:
        workspace_name = _validate_name(name) if name else _name_from_folder(Path.cwd())
        init_existing_folder(Path.cwd(), workspace_name, actions, write_computes=write_computes)
    else:
        _create_workspace(folder, name, actions)


def _create_workspace(folder: Path, name: str | None, actions: str) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        hint = "give the name of a folder that is not there yet"
        raise user_error("folder-not-empty", f"{folder} is there already, and not empty", hint)
    workspace_name = _validate_name(name) if name else _name_from_folder(folder)
    in_repository = is_inside_repository(folder)
    try:
        shutil.copytree(data_folder("workspace-template"), folder, ignore=_IGNORE_PATTERNS, dirs_exist_ok=True)
    except shutil.Error as error:
        _, target, reason = error.args[0][0]
        hint = "free some space, or make the folder writable; then remove it and run the command again"
        raise user_error("path-not-writable", f"{target} cannot be written: {reason}", hint) from error
    _fill_in_template(folder, workspace_name)
    for path, content in workflow_files(actions).items():
        (folder / path).write_bytes(content)
    write_editor_settings(folder)
    if not in_repository:
        create_repository(folder, f"Start the workspace {workspace_name}").close()
    echo_line(f"Made the workspace {workspace_name} in {folder}.")
    echo("\nNext:")
    echo_line(f"  cd {shlex.quote(str(folder))}")
    if in_repository:
        echo("  git add . && git commit     # it lies in a repository that was there before")
    echo("  mlgit plan                  # what would be made, and why")
    echo("  mlgit apply --wait          # make it: build, train, register the model")
    if actions == UNSET_ACTIONS:
        echo(f"\nBefore you push to GitHub: {ACTIONS_HINT}")
    else:
        echo(f"\nOn GitHub, pull requests are planned from now on; {APPLY_ON_MERGE_HINT}.")


def _validate_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{2,32}", name):
        hint = "3 to 33 lower-case letters, digits and -, beginning with a letter or digit"
        raise user_error("name-illegal", f"{name} cannot be the name of a workspace", hint)
    return name


def _name_from_folder(folder: Path) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", Path(os.path.realpath(folder)).name.lower()).strip("-")[:33].strip("-")
    return slug if len(slug) > 2 else _TEMPLATE_NAME  # noqa: PLR2004 - Azure ML requires at least 3 characters


def _fill_in_template(folder: Path, name: str) -> None:
    """Replace the name and the lineage in the template; the lineage identifies the live state, and never changes."""
    for path in (folder / CONFIG_FILE, folder / "workspace.yml", folder / "README.md"):
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace(_TEMPLATE_NAME, name).replace(_TEMPLATE_LINEAGE, uuid.uuid4().hex), encoding="utf-8"
        )
