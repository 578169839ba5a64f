"""mlgit diff: the changes of the live state between two commits of its history."""

from __future__ import annotations

import click

from reconciler.cli.console import echo, print_coloured_lines
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.render import history, plan_json
from reconciler.state.history import compare_states, read_state_at


@click.command("diff")
@click.argument("before", metavar="[REV]", default="~1")
@click.argument("after", metavar="[REV]", required=False)
@format_option
@target_option
def command(before: str, after: str | None, form: str) -> None:
    """Show what changed in the live state between two revisions, or from one to the current state.

    Without REV, it is what the last apply changed (~1).

    REV is ~1 for the state before the last apply (~2 for the one before that, as `mlgit log` numbers them), a source
    commit that was applied (a branch, a tag, a commit of `git log`), or a commit of `mlgit log`, which may be
    abbreviated. A change by hand, such as archive, counts as an apply. Before the first apply, nothing was live.

    \b
    mlgit diff
    mlgit diff ~2
    mlgit diff v1.0 v1.1
    mlgit diff 3f2a91c --format json
    """
    session = open_current_state_session()
    state = session.read_recorded_state()
    first = read_state_at(session.state_store, state, before)
    second = read_state_at(session.state_store, state, after) if after else state
    differences = compare_states(session.state_store, first, second)
    if form == "json":
        echo(plan_json.dump_json(history.state_diff_to_json(first, second, differences)))
    else:
        print_coloured_lines(history.format_state_diff(first, second, differences))
