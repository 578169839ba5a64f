"""mlgit import: the files of what is live and no file declares. Commands load by name, so this name is allowed."""

# ruff: noqa: N999 - the module of a command has its name

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from reconciler.abbreviation import abbreviate_id
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session, parse_live_address
from reconciler.diagnostics import UserError, user_error
from reconciler.format.assets import AssetSet
from reconciler.model import Json, Record, State
from reconciler.operations.archive import archived_reference_notes
from reconciler.operations.import_ import GeneratedFile, Importer, MissingContent
from reconciler.project.session import Session
from reconciler.render import plan_json, text
from reconciler.render.code_frame import sanitize_text
from reconciler.source import workspace


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
    session = open_current_session()
    live = session.read_recorded_state()
    found = workspace.read_asset_set(session.tree, session.config)
    records = (
        _undeclared_records(live, found)
        if everything
        else [_find_undeclared_record(live, found, address) for address in addresses]
    )
    drafts, failed = _generate_files(session, records)
    drafts = [_with_archived_reference_notes(generated_file, live, found) for generated_file in drafts]
    for draft in () if dry_run else drafts:
        _write_generated_file(session.workspace.folder, draft)
    if form == "json":
        click.echo(
            plan_json.dump_json(
                [_generated_file_to_json(session, generated_file, wrote=not dry_run) for generated_file in drafts]
            )
        )
    else:
        click.echo(sanitize_text("\n".join(_report_lines(session, drafts, dry_run=dry_run))))
    if failed:
        raise UserError(*(problem for user_error in failed for problem in user_error.diagnostics))
    return 0


def _undeclared_records(live: State, found: AssetSet) -> list[Record]:
    declared = found.assets.keys() | found.invalid_addresses
    return [record for address, record in live.current.items() if address not in declared and not record.archived]


def _find_undeclared_record(live: State, found: AssetSet, given: str) -> Record:
    address = parse_live_address(given, live)
    if "@" in given:
        message = f"{given} names a version, and a file declares the current one"
        raise user_error("import-impossible", message, f"`mlgit import {address}`")
    if address in found.assets or address in found.invalid_addresses:
        asset = found.assets.get(address)
        where = f" by {asset.source}" if asset else ""
        raise user_error("import-impossible", f"{address} is declared{where} already", "there is nothing to import")
    if live.current[address].archived:
        message = f"{address} is archived"
        raise user_error("import-impossible", message, f"bring it back first: `mlgit restore {address}`")
    return live.current[address]


def _generate_files(session: Session, records: Iterable[Record]) -> tuple[list[GeneratedFile], list[UserError]]:
    """Draft what can be written; what cannot is said when that is done."""
    folder = session.workspace.folder
    importer = Importer(session.tree, lambda path: _is_path_taken(folder, path))
    drafts: list[GeneratedFile] = []
    failed: list[UserError] = []
    for record in records:
        try:
            drafts.append(importer.generate_file(record))
        except UserError as error:
            failed.append(error)
    return importer.add_plan_notes(session.config, drafts), failed


def _with_archived_reference_notes(draft: GeneratedFile, live: State, found: AssetSet) -> GeneratedFile:
    """Note what a file refers to that is archived: reading the file alone cannot tell."""
    said = archived_reference_notes(
        live, live.current[draft.address], lambda each: each in found.assets or each in found.invalid_addresses
    )
    return replace(draft, notes=(*draft.notes, *said))


def _is_path_taken(folder: Path, path: str) -> bool:
    """Tell whether something stands at a path, or the path would leave the workspace through a link."""
    target = folder / path
    return os.path.lexists(target) or not target.resolve().is_relative_to(folder.resolve())


def _write_generated_file(folder: Path, draft: GeneratedFile) -> None:
    target = folder / draft.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", newline="") as file:
            file.write(draft.text)
    except OSError as error:
        message = f"{draft.path} cannot be written: {error.strerror}"
        raise user_error("path-not-writable", message, "what was said before is written") from error


def _report_lines(session: Session, drafts: Sequence[GeneratedFile], *, dry_run: bool) -> Iterable[str]:
    for generated_file in drafts:
        yield f"{'would write' if dry_run else 'wrote'} {generated_file.path} ({generated_file.address})"
        if dry_run:
            yield from (f"    {line}" if line else "" for line in generated_file.redacted_text.splitlines())
        yield from (f"  {line}" for line in _follow_up_lines(session, generated_file))
    yield (
        f"{text.pluralize(len(drafts), 'file')} {'would be ' if dry_run else ''}written."
        if drafts
        else _NOTHING_TO_IMPORT
    )


_NOTHING_TO_IMPORT = "Nothing to import: whatever is live is declared."


def _follow_up_lines(session: Session, draft: GeneratedFile) -> Iterable[str]:
    """Say what is left to do until a plan finds no change."""
    for secret in draft.secrets:
        yield f"{secret} is left out: it is a secret, and the live state keeps no value of it"
    for content in draft.missing_contents:
        path = session.tree.display_path(content.path)
        what = "is not as it was applied" if content.path_taken else "is not here"
        if content.commit:
            yield f"{path} {what}; get it with: {_git_checkout_command(session, content)}"
        else:
            yield f"{path} {what}, and Git does not have it any more: a plan will see a change"
    yield from draft.notes


def _git_checkout_command(session: Session, content: MissingContent) -> str:
    """Return the command that gets content out of Git, as typed in the current folder."""
    path = os.path.relpath(session.workspace.repository.top / content.path, Path.cwd())
    return f"git checkout {abbreviate_id(content.commit)} -- {shlex.quote(path)}"


def _generated_file_to_json(session: Session, draft: GeneratedFile, *, wrote: bool) -> Json:
    contents = [
        {
            "path": missing_content.path,
            "commit": missing_content.commit or None,
            "command": _git_checkout_command(session, missing_content) if missing_content.commit else None,
        }
        for missing_content in draft.missing_contents
    ]
    return {
        "address": str(draft.address),
        "path": draft.path,
        "written": wrote,
        "secrets": list(draft.secrets),
        "contents": contents,
        "notes": list(draft.notes),
        "text": draft.redacted_text,
    }
