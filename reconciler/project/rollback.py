"""Roll back: open the source that was applied at an earlier moment, and hold off the commits that were rolled back."""

from __future__ import annotations

from dataclasses import replace

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Plan, SourceRevision, State
from reconciler.project.session import Session
from reconciler.state.fast_forward import write_rollback_hold
from reconciler.state.history import applied_source_commit, last_step_of_another_source, read_state_at
from reconciler.state.process import user_name


def open_rollback_session(session: Session, revision: str) -> tuple[Session, State]:
    """Return a session at the source that was applied at a revision, and the live state as it is now.

    Raises UserError ``rollback-nowhere`` if that source is applied now, and all that was live then still is.
    """
    state = session.fetch_and_read_state()
    past = read_state_at(session.state_store, state, revision)
    commit = applied_source_commit(session.state_store, past)
    if commit == state.applied_commit and not _has_removals_since(past, state):
        raise _nowhere_error(session, state, commit, revision)
    past_session = session.at_revision(commit)
    # The live state is where mlgit.yml says today, whatever mlgit.yml said in that commit.
    location = {name: getattr(session.config, name) for name in ("state", "lineage", "target", "remote")}
    config = past_session.config._replace(**location)
    source = past_session.source._replace(newer_commit=state.applied_commit)
    return replace(past_session, config=config, source=source), state


def _has_removals_since(past: State, state: State) -> bool:
    """Return True if something that was live is not live any more: it was destroyed, or removed from the state."""
    live = {address for address, record in state.current.items() if not record.archived}
    return any(address not in live for address, record in past.current.items() if not record.archived)


def check_rollback_leads_somewhere(session: Session, state: State, plan: Plan, revision: str) -> None:
    """Raise UserError ``rollback-nowhere`` if the commit is applied now and nothing of it is to be applied again."""
    if session.source.commit == state.applied_commit and not plan.actions:
        raise _nowhere_error(session, state, session.source.commit, revision)


def _nowhere_error(session: Session, state: State, commit: str, revision: str) -> UserError:
    message = f"commit {abbreviate_id(commit)}, which was applied at {revision}, is applied now"
    other = last_step_of_another_source(session.state_store, state)
    hint = f"the last revision with another source commit is {other}" if other else "no other commit was applied"
    return user_error("rollback-nowhere", message, hint)


def record_rollback(session: Session, state: State, trailers: str) -> None:
    """Record the rollback before any action runs, so that no other apply undoes it in between.

    Raises UserError ``plan-stale`` if another commit was applied since ``state`` was read.
    """
    if session.state_store.read().applied_commit != state.applied_commit:
        message = "another commit was applied since this plan was made"
        raise user_error("plan-stale", message, "run `mlgit rollback` again")
    write_rollback_hold(session.state_store, state, session.source, user_name(), trailers)


def rollback_warning(source: SourceRevision) -> str:
    """Return what a rollback to a source means for the commit that is applied now."""
    newer, older = abbreviate_id(source.newer_commit), abbreviate_id(source.commit)
    if newer == older:
        return f"Roll back within {older}: what was removed since then is applied again."
    return f"Roll back from {newer} to {older}: {newer} is not applied again until there is a newer commit."
