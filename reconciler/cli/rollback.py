"""mlgit rollback: apply what was applied at an earlier moment, and hold off the commit that was rolled back."""

from __future__ import annotations

import click

from reconciler.cli._plan_options import read_plan_options
from reconciler.cli.apply import execute_and_report, print_prepared
from reconciler.cli.confirm import require_approval
from reconciler.cli.json_events import EventStream, run_with_event_stream
from reconciler.cli.options import format_option, guard_options, target_option
from reconciler.cli.session import open_current_session
from reconciler.project.prepare import ApplyOptions, prepare_apply
from reconciler.project.rollback import (
    check_rollback_leads_somewhere,
    open_rollback_session,
    record_rollback,
    rollback_warning,
)


@click.command("rollback")
@click.argument("revision", metavar="REV")
@click.option("--auto-approve", is_flag=True, help="Skip the approval prompt.")
@click.option("--wait", is_flag=True, help="Wait until all runs have ended, and register their outputs.")
@guard_options
@format_option
@target_option
def command(  # noqa: PLR0913 - one parameter for each option
    revision: str, *, auto_approve: bool, wait: bool, allow_submit: int | None, allow_mass_delete: bool, form: str
) -> int:
    """Apply again what was applied at REV, and keep it until there is a newer commit.

    REV is ~1 for the state before the last apply (~2 for the one before that, as `mlgit log` numbers them), a source
    commit that was applied, or a commit of `mlgit log`; the first digits are enough. The work tree and branches are not
    changed. CI and the controller do not apply the commit that was rolled back again, only a newer one.

    \b
    mlgit rollback ~1
    mlgit rollback 3f2a91c --auto-approve --wait
    """

    def work(stream: EventStream | None) -> int:
        session, state = open_rollback_session(open_current_session(), revision)
        plan_options = read_plan_options(
            session.config, allow_submit=allow_submit, allow_mass_delete=allow_mass_delete, allow_rewind=True
        )
        if stream:
            stream.write_plan_started(session.source)
        prepared = prepare_apply(session, ApplyOptions(plan_options, state))
        check_rollback_leads_somewhere(session, state, prepared.plan, revision)
        print_prepared(session, prepared, stream, rollback_warning(session.source))
        if not auto_approve:
            require_approval("Roll back?", "rollback", possible=stream is None)
        record_rollback(session, state, prepared.request.trailers)
        return execute_and_report(session, prepared, wait=wait, stream=stream)

    return run_with_event_stream(work) if form == "json" else work(None)
