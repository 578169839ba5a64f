"""mlgit init --here: adopts the repository one is in. It writes what mlgit needs, and moves and starts nothing."""

from __future__ import annotations

import shutil
import textwrap
import uuid
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.schema import EDITOR_SETTINGS_PATH, write_editor_settings
from reconciler.cli.session import open_current_session
from reconciler.config.config import CONFIG_FILE
from reconciler.diagnostics import Severity, user_error
from reconciler.git.repository import open_repository
from reconciler.package_files import data_folder as data_folder
from reconciler.project.inventory import Inventory, take_inventory
from reconciler.render.code_frame import sanitize_line
from reconciler.render.text import pluralize

_WORKFLOW_PATH = Path(".github/workflows/mlgit.yml")
_GITIGNORE_ENTRY = "/.mlgit/"
_MAX_SHOWN = 5  # of each sort of thing that is named
_WRAP_WIDTH = 100
_DUPLICATE_NAMES_HINT = (
    "in one workspace a name is one asset. Rename, or leave samples out under assets: exclude: in mlgit.yml, and give "
    "each sample that you want to keep a workspace of its own, with `mlgit init --here` in its folder."
)
_MISSING_NAMES_HINT = (
    "compute that is in the cloud only, as a rule. A plan needs a file for each; `mlgit schema KIND` has its form."
)

_CONFIG_TEMPLATE = """\
# How this repository is realised. All else here is Azure ML's own format, unchanged.
requires: ">=0.1"

state:
  name: {name}
  lineage: "{lineage}"   # the identity of the live state: leave it as it is

store:
  path: .mlgit/store          # content-addressed; ignored by Git

assets:
  include:                    # the last glob that a file falls under counts
    - glob: "**/*.yml"
      run: manual             # jobs run when told, with `mlgit job rerun NAME`; on-change: whenever they differ
    - glob: "**/*.yaml"
      run: manual
  exclude:                    # what is no asset of this workspace, such as samples
    - .github/

builder: venv                 # environments are Python environments of this machine

backends:
  local:
    type: local               # runs are processes of this machine

compute:
  "*": local                  # what stands behind every compute: name one to give it a backend of its own

limits:
  submit: 10                  # a plan that starts more runs than this asks for --allow-submit
"""


def init_existing_folder(folder: Path, name: str) -> None:
    """Make a workspace of a folder of a repository, and say what is in it.

    Raises UserError: ``workspace-there``, ``not-a-git-repository``.
    """
    repository = open_repository(folder)
    top = repository.top
    repository.close()
    if (folder / CONFIG_FILE).exists():
        hint = f"`mlgit plan` shows what it would do; to begin anew, with another live state, take {CONFIG_FILE} away first"
        raise user_error("workspace-there", f"{CONFIG_FILE} is there already: this is a workspace", hint)
    made = list(_write_workspace_files(folder, top, name))
    click.echo(f"Adopted this folder as the workspace {name}. Nothing was moved, nothing was started.\n")
    for each in made:
        click.echo(f"  {each}")
    session = open_current_session()
    click.echo("\n" + "\n".join(_inventory_lines(take_inventory(session))))
    click.echo(_NEXT_STEPS)


def _write_workspace_files(folder: Path, top: Path, name: str) -> Sequence[str]:
    """Write what is not there yet; return a line for each file, of those too that were left as they were."""
    (folder / CONFIG_FILE).write_text(_CONFIG_TEMPLATE.format(name=name, lineage=uuid.uuid4().hex), encoding="utf-8")
    return [
        f"wrote {CONFIG_FILE}",
        _add_to_gitignore(folder),
        _write_workflow(folder, top),
        *_write_new_editor_settings(folder),
    ]


def _add_to_gitignore(folder: Path) -> str:
    """Have Git leave alone what mlgit keeps beside the files."""
    path = folder / ".gitignore"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if {_GITIGNORE_ENTRY, ".mlgit/", ".mlgit", "/.mlgit"} & {line.strip() for line in text.splitlines()}:
        return "left .gitignore, which has .mlgit already"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{_GITIGNORE_ENTRY}\n")
    return f"added {_GITIGNORE_ENTRY} to .gitignore"


