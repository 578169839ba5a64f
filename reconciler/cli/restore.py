"""mlgit restore: bring back what was archived."""

from __future__ import annotations

import click

from reconciler.cli._archive import run_archive_operation
from reconciler.cli.options import format_option, target_option


@click.command("restore")
@click.argument("address")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@format_option
@target_option
def command(address: str, form: str, *, auto_approve: bool) -> None:
    """Bring back an asset that was archived, or one version of it.

    ADDRESS is KIND/NAME or KIND/NAME@VERSION. What no file declares is archived again by the next apply: `mlgit import`
    writes its file.

    \b
    mlgit restore model/iris@1
    mlgit restore job/train --auto-approve
    """
    run_archive_operation("restore", address, form, auto_approve=auto_approve)
