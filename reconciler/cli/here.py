"""mlgit init --here: adopts the repository one is in. It writes what mlgit needs, and moves and starts nothing."""

from __future__ import annotations

import shutil
import textwrap
import uuid
from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.schema import SETTINGS, write_editor_settings
from reconciler.cli.session import open_session
from reconciler.data import folder as data_folder
from reconciler.diagnostics import Severity, failure
from reconciler.format.config import FILE
from reconciler.git.repository import open_repository
from reconciler.render.excerpt import inline
from reconciler.render.text import counted
from reconciler.workbench.survey import Survey, survey

_WORKFLOW = Path(".github/workflows/mlgit.yml")
_IGNORED = "/.mlgit/"
_SHOWN = 5  # of each sort of thing that is named
_WIDTH = 100
_ONE = (
    "in one workspace a name is one asset. Rename, or leave samples out under assets: exclude: in mlgit.yml, and give "
    "each sample that you want to keep a workspace of its own, with `mlgit init --here` in its folder."
)
_EACH = "compute that is in the cloud only, as a rule. A plan needs a file for each; `mlgit schema KIND` has its form."

_CONFIG = """\
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


def adopt(folder: Path, name: str) -> None:
    """Make a workspace of a folder of a repository, and say what is in it.

    Raises UserError: ``workspace-there``, ``not-a-git-repository``.
    """
    repository = open_repository(folder)
    top = repository.top
    repository.close()
    if (folder / FILE).exists():
        hint = f"`mlgit plan` shows what it would do; to begin anew, with another live state, take {FILE} away first"
        raise failure("workspace-there", f"{FILE} is there already: this is a workspace", hint)
    made = list(_written(folder, top, name))
    click.echo(f"Adopted this folder as the workspace {name}. Nothing was moved, nothing was started.\n")
    for each in made:
        click.echo(f"  {each}")
    session = open_session()
    click.echo("\n" + "\n".join(_said(survey(session))))
    click.echo(_NEXT)


def _written(folder: Path, top: Path, name: str) -> Sequence[str]:
    """Write what is not there yet; return a line for each file, of those too that were left as they were."""
    (folder / FILE).write_text(_CONFIG.format(name=name, lineage=uuid.uuid4().hex), encoding="utf-8")
    return [f"wrote {FILE}", _ignore(folder), _workflow(folder, top), *_settings(folder)]


def _ignore(folder: Path) -> str:
    """Have Git leave alone what mlgit keeps beside the files."""
    path = folder / ".gitignore"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if {_IGNORED, ".mlgit/", ".mlgit", "/.mlgit"} & {line.strip() for line in text.splitlines()}:
        return "left .gitignore, which has .mlgit already"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{_IGNORED}\n")
    return f"added {_IGNORED} to .gitignore"


def _workflow(folder: Path, top: Path) -> str:
    """Write the workflow where it counts: GitHub reads those at the top of a repository alone."""
    if folder.resolve() != top:
        return f"wrote no {_WORKFLOW}: it counts at the top of a repository only; `mlgit init` elsewhere shows one"
    path = folder / _WORKFLOW
    if path.exists():
        return f"left {_WORKFLOW}, which was there already"
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data_folder("workspace-template") / _WORKFLOW, path)
    return f"wrote {_WORKFLOW}: a plan for each pull request"


def _settings(folder: Path) -> Sequence[str]:
    if (folder / SETTINGS).exists():
        return [f"left {SETTINGS}, which was there already; `mlgit schema --write-editor-settings .` adds to it"]
    return [f"wrote {each}" for each in write_editor_settings(folder)]


def _said(found: Survey) -> list[str]:
    """Say what a repository holds, and what is in the way of a plan."""
    lines = [f"Found {counted(found.files, 'asset file')}{':' if found.kinds else '.'}"]
    kinds = sorted(found.kinds.items(), key=lambda pair: -pair[1])
    lines += textwrap.wrap(
        ", ".join(f"{number} {name}" for name, number in kinds), _WIDTH, initial_indent="  ", subsequent_indent="  "
    )
    if found.unclaimed:
        lines += _paragraph(f"{counted(len(found.unclaimed), 'file')} of a kind that mlgit does not know, left alone:")
        lines += _some(found.unclaimed)
    if found.twice:
        names = "One name stands" if len(found.twice) == 1 else f"{len(found.twice)} names stand"
        lines += _paragraph(f"{names} in more than one file; {_ONE}")
        most = sorted(found.twice.items(), key=lambda pair: -len(pair[1]))
        lines += _some([f"{address}: {_listed(files)}" for address, files in most])
    if found.missing:
        names = "One name is" if len(found.missing) == 1 else f"{len(found.missing)} names are"
        lines += _paragraph(f"{names} mentioned that no file declares: {_EACH}")
        lines += _some([f"{address}: in {counted(number, 'file')}" for address, number in found.missing.items()])
    return [*lines, "", _verdict(found)]


def _paragraph(text: str) -> list[str]:
    return ["", *textwrap.wrap(text, _WIDTH)]


def _listed(files: Sequence[str]) -> str:
    more = len(files) - 2
    return ", ".join(files[:2]) + (f" and {more} more" if more > 0 else "")


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    shown = lines[:_SHOWN] if more > 1 else lines
    return [inline(f"  {each}") for each in shown] + ([f"  and {more} more"] if more > 1 else [])


def _verdict(found: Survey) -> str:
    errors = sum(each.severity is Severity.ERROR for each in found.problems)
    warnings = sum(each.severity is Severity.WARNING for each in found.problems)
    if not errors and not warnings:
        return "Nothing is wrong in the files."
    return f"In the files: {counted(errors, 'error')}, {counted(warnings, 'warning')}; `mlgit validate` shows them."


_NEXT = """
Next:
  mlgit validate              # what is to be mended, or left out under assets: exclude:
  mlgit plan                  # what would be made, and why; jobs run only when you say so
  git add . && git commit     # then `mlgit apply` registers it"""
