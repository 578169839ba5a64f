"""mlgit verify: compare the bytes of the store with what was stored."""

from __future__ import annotations

import click

from reconciler.cli._transfer import show_progress
from reconciler.cli._version_or_run import find_version_or_run
from reconciler.cli.console import echo
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.project.export import open_recorded_store
from reconciler.project.lineage import read_everything
from reconciler.project.verify import datastore_contents, group_by_content, recorded_contents, verify_contents
from reconciler.render.plan_json import dump_json
from reconciler.render.verify import format_verification, verification_to_json


@click.command("verify")
@click.argument("address", required=False)
@click.option("--deep", is_flag=True, help="Read every byte, also of files that seem unchanged.")
@format_option
@target_option
def command(address: str | None, form: str, *, deep: bool) -> int:
    """Compare the contents of versions and runs in the store with what was stored; exit with 1 if any is damaged.

    ADDRESS is KIND/NAME, KIND/NAME@VERSION, a job (its current run), or a run; without it, all that is recorded is
    verified: every version, the outputs of every run and its steps, and the files of workspaceblobstore and the like.
    Nothing is changed.

    \b
    mlgit verify
    mlgit verify model/iris@1 --deep
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    items = [find_version_or_run(session, state, address)] if address else read_everything(session, state)
    store = open_recorded_store(session, state)
    stored = () if address else datastore_contents(store)
    owners = group_by_content((*recorded_contents(state, items), *stored))
    files, size = sum(content.files for content in owners), sum(content.size for content in owners)
    with show_progress("verifying", files, size) as on_progress:
        verified = verify_contents(store, owners, on_progress, deep=deep)
    if form == "json":
        echo(dump_json(verification_to_json(verified, deep=deep)))
    else:
        echo(format_verification(verified, deep=deep, of_one=bool(address)))
    return 1 if any(item.damages for item in verified) else 0
