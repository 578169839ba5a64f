"""mlgit fmt: rewrite asset files in canonical layout; values and comments stay as they are."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

from reconciler.abbreviation import pluralize
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option
from reconciler.diagnostics import Diagnostic, Span, UserError
from reconciler.format.formatter import format_document
from reconciler.format.schema_bundle import bundle_schema, schema_property_names
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.yaml import split_source_lines
from reconciler.model import Json
from reconciler.render.plan_json import diagnostics_to_json, dump_json
from reconciler.render.sanitize import sanitize_line
from reconciler.render.text import SourceLineReader, format_diagnostics
from reconciler.source.discovery import find_workspace_folder
from reconciler.source.files import SourceFile, find_asset_files
from reconciler.source.rooted_files import RootedFiles
from reconciler.source.roots import named_roots


@dataclass(frozen=True, slots=True)
class _FormattedFile:
    """A file and its text in canonical layout, or the diagnostics that say why it has none."""

    file: SourceFile
    text: str
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def is_changed(self) -> bool:
        return not self.diagnostics and self.text != self.file.document.text


@dataclass(frozen=True, slots=True)
class _Summary:
    """The result of formatting: all files, those that change, and what went wrong."""

    files: Sequence[_FormattedFile]
    changed: Sequence[_FormattedFile]
    diagnostics: Sequence[Diagnostic]


@click.command("fmt")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@format_option
def command(paths: tuple[str, ...], form: str, *, check: bool, diff: bool) -> int:
    """Put the fields of asset files in canonical order, and quote their versions.

    Formats files, folders or, without PATH, the workspace; no Git repository is needed. Comments, indentation and
    quotes are kept. A file whose values would change is not written. Files that are not assets are skipped.

    \b
    mlgit fmt
    mlgit fmt jobs/train.yml components
    mlgit fmt --check --diff
    """
    current = Path.cwd()
    top = current if paths else find_workspace_folder(current)
    files = [_format_file(file) for file in find_asset_files(top, paths or (".",))]
    changed = [file for file in files if file.is_changed]
    diagnostics = [diagnostic for file in files for diagnostic in file.diagnostics]
    if not (check or diff):
        rooted = RootedFiles(top, named_roots(top, paths))
        diagnostics += [diagnostic for file in changed for diagnostic in _replace_file(rooted, file)]
    summary = _Summary(files, changed, diagnostics)
    if form == "json":
        echo(dump_json(_summary_to_json(summary, diff=diff)))
    else:
        _print_summary(summary, check=check, diff=diff)
    return int(bool(diagnostics) or (check and bool(changed)))


def _summary_to_json(summary: _Summary, *, diff: bool) -> Json:
    changed = [{"path": file.path} | ({"diff": _unified_diff(file)} if diff else {}) for file in summary.changed]
    return {**diagnostics_to_json(summary.diagnostics, len(summary.files)), "changed": changed}


def _print_summary(summary: _Summary, *, check: bool, diff: bool) -> None:
    for file in summary.changed:
        if diff:
            echo(_unified_diff(file), nl=False)
        if check:
            echo_line(f"would change {file.path}")
    if summary.diagnostics:
        echo(format_diagnostics(summary.diagnostics, _source_line_reader(summary.files)), err=True)
    echo(_format_counts(summary, is_written=not (check or diff)), err=diff)


def _format_file(file: SourceFile) -> _FormattedFile:
    if file.kind is None:
        return _FormattedFile(file, "", file.diagnostics)
    try:
        return _FormattedFile(file, format_document(file.document, _field_order(file.kind.name)))
    except UserError as error:
        return _FormattedFile(file, "", error.diagnostics)


@cache
def _field_order(kind: str) -> tuple[str, ...]:
    return schema_property_names(bundle_schema(schema_id(kind), load_schemas()))


def _unified_diff(file: _FormattedFile) -> str:
    old, new = file.file.document.text.splitlines(), file.text.splitlines()
    path = sanitize_line(file.path)
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _replace_file(rooted: RootedFiles, formatted: _FormattedFile) -> Iterator[Diagnostic]:
    """Replace a file atomically and keep its mode; of a symbolic link, the file that it leads to."""
    try:
        rooted.replace_file(formatted.path, formatted.text.encode())
    except OSError as error:
        yield Diagnostic("path-not-writable", f"the file cannot be written: {error.strerror}", Span(formatted.path))


def _source_line_reader(files: Sequence[_FormattedFile]) -> SourceLineReader:
    contents = {file.path: file.file.raw for file in files}
    return lambda path: split_source_lines(contents.get(path, b""))


def _format_counts(summary: _Summary, *, is_written: bool) -> str:
    if not summary.files:
        return "There are no asset files here."
    verb = "changed" if is_written else "would change"
    failures = f", {pluralize(len(summary.diagnostics), 'problem')}" if summary.diagnostics else ""
    return f"{pluralize(len(summary.files), 'file')}: {len(summary.changed) or 'none'} {verb}{failures}."
