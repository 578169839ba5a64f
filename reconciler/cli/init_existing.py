"""mlgit init --here: initialise mlgit in the current repository; existing files are not changed."""

from __future__ import annotations

import os
import sys
import textwrap
import uuid
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path

import click

from reconciler.abbreviation import join_some, pluralize
from reconciler.cli.console import echo, echo_line
from reconciler.cli.schema import EDITOR_SETTINGS_PATH, write_editor_settings
from reconciler.cli.session import open_current_session
from reconciler.cli.workflow_files import ACTIONS_HINT, UNSET_ACTIONS, workflow_files
from reconciler.config.config import CONFIG_FILE
from reconciler.diagnostics import Severity, user_error
from reconciler.format.kinds import kind_by_name
from reconciler.format.workspace_rules import compute_file_lines, compute_file_path
from reconciler.format.yaml import MAX_BYTES
from reconciler.git.repository import open_repository
from reconciler.model import Address
from reconciler.model.assets import EMPTY_MAPPING
from reconciler.project.inventory import Inventory, take_inventory
from reconciler.render.plan_json import blocked_to_json
from reconciler.render.sanitize import sanitize_line
from reconciler.render.text import can_run_line
from reconciler.source.rooted_files import MISSING, RootedFiles, repository_files

_GITIGNORE_ENTRY = "/.mlgit/"
_MAX_SHOWN = 5  # entries of each list
_WRAP_WIDTH = 100
_DUPLICATE_NAMES_HINT = (
    "names are unique in a workspace. Rename assets, exclude samples under assets: exclude: in mlgit.yml, or give a "
    "sample its own workspace with `mlgit init --here` in its folder."
)
_MISSING_NAMES_HINT = (
    "no plan of all files is made without them. Add a file for each (`mlgit schema KIND` shows its fields), or exclude "
    "the files that name them."
)
_BOUND_COMPUTES_HINT = (
    "without a file. None is needed, because mlgit.yml binds every compute to a backend; `mlgit validate` shows the "
    "four lines that declare one."
)

_CONFIG_TEMPLATE = """\
# The configuration of mlgit. All other files are in Azure ML's own format, unchanged.
requires: ">=0.1"

state:
  name: {name}
  lineage: "{lineage}"   # the identity of the live state: do not change it

store:
  path: .mlgit/store          # content-addressed; ignored by Git

assets:
  include:                    # the last glob that matches a file applies
    - glob: "**/*.yml"
      run: manual             # run jobs with `mlgit job rerun NAME`; on-change: whenever they change
    - glob: "**/*.yaml"
      run: manual
  exclude:                    # files that are not assets of this workspace, such as samples
    - .github/

builders:
  venv:
    type: venv                # environments are Python environments on this machine
{pythons}
backends:
  local:
    type: local               # runs are processes on this machine

compute:
  "*": local                  # the backend of every compute; add a name to bind one compute to another backend

limits:
  submit: 10                  # a plan that starts more runs requires --allow-submit
"""
_PYTHONS_LINE = "    pythons:                  # what files ask for and this machine lacks: what is used in its place\n"


def init_existing_folder(folder: Path, name: str, actions: str, *, write_computes: bool) -> None:
    """Make a folder of a repository a workspace, and print an inventory of it.

    Files for computes that have none are written if the user wants it: with ``write_computes``, or asked on a terminal.
    Raises UserError ``workspace-there`` or ``not-a-git-repository``.
    """
    repository = open_repository(folder)
    top = repository.top
    repository.close()
    if os.path.lexists(folder / CONFIG_FILE):
        hint = f"run `mlgit plan`; to start over with a new live state, delete {CONFIG_FILE} first"
        raise user_error("workspace-there", f"{CONFIG_FILE} already exists: this folder is a workspace", hint)
    lineage = uuid.uuid4().hex
    outcomes = _write_workspace_files(folder, top, _config_text(name, lineage), actions)
    inventory = take_inventory(open_current_session())
    if inventory.pythons:
        text = _config_text(name, lineage, inventory.pythons)
        repository_files(folder).replace_file(CONFIG_FILE, text.encode())
        outcomes = [*outcomes, *_python_lines(inventory.pythons)]
        inventory = take_inventory(open_current_session())
    if write_computes and inventory.bound_computes:
        outcomes = [*outcomes, *_write_computes(folder, inventory)]
        inventory = take_inventory(open_current_session())
    echo(f"Initialised workspace {name} in this folder. Existing files are unchanged, and nothing was started.\n")
    for outcome in outcomes:
        echo_line(f"  {outcome}")
    echo("\n" + "\n".join(_inventory_lines(inventory)))
    if inventory.bound_computes and sys.stdin.isatty() and sys.stdout.isatty():
        files = pluralize(len(inventory.bound_computes), "file")
        if click.confirm(f"\nWrite {files} for compute?", default=False):
            for outcome in _write_computes(folder, inventory):
                echo_line(f"  {outcome}")
    echo(_NEXT_STEPS)


