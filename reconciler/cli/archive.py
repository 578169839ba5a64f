"""mlgit archive: take an asset, or one version of it, out of use; it stays in the live state."""

from __future__ import annotations

import click

from reconciler.cli._archive import run_archive_operation
from reconciler.cli.options import format_option, target_option


@click.command("archive")
@click.argument("address")
@click.option("--auto-approve", is_flag=True, help="Skip the approval prompt.")
@format_option
@target_option
def command(address: str, form: str, *, auto_approve: bool) -> None:
    """Archive an asset, or one version of it: it stays recorded, but `latest` and new references ignore it.

    ADDRESS is KIND/NAME or KIND/NAME@VERSION. To archive an asset that a file declares, delete the file and apply; this
    command archives assets that no file declares, and older versions.

    \b
    mlgit archive model/iris@1
    mlgit archive job/train --auto-approve
    """
    run_archive_operation("archive", address, form, auto_approve=auto_approve)
