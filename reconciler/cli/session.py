"""What most commands begin with: the workspace around the current folder, and what people are told of its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.json_events import DIAGNOSTICS_HANDLER_KEY
from reconciler.cli.options import TARGET_KEY
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, user_error
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, State, Tree
from reconciler.project import session as workbench
from reconciler.project.check import desired_diagnostics as desired_diagnostics
from reconciler.project.check import load_desired as load_desired
from reconciler.project.check import report_diagnostics as report_diagnostics
from reconciler.project.check import validate_offline as validate_offline
from reconciler.project.session import Session as Session
from reconciler.project.session import read_tree_lines
from reconciler.render import text

_SHOWN_DIAGNOSTICS_KEY = "mlgit.said"  # in the context of a command: the diagnostics that were shown


def open_session(
    revision: str | None = None, *, keep: bool = False, aside: Path | None = None, target: str = DEFAULT_TARGET
) -> Session:
    """Open the workspace of the current folder at its work tree, which Git is to ``keep`` or not, or at a revision.

    A file that is put ``aside`` is no part of it. The session is closed when the command ends. ``target`` counts
    where the user has chosen none.
    """
    context = click.get_current_context()
    chosen = context.meta.get(TARGET_KEY, target)
    session = workbench.open_session(
        Path.cwd(), revision, target=chosen, keep=keep, aside=aside, judge=_report_diagnostics, note=_print_note
    )
    context.call_on_close(session.workspace.repository.close)
    return session


def shown_diagnostics() -> str:
    """Return what was said of the files."""
    return "\n".join(click.get_current_context().meta.get(_SHOWN_DIAGNOSTICS_KEY, []))


def _print_note(said: str) -> None:
    click.echo(said, err=True)


def _report_diagnostics(tree: Tree, problems: Sequence[Diagnostic]) -> None:
    told = click.get_current_context().meta.get(DIAGNOSTICS_HANDLER_KEY)
    errors = [diagnostic for diagnostic in problems if diagnostic.severity is Severity.ERROR]
    of_files = any(diagnostic.span for diagnostic in errors)
    shown = problems if of_files else [diagnostic for diagnostic in problems if diagnostic not in errors]
    if told:
        for diagnostic in shown:
            told(diagnostic)
    elif shown:
        said = text.format_diagnostics(shown, lambda path: read_tree_lines(tree, path))
        click.get_current_context().meta.setdefault(_SHOWN_DIAGNOSTICS_KEY, []).append(said)
        click.echo(said, err=True)
    if of_files:
        raise user_error("files-wrong", f"{text.pluralize(len(errors), 'error')}; nothing was planned or changed")
    if errors:
        raise UserError(*errors)


def parse_live_address(given: str, live: State) -> Address:
    """Read an address as typed; a UserError with what there is where it names nothing."""
    kind, slash, name = given.partition("/")
    address = Address(kind, name.partition("@")[0])
    if slash and address in live.current:
        return address
    shown = sum(not record.archived for record in live.current.values())
    there = f"`mlgit list` shows the {text.pluralize(shown, 'asset')} there are; an address is KIND/NAME"
    hint = did_you_mean(given, [str(address) for address in live.current]) or there
    raise user_error("address-unknown", f"{given} is not live", hint)