def _write_computes(folder: Path, inventory: Inventory) -> list[str]:
    """Write a file for each compute that has none; return one line for each."""
    files = repository_files(folder)
    outcomes = []
    for address in inventory.bound_computes:
        path = compute_file_path(address.name)
        if problem := files.find_problem(path):
            outcomes.append(f"skipped {path}: {problem}")
        elif files.kind_of(path) != MISSING:
            outcomes.append(f"kept {path}: it exists already")
        else:
            files.create_file(path, ("\n".join(compute_file_lines(address.name)) + "\n").encode())
            outcomes.append(f"wrote {path}")
    return outcomes


def _config_text(name: str, lineage: str, pythons: Mapping[str, str] = EMPTY_MAPPING) -> str:
    """Return mlgit.yml; ``pythons`` are the series of Python that the machine lacks, each with the one to use."""
    lines = [f'      "{series}": "{nearest}"\n' for series, nearest in pythons.items()]
    setting = "".join([_PYTHONS_LINE, *lines]) if lines else ""
    return _CONFIG_TEMPLATE.format(name=name, lineage=lineage, pythons=setting)


def _python_lines(pythons: Mapping[str, str]) -> list[str]:
    return [
        f"Python {series}, which files ask for, is not on this machine: {CONFIG_FILE} says to use {nearest}"
        for series, nearest in pythons.items()
    ]


def _write_workspace_files(folder: Path, top: Path, config: str, actions: str) -> Sequence[str]:
    """Write the files that do not exist; return one line for each file, whether it was written or not."""
    files = repository_files(folder)
    files.create_file(CONFIG_FILE, config.encode())
    return [
        f"wrote {CONFIG_FILE}",
        _add_to_gitignore(files),
        *_write_workflows(files, top, actions),
        *_write_new_editor_settings(files),
    ]


def _add_to_gitignore(files: RootedFiles) -> str:
    """Make Git ignore the folder for local data of mlgit."""
    raw = b"" if files.kind_of(".gitignore") == MISSING else files.read_file(".gitignore", MAX_BYTES)
    lines = raw.decode("utf-8", "replace").splitlines()
    if {_GITIGNORE_ENTRY, ".mlgit/", ".mlgit", "/.mlgit"} & {line.strip() for line in lines}:
        return "kept .gitignore: it lists .mlgit already"
    if len(raw) > MAX_BYTES:
        return f"kept .gitignore: it is too long; add {_GITIGNORE_ENTRY} to it"
    separator = b"" if not raw or raw.endswith(b"\n") else b"\n"
    files.replace_file(".gitignore", b"%s%s%s\n" % (raw, separator, _GITIGNORE_ENTRY.encode()))
    return f"added {_GITIGNORE_ENTRY} to .gitignore"


def _write_workflows(files: RootedFiles, top: Path, actions: str) -> Sequence[str]:
    """Write the workflows if the folder is the top of the repository: GitHub reads workflows there only."""
    if files.top.resolve() != top:
        return ["skipped .github/workflows/: GitHub reads it at the top of a repository only (docs/ci.md: `directory`)"]
    outcomes = []
    for path, content in workflow_files(actions).items():
        if files.kind_of(path) != MISSING:
            outcomes.append(f"kept {path}: it exists already")
        else:
            files.create_file(path, content)
            outcomes.append(f"wrote {path}")
    return [*outcomes, f"before you push to GitHub: {ACTIONS_HINT}"] if actions == UNSET_ACTIONS else outcomes


