"""mlgit rollback: plan what was in force at an earlier moment, apply it, and hold off whoever would undo that."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.abbreviation import abbreviate_id
from reconciler.cli._plan import plan_session, policy_from_options
from reconciler.cli.apply import commit_trailers, execute_and_report
from reconciler.cli.confirm import require_approval
from reconciler.cli.json_events import EventStream, run_with_event_stream
from reconciler.cli.options import format_option, guard_options, target_option
from reconciler.cli.session import Session, load_desired, open_session
from reconciler.cli.terminal import Terminal
from reconciler.diagnostics import user_error
from reconciler.engine.request import ApplyRequest
from reconciler.git.repository import user_name
from reconciler.model import SourceRevision, State
from reconciler.planning import saved
from reconciler.planning.plan import DesiredState
from reconciler.render import plan_json, text
from reconciler.state.fast_forward import write_rollback_hold
from reconciler.state.history import applied_source_commit, read_state_at, source_group_key


@click.command("rollback")
@click.argument("revision", metavar="REV")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--wait", is_flag=True, help="Wait for runs to end, and register what they make.")
@guard_options
@format_option
@target_option
def command(  # noqa: PLR0913 - one parameter for each option
    revision: str, *, auto_approve: bool, wait: bool, allow_submit: int | None, allow_mass_delete: bool, form: str
) -> int:
    """Go back to the source commit that was in force at REV, and stay there.

    REV is ~1 for the source commit that was in force before this one (~2 for the one before that), a source commit
    that was applied, or a commit of `mlgit log` or the first digits of one. The work tree and its branches stay as
    they are. CI and the controller are held off: what was rolled back is not applied again before a newer commit is.

    \b
    mlgit rollback ~1
    mlgit rollback 3f2a91c --auto-approve --wait
    """

    def work(told: EventStream | None) -> int:
        session, live = _open_rollback_session(revision)
        policy = policy_from_options(session, (), allow_submit, allow_mass_delete=allow_mass_delete, allow_rewind=True)
        desired = _with_newer_ancestry(session, load_desired(session, live), live)
        if told:
            told.write_plan_started(session.source)
        planned = plan_session(session, desired, live, policy, refresh=True)
        body = plan_json.plan_body(planned, policy)
        if told:
            told.write_plan(planned, body)
        else:
            Terminal().print_text(
                f"{session.plan_heading}{text.format_plan(planned)}\n\n{_format_rollback_warning(live, session.source)}"
            )
        if not auto_approve:
            require_approval("Roll back?", "rollback", possible=told is None)
        job = ApplyRequest(desired, policy, commit_trailers(session, saved.plan_body_digest(body)))
        _record_rollback_hold(session, live, job)
        if told is None:
            click.echo()
        return execute_and_report(session, job, planned, wait=wait, told=told)

    return run_with_event_stream(work) if form == "json" else work(None)


def _open_rollback_session(revision: str) -> tuple[Session, State]:
    """Open the source that was in force at a moment, with the live state as it is now."""
    now = open_session()
    now.state_store.ref_store.fetch()
    live = now.state_store.read()
    commit = applied_source_commit(now.state_store, read_state_at(now.state_store, live, revision, source_group_key))
    if commit == live.applied_commit:
        message = f"commit {abbreviate_id(commit)}, which was in force at {revision}, is in force now"
        raise user_error("rollback-nowhere", message, "`mlgit log` shows what was before; take one with another source")
    then = open_session(commit)
    # Where the state is has not gone back in time, whatever mlgit.yml said of it then.
    here = {name: getattr(now.config, name) for name in ("state", "lineage", "target", "remote")}
    return replace(then, config=replace(then.config, **here)), live


def _format_rollback_warning(live: State, source: SourceRevision) -> str:
    newer = abbreviate_id(live.applied_commit)
    return f"Roll back from {newer} to {abbreviate_id(source.commit)}: {newer} is not applied again before a newer commit is."


def _record_rollback_hold(session: Session, live: State, job: ApplyRequest) -> None:
    """Hold off what is rolled back, before anything is done: whoever comes in between must know."""
    if session.state_store.read().applied_commit != live.applied_commit:
        message = "another commit was applied since this plan was made"
        raise user_error("plan-stale", message, "run `mlgit rollback` again to see what that changes")
    write_rollback_hold(session.state_store, live, session.source, user_name(), job.trailers)


def _with_newer_ancestry(session: Session, desired: DesiredState, live: State) -> DesiredState:
    """Let what came with the newer commit leave: it is no stranger, as what another branch has made would be."""
    repository = session.workspace.repository

    def ancestry(commit: str) -> bool | None:
        return desired.is_ancestor(commit) or repository.is_ancestor(commit, live.applied_commit)

    return replace(desired, is_ancestor=ancestry)
