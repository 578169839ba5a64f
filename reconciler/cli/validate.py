"""mlgit validate: everything that is wrong in the files, in one run, without state or credentials."""

from __future__ import annotations

import click

from reconciler.cli.options import format_option
from reconciler.cli.session import offline, open_session
from reconciler.diagnostics import has_errors
from reconciler.render import as_json, text


@click.command("validate")
@click.option("--ref", "revision", metavar="REV", help="Check a revision instead of the work tree.")
@format_option
def command(revision: str | None, form: str) -> int:
    """Check the files of the workspace: schemas, references, cycles.

    Offline; nothing from the repository is executed.

    \b
    mlgit validate
    mlgit validate --ref origin/main --format json
    """
    session = open_session(revision)
    declared, problems = offline(session)
    if form == "json":
        click.echo(as_json.dump(as_json.diagnostics(problems, len(declared.documents))))
    else:
        click.echo("\n".join(filter(None, [text.diagnostics(problems, session.lines)])), nl=bool(problems), err=True)
        click.echo(text.summary(problems, len(declared.documents)))
    return int(has_errors(problems))