def _write_new_editor_settings(files: RootedFiles) -> Sequence[str]:
    if files.kind_of(str(EDITOR_SETTINGS_PATH)) != MISSING:
        return [f"kept {EDITOR_SETTINGS_PATH}: it exists already; `mlgit schema --write-editor-settings .` extends it"]
    return [f"wrote {path}" for path in write_editor_settings(files.top)]


def _inventory_lines(inventory: Inventory) -> list[str]:
    """Return what a repository contains, and what prevents a plan."""
    lines = [f"Found {pluralize(inventory.file_count, 'asset file')}{':' if inventory.files_by_kind else '.'}"]
    counts = sorted(inventory.files_by_kind.items(), key=itemgetter(1), reverse=True)
    lines += textwrap.wrap(
        ", ".join(f"{count} {kind}" for kind, count in counts),
        _WRAP_WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
    )
    if inventory.unknown_kind_paths:
        files = pluralize(len(inventory.unknown_kind_paths), "file")
        lines += _wrap_paragraph(f"{files} of an unknown kind, ignored:")
        lines += _limit_lines(inventory.unknown_kind_paths)
    if inventory.duplicates:
        names = "1 name is" if len(inventory.duplicates) == 1 else f"{len(inventory.duplicates)} names are"
        lines += _wrap_paragraph(f"{names} declared in more than one file: {_DUPLICATE_NAMES_HINT}")
        most_files_first = sorted(inventory.duplicates.items(), key=lambda item: -len(item[1]))
        lines += _limit_lines([f"{address}: {join_some(files, 2)}" for address, files in most_files_first])
    if inventory.bound_computes:
        lines += _wrap_paragraph(f"{pluralize(len(inventory.bound_computes), 'compute')} {_BOUND_COMPUTES_HINT}")
        lines += _limit_lines(_count_lines(inventory.bound_computes))
    if inventory.missing_references:
        names = pluralize(len(inventory.missing_references), "referenced name")
        verb = "is" if len(inventory.missing_references) == 1 else "are"
        lines += _wrap_paragraph(f"{names} {verb} not declared: {_MISSING_NAMES_HINT}")
        lines += _limit_lines(_count_lines(inventory.missing_references))
    return [*lines, *_unsupported_lines(inventory), "", _format_diagnostic_counts(inventory)]


def _unsupported_lines(inventory: Inventory) -> list[str]:
    """Return how much of a repository a provider would realise, in numbers."""
    jobs = [blocked_to_json(item) for item in inventory.unsupported if kind_by_name(item.address.kind).is_runnable]
    builds = [item for item in inventory.unsupported if kind_by_name(item.address.kind).uses_builder]
    total = inventory.files_by_kind.get("job", 0)
    lines = [can_run_line(jobs, total, inventory.runnable_jobs)] if total else []
    if builds:
        environments = pluralize(inventory.files_by_kind["environment"], "environment")
        lines.append(f"{len(builds)} of {environments} cannot be built here.")
    if builds or inventory.runnable_jobs < total:
        lines.append("`mlgit validate` shows where the files say it.")
    return _wrap_paragraph(" ".join(lines)) if lines else []


def _count_lines(references: Mapping[Address, int]) -> list[str]:
    return [f"{address}: in {pluralize(count, 'file')}" for address, count in references.items()]


def _wrap_paragraph(text: str) -> list[str]:
    return ["", *textwrap.wrap(text, _WRAP_WIDTH)]


def _limit_lines(lines: Sequence[str]) -> list[str]:
    hidden = len(lines) - _MAX_SHOWN
    visible = lines[:_MAX_SHOWN] if hidden > 1 else lines
    return [sanitize_line(f"  {line}") for line in visible] + ([f"  and {hidden} more"] if hidden > 1 else [])


def _format_diagnostic_counts(inventory: Inventory) -> str:
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in inventory.diagnostics)
    warnings = sum(diagnostic.severity is Severity.WARNING for diagnostic in inventory.diagnostics)
    if not errors and not warnings:
        return "The files have no errors or warnings."
    return f"The files have {pluralize(errors, 'error')} and {pluralize(warnings, 'warning')}: run `mlgit validate`."


_NEXT_STEPS = """
Next:
  mlgit validate              # shows what to fix, or to exclude under assets: exclude:
  mlgit plan                  # shows what apply would create; jobs run only when you ask for it
  git add . && git commit     # then `mlgit apply` registers the assets"""
