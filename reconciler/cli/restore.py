"""mlgit restore: restore an archived asset, or one version of it."""

from __future__ import annotations

import click

from reconciler.cli._archive import run_archive_operation
from reconciler.cli.options import format_option, target_option


@click.command("restore")
@click.argument("address")
@click.option("--auto-approve", is_flag=True, help="Skip the approval prompt.")
@format_option
@target_option
def command(address: str, form: str, *, auto_approve: bool) -> None:
    """Restore an archived asset, or one archived version of it.

    ADDRESS is KIND/NAME or KIND/NAME@VERSION. The next apply archives it again unless a file declares it:
    `mlgit import` writes that file.

    \b
    mlgit restore model/iris@1
    mlgit restore job/train --auto-approve
    """
    run_archive_operation("restore", address, form, auto_approve=auto_approve)
