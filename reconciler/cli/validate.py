"""mlgit validate: report everything that is wrong in the files, in one run, without live state or credentials.

The module that checks a whole workspace is loaded by name, only if needed: files that are named need no Git.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from reconciler.cli.diagnostics_output import print_diagnostics
from reconciler.cli.options import TARGET_KEY, diagnostics_format_option, target_option
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import has_errors
from reconciler.format.yaml import MAX_BYTES
from reconciler.render.text import SourceLineReader
from reconciler.source.cache import Cache
from reconciler.source.discovery import has_workspace
from reconciler.source.disk import STDIN, DiskFiles, expand_paths
from reconciler.source.roots import RealFolders, named_roots
from reconciler.source.validation import CheckResult, check_files


@click.command("validate")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--ref", "revision", metavar="REV", help="Check the workspace, or PATHs of it, at a revision.")
@click.option("--strict", is_flag=True, help="Exit with 1 also if the kind of a file that PATH names is not known.")
@diagnostics_format_option
@target_option
def command(paths: tuple[str, ...], revision: str | None, form: str, *, strict: bool) -> int:
    """Check files, folders or, without PATH, the workspace: schemas, references, rules.

    Works offline and executes nothing. PATHs are checked against the workspace that they are in, if any, and need no
    Git repository; a dash reads standard input. A reference to an asset that the files do not declare is a warning,
    because the asset may exist in the live state. In a workspace the providers of all targets are asked what they
    support of each file.
    A file that PATH names and that is no asset is noted and counted; in folders such files are passed over.

    \b
    mlgit validate
    mlgit validate jobs/train.yml environments
    mlgit validate --ref origin/main --format sarif > mlgit.sarif
    """
    result, read_lines = _check_files(paths) if paths and revision is None else _check_workspace(revision, paths)
    print_diagnostics(
        result.diagnostics,
        result.file_count,
        form,
        read_lines,
        unknown_count=result.unknown_count,
        is_support_checked=result.is_support_checked,
    )
    return int(has_errors(result.diagnostics) or (strict and result.unknown_count > 0))


def _check_files(paths: tuple[str, ...]) -> tuple[CheckResult, SourceLineReader]:
    top = Path.cwd()
    standard_input = {STDIN: sys.stdin.buffer.read(MAX_BYTES + 1)} if STDIN in paths else {}
    real_folders = RealFolders()
    files = DiskFiles(top, standard_input, named_roots(top, paths, real_folders), real_folders)
    unique = list(dict.fromkeys(expand_paths(files.rooted, paths)))
    named = frozenset(paths)
    if has_workspace(top, unique):
        module = importlib.import_module("reconciler.project.named_files")
        target = click.get_current_context().meta.get(TARGET_KEY, DEFAULT_TARGET)
        return module.check_named_files(files, unique, named, _find_cache, target), files.read_lines
    return check_files(files, unique, _find_cache(top), named=named), files.read_lines


def _check_workspace(revision: str | None, paths: tuple[str, ...]) -> tuple[CheckResult, SourceLineReader]:
    module = importlib.import_module("reconciler.cli._validate_workspace")
    result: tuple[CheckResult, SourceLineReader] = module.check_workspace(revision, paths)
    return result


def _find_cache(folder: Path) -> Cache | None:
    """Return the cache of the repository that a folder is in; None outside of one."""
    git_folder = next((path / ".git" for path in (folder, *folder.parents) if (path / ".git").is_dir()), None)
    return Cache(git_folder / "mlgit") if git_folder else None
