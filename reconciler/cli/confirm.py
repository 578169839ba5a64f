"""The question before anything is changed: only yes is taken for an answer."""

from __future__ import annotations

import click

from reconciler.cli.terminal import is_interactive
from reconciler.diagnostics import user_error


def require_approval(question: str, command: str, *, possible: bool = True) -> None:
    """Ask; a UserError where the answer is not yes, or nobody is there to give one."""
    if not possible or not is_interactive():
        message = f"{command} asks before it acts, and nobody is there to answer"
        raise user_error("approval-needed", message, "say yes beforehand with --auto-approve")
    try:
        answer = click.prompt(f"\n{question} Only yes is taken for an answer", default="", show_default=False)
    except click.Abort as stopped:
        click.echo(err=True)
        raise click.Abort("interrupted; nothing was changed") from stopped
    if answer.strip() != "yes":
        raise user_error("not-approved", "not approved; nothing was changed")
