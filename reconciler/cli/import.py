"""mlgit import: the files of what is live and no file declares. Commands load by name, so this name is allowed."""

# ruff: noqa: N999 - the module of a command has its name

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from reconciler.applying.archiving import needs
from reconciler.applying.importing import Content, Draft, Importer
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import Session, address_of, open_session
from reconciler.diagnostics import UserError, failure
from reconciler.format.assets import Declared
from reconciler.model import Json, Live, Record
from reconciler.render import as_json, text
from reconciler.render.excerpt import visible
from reconciler.source import workspace as workspaces

_SHORT = 10


@click.command("import")
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that is live and not declared.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show the files.")
@format_option
@target_option
def command(addresses: tuple[str, ...], form: str, *, everything: bool, dry_run: bool) -> int:
    """Write the files of what is live and declared by none, so that the next plan finds no change.

    A file goes to where it was when it was applied, else into the folder of its kind; no file is overwritten. Data and
    code that it names are not written: the command that gets them out of Git is said.

    \b
    mlgit import --all --dry-run
    mlgit import model/iris
    """
    if bool(addresses) == everything:
        raise click.UsageError("name what to import, or take everything with --all")
    session = open_session()
    live = session.recorded()
    found = workspaces.declared(session.tree, session.config)
    records = _undeclared(live, found) if everything else [_named(live, found, each) for each in addresses]
    drafts, failed = _drafts(session, records)
    drafts = [_with_needs(each, live, found) for each in drafts]
    for each in () if dry_run else drafts:
        _write(session.workspace.folder, each)
    if form == "json":
        click.echo(as_json.dump([_json(session, each, wrote=not dry_run) for each in drafts]))
    else:
        click.echo(visible("\n".join(_told(session, drafts, dry_run=dry_run))))
    if failed:
        raise UserError(*(problem for each in failed for problem in each.diagnostics))
    return 0


def _undeclared(live: Live, found: Declared) -> list[Record]:
    declared = found.assets.keys() | found.broken
    return [each for address, each in live.current.items() if address not in declared and not each.archived]


def _named(live: Live, found: Declared, given: str) -> Record:
    address = address_of(given, live)
    if "@" in given:
        message = f"{given} names a version, and a file declares the current one"
        raise failure("import-impossible", message, f"`mlgit import {address}`")
    if address in found.assets or address in found.broken:
        asset = found.assets.get(address)
        where = f" by {asset.source}" if asset else ""
        raise failure("import-impossible", f"{address} is declared{where} already", "there is nothing to import")
    if live.current[address].archived:
        message = f"{address} is archived"
        raise failure("import-impossible", message, f"bring it back first: `mlgit restore {address}`")
    return live.current[address]


def _drafts(session: Session, records: Iterable[Record]) -> tuple[list[Draft], list[UserError]]:
    """Draft what can be written; what cannot is said when that is done."""
    folder = session.workspace.folder
    importer = Importer(session.tree, lambda path: _stands(folder, path))
    drafts: list[Draft] = []
    failed: list[UserError] = []
    for record in records:
        try:
            drafts.append(importer.draft(record))
        except UserError as error:
            failed.append(error)
    return importer.checked(session.config, drafts), failed


def _with_needs(draft: Draft, live: Live, found: Declared) -> Draft:
    """Note what a file refers to that is archived: reading the file alone cannot tell."""
    said = needs(live, live.current[draft.address], lambda each: each in found.assets or each in found.broken)
    return replace(draft, notes=(*draft.notes, *said))


def _stands(folder: Path, path: str) -> bool:
    """Tell whether something stands at a path, or the path would leave the workspace through a link."""
    target = folder / path
    return os.path.lexists(target) or not target.resolve().is_relative_to(folder.resolve())


def _write(folder: Path, draft: Draft) -> None:
    target = folder / draft.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="") as file:
            file.write(draft.text)
    except OSError as error:
        message = f"{draft.path} cannot be written: {error.strerror}"
        raise failure("path-not-writable", message, "what was said before is written") from error


def _told(session: Session, drafts: Sequence[Draft], *, dry_run: bool) -> Iterable[str]:
    for each in drafts:
        yield f"{'would write' if dry_run else 'wrote'} {each.path} ({each.address})"
        if dry_run:
            yield from (f"    {line}" if line else "" for line in each.shown.splitlines())
        yield from (f"  {line}" for line in _said(session, each))
    yield f"{text.counted(len(drafts), 'file')} {'would be ' if dry_run else ''}written." if drafts else _NOTHING


_NOTHING = "Nothing to import: whatever is live is declared."


def _said(session: Session, draft: Draft) -> Iterable[str]:
    """Say what is left to do until a plan finds no change."""
    for each in draft.secrets:
        yield f"{each} is left out: it is a secret, and the live state keeps no value of it"
    for content in draft.contents:
        path = session.tree.shown(content.path)
        what = "is not as it was applied" if content.other else "is not here"
        if content.commit:
            yield f"{path} {what}; get it with: {_command(session, content)}"
        else:
            yield f"{path} {what}, and Git does not have it any more: a plan will see a change"
    yield from draft.notes


def _command(session: Session, content: Content) -> str:
    """Return the command that gets content out of Git, as typed in the current folder."""
    path = os.path.relpath(session.workspace.repository.top / content.path, Path.cwd())
    return f"git checkout {content.commit[:_SHORT]} -- {shlex.quote(path)}"


def _json(session: Session, draft: Draft, *, wrote: bool) -> Json:
    contents = [
        {"path": each.path, "commit": each.commit or None, "command": _command(session, each) if each.commit else None}
        for each in draft.contents
    ]
    return {
        "address": str(draft.address),
        "path": draft.path,
        "written": wrote,
        "secrets": list(draft.secrets),
        "contents": contents,
        "notes": list(draft.notes),
        "text": draft.shown,
    }
