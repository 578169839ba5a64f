"""mlgit fmt: asset files in their canonical layout; what they say, and their comments, stay."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

from reconciler.cli.options import format_option
from reconciler.diagnostics import Diagnostic, Span, UserError
from reconciler.format.formatter import format_document
from reconciler.format.schema_bundle import bundle_schema, schema_property_names
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.model import Json
from reconciler.render import plan_json, text
from reconciler.source.discovery import find_workspace_folder
from reconciler.source.files import SourceFile, find_asset_files


@dataclass(frozen=True, slots=True)
class _FormattedFile:
    """A file and its text in canonical layout, or why there is none."""

    file: SourceFile
    text: str
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def is_changed(self) -> bool:
        return not self.diagnostics and self.text != self.file.document.text


@click.command("fmt")
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@format_option
def command(paths: tuple[str, ...], form: str, *, check: bool, diff: bool) -> int:
    """Put the fields of asset files in canonical order, and their versions in quotes.

    Files, folders or, without PATH, the workspace; no Git repository is needed. Comments, indentation and quotes stay
    as they are, and a file that would then say something else is left alone. Files that are no assets are passed over.

    \b
    mlgit fmt
    mlgit fmt jobs/train.yml components
    mlgit fmt --check --diff
    """
    here = Path.cwd()
    top = here if paths else find_workspace_folder(here)
    found = [_format_file(source_file) for source_file in find_asset_files(top, paths or (".",))]
    changed = [formatted_file for formatted_file in found if formatted_file.is_changed]
    problems = [problem for formatted_file in found for problem in formatted_file.diagnostics]
    if not (check or diff):
        problems += [problem for formatted_file in changed for problem in _replace_file(top, formatted_file)]
    if form == "json":
        click.echo(plan_json.dump_json(_result_to_json(found, changed, problems, diff=diff)))
    else:
        _print_result(found, changed, problems, check=check, diff=diff)
    return int(bool(problems) or (check and bool(changed)))


def _result_to_json(
    found: Sequence[_FormattedFile], changed: Sequence[_FormattedFile], problems: Sequence[Diagnostic], *, diff: bool
) -> Json:
    listed = [
        {"path": formatted_file.file.path} | ({"diff": _unified_diff(formatted_file)} if diff else {})
        for formatted_file in changed
    ]
    return {**plan_json.diagnostics_to_json(problems, len(found)), "changed": listed}


def _print_result(
    found: Sequence[_FormattedFile],
    changed: Sequence[_FormattedFile],
    problems: Sequence[Diagnostic],
    *,
    check: bool,
    diff: bool,
) -> None:
    for formatted_file in changed:
        if diff:
            click.echo(_unified_diff(formatted_file), nl=False)
        if check:
            click.echo(f"would change {formatted_file.file.path}")
    if problems:
        click.echo(text.format_diagnostics(problems, _source_line_reader(found)), err=True)
    click.echo(_format_summary(len(found), len(changed), len(problems), wrote=not (check or diff)), err=diff)


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


def _unified_diff(each: _FormattedFile) -> str:
    before, after = each.file.document.text, each.text
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{each.file.path}", f"b/{each.file.path}", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _replace_file(top: Path, each: _FormattedFile) -> Iterator[Diagnostic]:
    """Replace a file at once, or not at all; a link stays a link and the mode stays what it was."""
    target = (top / each.file.path).resolve()
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(each.text)
            shutil.copymode(target, name)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        yield Diagnostic("path-not-writable", f"the file cannot be written: {error.strerror}", Span(each.file.path))


def _source_line_reader(found: Sequence[_FormattedFile]) -> text.SourceLineReader:
    by_path = {formatted_file.file.path: formatted_file.file.raw for formatted_file in found}
    return lambda path: by_path.get(path, b"").decode("utf-8", "replace").splitlines()


def _format_summary(files: int, changed: int, wrong: int, *, wrote: bool) -> str:
    if not files:
        return "There are no asset files here."
    verb = "changed" if wrote else "would change"
    left = f", {text.pluralize(wrong, 'problem')}" if wrong else ""
    return f"{text.pluralize(files, 'file')}: {changed or 'none'} {verb}{left}."
