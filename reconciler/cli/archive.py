"""mlgit archive: take something out of use, and keep it."""

from __future__ import annotations

import click

from reconciler.cli._archive import run_archive_operation
from reconciler.cli.options import format_option, target_option


@click.command("archive")
@click.argument("address")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@format_option
@target_option
def command(address: str, form: str, *, auto_approve: bool) -> None:
    """Archive an asset, or one version of it: it stays on record, and nothing finds it any more by itself.

    ADDRESS is KIND/NAME or KIND/NAME@VERSION. `latest` passes over archived versions. What a file declares is archived
    by removing the file and applying that; here goes what no file declares, and older versions.

    \b
    mlgit archive model/iris@1
    mlgit archive job/train --auto-approve
    """
    run_archive_operation("archive", address, form, auto_approve=auto_approve)