def _write_workflow(folder: Path, top: Path) -> str:
    """Write the workflow where it counts: GitHub reads those at the top of a repository alone."""
    if folder.resolve() != top:
        return f"wrote no {_WORKFLOW_PATH}: it counts at the top of a repository only; `mlgit init` elsewhere shows one"
    path = folder / _WORKFLOW_PATH
    if path.exists():
        return f"left {_WORKFLOW_PATH}, which was there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data_folder("workspace-template") / _WORKFLOW_PATH, path)
    return f"wrote {_WORKFLOW_PATH}: a plan for each pull request"


def _write_new_editor_settings(folder: Path) -> Sequence[str]:
    if (folder / EDITOR_SETTINGS_PATH).exists():
        return [
            f"left {EDITOR_SETTINGS_PATH}, which was there already; `mlgit schema --write-editor-settings .` adds to it"
        ]
    return [f"wrote {setting}" for setting in write_editor_settings(folder)]


def _inventory_lines(found: Inventory) -> list[str]:
    """Say what a repository holds, and what is in the way of a plan."""
    lines = [f"Found {pluralize(found.file_count, 'asset file')}{':' if found.files_by_kind else '.'}"]
    kinds = sorted(found.files_by_kind.items(), key=lambda pair: -pair[1])
    lines += textwrap.wrap(
        ", ".join(f"{number} {name}" for name, number in kinds),
        _WRAP_WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
    )
    if found.unknown_kind_paths:
        lines += _wrap_paragraph(
            f"{pluralize(len(found.unknown_kind_paths), 'file')} of a kind that mlgit does not know, left alone:"
        )
        lines += _limit_lines(found.unknown_kind_paths)
    if found.duplicates:
        names = "One name stands" if len(found.duplicates) == 1 else f"{len(found.duplicates)} names stand"
        lines += _wrap_paragraph(f"{names} in more than one file; {_DUPLICATE_NAMES_HINT}")
        most = sorted(found.duplicates.items(), key=lambda pair: -len(pair[1]))
        lines += _limit_lines([f"{address}: {_join_some_files(files)}" for address, files in most])
    if found.missing_references:
        names = "One name is" if len(found.missing_references) == 1 else f"{len(found.missing_references)} names are"
        lines += _wrap_paragraph(f"{names} mentioned that no file declares: {_MISSING_NAMES_HINT}")
        lines += _limit_lines(
            [f"{address}: in {pluralize(number, 'file')}" for address, number in found.missing_references.items()]
        )
    return [*lines, "", _format_diagnostic_counts(found)]


def _wrap_paragraph(text: str) -> list[str]:
    return ["", *textwrap.wrap(text, _WRAP_WIDTH)]


def _join_some_files(files: Sequence[str]) -> str:
    more = len(files) - 2
    return ", ".join(files[:2]) + (f" and {more} more" if more > 0 else "")


def _limit_lines(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MAX_SHOWN
    shown = lines[:_MAX_SHOWN] if more > 1 else lines
    return [sanitize_line(f"  {each}") for each in shown] + ([f"  and {more} more"] if more > 1 else [])


def _format_diagnostic_counts(found: Inventory) -> str:
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in found.diagnostics)
    warnings = sum(diagnostic.severity is Severity.WARNING for diagnostic in found.diagnostics)
    if not errors and not warnings:
        return "Nothing is wrong in the files."
    return f"In the files: {pluralize(errors, 'error')}, {pluralize(warnings, 'warning')}; `mlgit validate` shows them."


_NEXT_STEPS = """
Next:
  mlgit validate              # what is to be mended, or left out under assets: exclude:
  mlgit plan                  # what would be made, and why; jobs run only when you say so
  git add . && git commit     # then `mlgit apply` registers it"""
