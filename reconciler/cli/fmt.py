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
from reconciler.format.bundle import bundle, properties
from reconciler.format.layout import canonical
from reconciler.format.schema_files import documents, identity
from reconciler.model import Json
from reconciler.render import as_json, text
from reconciler.source.around import workspace_around
from reconciler.source.lying import Lying, asset_files


@dataclass(frozen=True, slots=True)
class _Formatted:
    """A file and its text in canonical layout, or why there is none."""

    file: Lying
    text: str
    problems: tuple[Diagnostic, ...] = ()

    @property
    def changed(self) -> bool:
        return not self.problems and self.text != self.file.document.text


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
    top = here if paths else workspace_around(here)
    found = [_formatted(each) for each in asset_files(top, paths or (".",))]
    changed = [each for each in found if each.changed]
    problems = [problem for each in found for problem in each.problems]
    if not (check or diff):
        problems += [problem for each in changed for problem in _write(top, each)]
    if form == "json":
        click.echo(as_json.dump(_json(found, changed, problems, diff=diff)))
    else:
        _show(found, changed, problems, check=check, diff=diff)
    return int(bool(problems) or (check and bool(changed)))


def _json(
    found: Sequence[_Formatted], changed: Sequence[_Formatted], problems: Sequence[Diagnostic], *, diff: bool
) -> Json:
    listed = [{"path": each.file.path} | ({"diff": _difference(each)} if diff else {}) for each in changed]
    return {**as_json.diagnostics(problems, len(found)), "changed": listed}


def _show(
    found: Sequence[_Formatted],
    changed: Sequence[_Formatted],
    problems: Sequence[Diagnostic],
    *,
    check: bool,
    diff: bool,
) -> None:
    for each in changed:
        if diff:
            click.echo(_difference(each), nl=False)
        if check:
            click.echo(f"would change {each.file.path}")
    if problems:
        click.echo(text.diagnostics(problems, _lines(found)), err=True)
    click.echo(_summary(len(found), len(changed), len(problems), wrote=not (check or diff)), err=diff)


def _formatted(file: Lying) -> _Formatted:
    if file.kind is None:
        return _Formatted(file, "", file.problems)
    try:
        return _Formatted(file, canonical(file.document, _order(file.kind.name)))
    except UserError as error:
        return _Formatted(file, "", error.diagnostics)


@cache
def _order(kind: str) -> tuple[str, ...]:
    return properties(bundle(identity(kind), documents()))


def _difference(each: _Formatted) -> str:
    before, after = each.file.document.text, each.text
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{each.file.path}", f"b/{each.file.path}", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _write(top: Path, each: _Formatted) -> Iterator[Diagnostic]:
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


def _lines(found: Sequence[_Formatted]) -> text.Lines:
    by_path = {each.file.path: each.file.raw for each in found}
    return lambda path: by_path.get(path, b"").decode("utf-8", "replace").splitlines()


def _summary(files: int, changed: int, wrong: int, *, wrote: bool) -> str:
    if not files:
        return "There are no asset files here."
    verb = "changed" if wrote else "would change"
    left = f", {text.counted(wrong, 'problem')}" if wrong else ""
    return f"{text.counted(files, 'file')}: {changed or 'none'} {verb}{left}."
