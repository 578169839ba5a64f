"""mlgit rollback: plan what was in force at an earlier moment, apply it, and hold off whoever would undo that."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.applying.history import applied_by, moment, step_of_source
from reconciler.applying.job import Job
from reconciler.applying.rewind import hold
from reconciler.cli.apply import execute, title
from reconciler.cli.asking import ask
from reconciler.cli.options import format_option, guard_options, target_option
from reconciler.cli.planned import made, policy_of
from reconciler.cli.session import Session, checked, open_session
from reconciler.cli.stream import Stream, streaming
from reconciler.cli.terminal import Terminal
from reconciler.diagnostics import failure
from reconciler.git.repository import user
from reconciler.model import Live, Source
from reconciler.planning import saved
from reconciler.planning.plan import Desired
from reconciler.render import as_json, text

_SHORT = 10


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

    def work(told: Stream | None) -> int:
        session, live = _back(revision)
        policy = policy_of(session, (), allow_submit, allow_mass_delete=allow_mass_delete, allow_rewind=True)
        desired = _with_newer(session, checked(session, live), live)
        if told:
            told.started(session.source)
        planned = made(session, desired, live, policy, refresh=True)
        body = as_json.body(planned, policy)
        if told:
            told.planned(planned, body)
        else:
            Terminal().show(f"{session.heading}{text.plan(planned)}\n\n{_warning(live, session.source)}")
        if not auto_approve:
            ask("Roll back?", "rollback", possible=told is None)
        job = Job(desired, policy, title(session, saved.digest(body)))
        _hold(session, live, job)
        if told is None:
            click.echo()
        return execute(session, job, planned, wait=wait, told=told)

    return streaming(work) if form == "json" else work(None)


def _back(revision: str) -> tuple[Session, Live]:
    """Open the source that was in force at a moment, with the live state as it is now."""
    now = open_session()
    now.state.home.refresh()
    live = now.state.read()
    commit = applied_by(now.state, moment(now.state, live, revision, step_of_source))
    if commit == live.applied:
        message = f"commit {commit[:_SHORT]}, which was in force at {revision}, is in force now"
        raise failure("rollback-nowhere", message, "`mlgit log` shows what was before; take one with another source")
    then = open_session(commit)
    # Where the state is has not gone back in time, whatever mlgit.yml said of it then.
    here = {name: getattr(now.config, name) for name in ("state", "lineage", "target", "remote")}
    return replace(then, config=replace(then.config, **here)), live


def _warning(live: Live, source: Source) -> str:
    newer = live.applied[:_SHORT]
    return f"Roll back from {newer} to {source.commit[:_SHORT]}: {newer} is not applied again before a newer commit is."


def _hold(session: Session, live: Live, job: Job) -> None:
    """Hold off what is rolled back, before anything is done: whoever comes in between must know."""
    if session.state.read().applied != live.applied:
        message = "another commit was applied since this plan was made"
        raise failure("plan-stale", message, "run `mlgit rollback` again to see what that changes")
    hold(session.state, live, session.source, user(), job.title)


def _with_newer(session: Session, desired: Desired, live: Live) -> Desired:
    """Let what came with the newer commit leave: it is no stranger, as what another branch has made would be."""
    repository = session.workspace.repository

    def ancestry(commit: str) -> bool | None:
        return desired.ancestry(commit) or repository.is_ancestor(commit, live.applied)

    return replace(desired, ancestry=ancestry)
