"""mlgit import: write files for live assets that no file declares."""

# ruff: noqa: N999 - a command is imported by name, so its module may have the name of a keyword

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from reconciler.abbreviation import abbreviate_id, pluralize
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.cli.state_session import parse_live_address
from reconciler.diagnostics import UserError, user_error
from reconciler.format.assets import AssetSet
from reconciler.model import Json, Record, State
from reconciler.operations.archive import archived_reference_notes
from reconciler.operations.import_ import GeneratedFile, Importer, MissingContent
from reconciler.planning.undeclared import find_undeclared_job, find_undeclared_records
from reconciler.project.session import Session
from reconciler.render import plan_json
from reconciler.source.rooted_files import MISSING, RootedFiles
from reconciler.source.roots import WORKSPACE, Root


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
    state = session.read_recorded_state()
    declared = session.read_assets()
    records = (
        find_undeclared_records(state, declared)
        if everything
        else [_find_undeclared_record(state, declared, address) for address in addresses]
    )
    generated_files, errors = _generate_files(session, state, records)
    generated_files = [_with_archived_reference_notes(file, state, declared) for file in generated_files]
    for generated_file in () if dry_run else generated_files:
        _write_generated_file(_workspace_files(session), generated_file)
    if form == "json":
        echo(
            plan_json.dump_json(
                [_generated_file_to_json(session, file, written=not dry_run) for file in generated_files]
            )
        )
    else:
        for line in _report_lines(session, generated_files, dry_run=dry_run):
            echo_line(line)
    if errors:
        raise UserError(*(diagnostic for error in errors for diagnostic in error.diagnostics))
    return 0


def _find_undeclared_record(state: State, declared: AssetSet, argument: str) -> Record:
    address = parse_live_address(argument, state)
    if "@" in argument:
        message = f"{argument} names a version, and a file declares the current one"
        raise user_error("import-impossible", message, f"`mlgit import {address}`")
    if address in declared.assets or address in declared.invalid_addresses:
        asset = declared.assets.get(address)
        by_file = f" by {asset.source}" if asset else ""
        raise user_error("import-impossible", f"{address} is declared{by_file} already", "there is nothing to import")
    if state.current[address].archived:
        message = f"{address} is archived"
        raise user_error("import-impossible", message, f"bring it back first: `mlgit restore {address}`")
    if job := find_undeclared_job(state.current[address], state, declared):
        message = f"{address} is registered from an output of {job.address}, whose file declares it"
        raise user_error("import-impossible", message, f"`mlgit import {job.address}`")
    return state.current[address]


def _generate_files(
    session: Session, state: State, records: Iterable[Record]
) -> tuple[list[GeneratedFile], list[UserError]]:
    """Return the files for the records, and the errors of the records that no file can be generated for."""
    files = _workspace_files(session)
    importer = Importer(session.tree, lambda path: files.kind_of(path) != MISSING, state.current)
    generated_files: list[GeneratedFile] = []
    errors: list[UserError] = []
    for record in records:
        try:
            generated_files.append(importer.generate_file(record))
        except UserError as error:
            errors.append(error)
    return importer.add_plan_notes(session.config, generated_files), errors


def _with_archived_reference_notes(generated_file: GeneratedFile, state: State, declared: AssetSet) -> GeneratedFile:
    """Return the file with notes about the archived assets that it refers to, which its text does not show."""
    notes = archived_reference_notes(
        state,
        state.current[generated_file.address],
        lambda address: address in declared.assets or address in declared.invalid_addresses,
    )
    return replace(generated_file, notes=(*generated_file.notes, *notes))


def _workspace_files(session: Session) -> RootedFiles:
    """Return the files of the workspace; unlike what is read, nothing is written elsewhere in the repository."""
    folder = session.workspace.folder
    return RootedFiles(folder, (Root(os.path.realpath(folder), WORKSPACE),))


def _write_generated_file(files: RootedFiles, generated_file: GeneratedFile) -> None:
    try:
        files.create_file(generated_file.path, generated_file.text.encode())
    except OSError as error:
        message = f"{generated_file.path} cannot be written: {error.strerror}"
        raise user_error("path-not-writable", message, "what was said before is written") from error


def _report_lines(session: Session, generated_files: Sequence[GeneratedFile], *, dry_run: bool) -> Iterable[str]:
    for generated_file in generated_files:
        yield f"{'would write' if dry_run else 'wrote'} {generated_file.path} ({generated_file.address})"
        if dry_run:
            yield from (
                f"    {line}" if line else "" for line in generated_file.redacted_text.removesuffix("\n").split("\n")
            )
        yield from (f"  {line}" for line in _follow_up_lines(session, generated_file))
    yield (
        f"{pluralize(len(generated_files), 'file')} {'would be ' if dry_run else ''}written."
        if generated_files
        else _NOTHING_TO_IMPORT
    )


_NOTHING_TO_IMPORT = "Nothing to import: whatever is live is declared."


def _follow_up_lines(session: Session, generated_file: GeneratedFile) -> Iterable[str]:
    """Yield what the user must still do, so that a plan finds no change."""
    for secret in generated_file.secrets:
        yield f"{secret} is left out: it is a secret, and the live state keeps no value of it"
    for content in generated_file.missing_contents:
        path = session.tree.display_path(content.path)
        status = "is not as it was applied" if content.path_taken else "is not here"
        if content.commit:
            yield f"{path} {status}; get it with: {_git_checkout_command(session, content)}"
        else:
            yield f"{path} {status}, and Git does not have it any more: a plan will see a change"
    yield from generated_file.notes


def _git_checkout_command(session: Session, content: MissingContent) -> str:
    """Return the command that gets content out of Git when it is run in the current folder."""
    path = os.path.relpath(session.workspace.repository.top / content.path, Path.cwd())
    return f"git checkout {abbreviate_id(content.commit)} -- {shlex.quote(path)}"


def _generated_file_to_json(session: Session, generated_file: GeneratedFile, *, written: bool) -> Json:
    contents = [
        {
            "path": content.path,
            "commit": content.commit or None,
            "command": _git_checkout_command(session, content) if content.commit else None,
        }
        for content in generated_file.missing_contents
    ]
    return {
        "address": str(generated_file.address),
        "path": generated_file.path,
        "written": written,
        "secrets": list(generated_file.secrets),
        "contents": contents,
        "notes": list(generated_file.notes),
        "text": generated_file.redacted_text,
    }
