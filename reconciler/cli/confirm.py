"""Ask for approval before anything is changed; only "yes" approves."""

from __future__ import annotations

import sys

import click

from reconciler.cli.console import echo
from reconciler.diagnostics import user_error
from reconciler.render.sanitize import sanitize_line


def require_approval(question: str, command: str, *, possible: bool = True) -> None:
    """Ask on the terminal; raise UserError if the answer is not "yes" or there is no terminal."""
    if not possible or not (sys.stdin.isatty() and sys.stdout.isatty()):
        reason = "stdin is not a terminal" if possible else "--format json has no prompt"
        raise user_error("approval-needed", f"approval required for {command}, but {reason}", "use --auto-approve")
    try:
        answer = click.prompt(f"\n{sanitize_line(question)} Type 'yes' to approve", default="", show_default=False)
    except click.Abort as abort:
        echo(err=True)
        raise click.Abort("interrupted; nothing was changed") from abort
    if answer.strip() != "yes":
        raise user_error("not-approved", "not approved; nothing was changed")
