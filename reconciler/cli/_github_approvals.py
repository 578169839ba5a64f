"""mlgit github approvals: who approved the head commit of a pull request."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.cli._github_options import make_client
from reconciler.cli.console import echo_line
from reconciler.github.pulls import find_approvals, find_pull

_FILE_TYPE = click.Path(path_type=Path, dir_okay=False)
_FORMAT = 1


@click.command("approvals")
@click.option("--pull", "number", type=int, required=True, metavar="N", help="The pull request.")
@click.option(
    "--out", "file", type=_FILE_TYPE, required=True, metavar="FILE", help="Write the approvals here, as JSON."
)
def command(number: int, file: Path) -> None:
    """Write down who approved the head commit of a pull request.

    The newest review of each person counts, if it approves the commit that is the head now; the author of the pull
    request does not count. FILE has the head, the commit of the base, and the logins.

    The job needs `permissions: pull-requests: read`.

    \b
    mlgit github approvals --pull 12 --out approvals.json
    """
    pull = find_pull(make_client(), number)
    approvals = find_approvals(pull)
    document = {
        "format": _FORMAT,
        "pull": number,
        "head": pull.head.sha,
        "base": {"ref": pull.base.ref, "commit": pull.base.sha},
        "approvals": [approval._asdict() for approval in approvals],
    }
    file.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    logins = ", ".join(approval.login for approval in approvals) or "nobody"
    echo_line(f"The head of pull request {number}, {pull.head.sha[:10]}, is approved by {logins}.")
