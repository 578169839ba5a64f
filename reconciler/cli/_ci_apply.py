"""mlgit ci apply: apply a commit if its plan decides what was reviewed, and leave a report on what was done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from reconciler.cli._apply_recorder import ApplyRecorder
from reconciler.cli._ci_reports import open_reports, reports_argument
from reconciler.cli._plan_options import read_plan_options
from reconciler.cli.apply import run_prepared
from reconciler.cli.console import echo_line
from reconciler.cli.json_events import EventStream, run_with_event_stream
from reconciler.cli.options import format_option, guard_options, target_option
from reconciler.cli.session import open_current_session
from reconciler.model import Op
from reconciler.planning.reviewed import compare_with_reports
from reconciler.project.hosted_runner import refuse_hosted_runner
from reconciler.project.prepare import ApplyOptions, Approver, PreparedApply, prepare_apply
from reconciler.project.reported_pending import drop_false_pending
from reconciler.project.review import (
    explain_differences,
    restrict_to_reviewed,
    review_error,
    reviewed_options,
    superseded_note,
    unreviewed_error,
    was_superseded,
    without_later_actions,
)
from reconciler.project.session import Session

_FOLDER_TYPE = click.Path(path_type=Path, file_okay=False)


@click.command("apply")
@reports_argument
@click.option(
    "--wait/--detach", default=False, help="Wait until all runs have ended, or leave them to a later apply (default)."
)
@click.option(
    "--out", "folder", type=_FOLDER_TYPE, metavar="DIR", help="Write result.json and result.md here, also on failure."
)
@click.option("--unreviewed", is_flag=True, help="Apply all that is planned, without a report.")
@guard_options
@format_option
@target_option
def command(  # noqa: PLR0913 - one parameter for each option
    paths: tuple[Path, ...],
    *,
    wait: bool,
    folder: Path | None,
    unreviewed: bool,
    allow_submit: int | None,
    allow_mass_delete: bool,
    form: str,
) -> int:
    """Apply HEAD if its plan decides what was reviewed.

    REPORT is a report.json of `mlgit ci plan`, or a folder with such files: those of the merged pull requests. Each
    decision of the plan must be in one of them, and each decision that they bring must be in the plan, done, or wait
    for a run; else nothing is applied, and what differs is said. Without a REPORT only what follows from earlier
    decisions is done: runs that have ended are recorded, their outputs registered.

    \b
    mlgit ci apply reports --out result
    mlgit ci apply --out result
    """
    if unreviewed and paths:
        raise click.UsageError("--unreviewed takes no REPORT")

    def work(stream: EventStream | None) -> int:
        with ApplyRecorder(folder) as recorder:
            session = recorder.session = open_current_session("HEAD")
            refuse_hosted_runner(session)
            recorder.reports = open_reports(session, paths)
            if stream:
                stream.write_plan_started(session.source)
            state = session.fetch_and_read_state()
            if was_superseded(session, state):
                recorder.exit_code = 0
                note = recorder.note = superseded_note(session, state)
                (stream.on_note if stream else echo_line)(note)
                return 0
            options = read_plan_options(session.config, allow_submit=allow_submit, allow_mass_delete=allow_mass_delete)
            prepared = recorder.prepared = _prepare(
                recorder, session, ApplyOptions(options, state), unreviewed=unreviewed
            )
            withheld = [action for action in prepared.withheld if action.op is not Op.REPAIR]
            if prepared.plan.actions or not withheld:
                recorder.exit_code = run_prepared(
                    session, prepared, auto_approve=True, wait=wait, stream=stream, follower=recorder.follower
                )
            if withheld:
                raise unreviewed_error(withheld)
            return recorder.exit_code

    return run_with_event_stream(work) if form == "json" else work(None)


def _prepare(recorder: ApplyRecorder, session: Session, options: ApplyOptions, *, unreviewed: bool) -> PreparedApply:
    """Return what of the plan is approved. Raise UserError if it is not as it was reviewed."""
    reports = recorder.reports
    if unreviewed:
        return prepare_apply(session, options)
    if not reports:
        return without_later_actions(prepare_apply(session, replace(options, approver=Approver.NOBODY)))
    options = replace(options, plan_options=reviewed_options(reports, options.plan_options))
    prepared = prepare_apply(session, options)
    reports = drop_false_pending(session, prepared.state, prepared.plan, reports)
    comparison = compare_with_reports(prepared.plan, reports, prepared.state)
    if comparison.differences:
        recorder.differences = explain_differences(session, prepared.state, reports, comparison.differences)
        raise review_error(recorder.differences)
    return restrict_to_reviewed(prepared, comparison)
