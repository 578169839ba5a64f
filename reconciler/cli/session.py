"""What most commands begin with: the workspace around the current folder, and what people are told of its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from reconciler.cli.options import TARGET
from reconciler.cli.stream import TOLD
from reconciler.diagnostics import Diagnostic, Severity, UserError, failure
from reconciler.format.suggest import did_you_mean
from reconciler.format.targets import DEFAULT
from reconciler.model import Address, Live, Tree
from reconciler.render import text
from reconciler.workbench import session as workbench
from reconciler.workbench.judging import checked as checked
from reconciler.workbench.judging import examined as examined
from reconciler.workbench.judging import offline as offline
from reconciler.workbench.judging import refuse as refuse
from reconciler.workbench.session import Session as Session
from reconciler.workbench.session import lines_of

_SAID = "mlgit.said"  # in the context of a command: the diagnostics that were shown


def open_session(
    revision: str | None = None, *, keep: bool = False, aside: Path | None = None, target: str = DEFAULT
) -> Session:
    """Open the workspace of the current folder at its work tree, which Git is to ``keep`` or not, or at a revision.

    A file that is put ``aside`` is no part of it. The session is closed when the command ends. ``target`` counts
    where the user has chosen none.
    """
    context = click.get_current_context()
    chosen = context.meta.get(TARGET, target)
    session = workbench.open_session(
        Path.cwd(), revision, target=chosen, keep=keep, aside=aside, judge=_show, note=_note
    )
    context.call_on_close(session.workspace.repository.close)
    return session


def said() -> str:
    """Return what was said of the files."""
    return "\n".join(click.get_current_context().meta.get(_SAID, []))


def _note(said: str) -> None:
    click.echo(said, err=True)


def _show(tree: Tree, problems: Sequence[Diagnostic]) -> None:
    told = click.get_current_context().meta.get(TOLD)
    errors = [each for each in problems if each.severity is Severity.ERROR]
    of_files = any(each.span for each in errors)
    shown = problems if of_files else [each for each in problems if each not in errors]
    if told:
        for each in shown:
            told(each)
    elif shown:
        said = text.diagnostics(shown, lambda path: lines_of(tree, path))
        click.get_current_context().meta.setdefault(_SAID, []).append(said)
        click.echo(said, err=True)
    if of_files:
        raise failure("files-wrong", f"{text.counted(len(errors), 'error')}; nothing was planned or changed")
    if errors:
        raise UserError(*errors)


def address_of(given: str, live: Live) -> Address:
    """Read an address as typed; a UserError with what there is where it names nothing."""
    kind, slash, name = given.partition("/")
    address = Address(kind, name.partition("@")[0])
    if slash and address in live.current:
        return address
    shown = sum(not each.archived for each in live.current.values())
    there = f"`mlgit list` shows the {text.counted(shown, 'asset')} there are; an address is KIND/NAME"
    hint = did_you_mean(given, [str(each) for each in live.current]) or there
    raise failure("address-unknown", f"{given} is not live", hint)
