"""The check that a commit to apply is newer than the one applied last, and the hold that a rollback sets.

After ``mlgit rollback`` the commit that was rolled back is held, so that no one applies it again unaware of the
rollback, CI least of all. The first newer commit lifts the hold.
"""

from __future__ import annotations

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import user_error
from reconciler.git.history import holds_changes_of
from reconciler.git.repository import Repository
from reconciler.model import Json, Rollback, SourceRevision, State
from reconciler.state.store import StateStore, WriteBatch
from reconciler.timestamps import utc_timestamp


def check_fast_forward(
    repository: Repository, state: State, source: SourceRevision, *, allow_rewind: bool
) -> tuple[str, ...]:
    """Return a note if Git cannot tell whether the commit is a newer one, or if it only holds all that was applied.

    Raises UserError ``apply-rewinds`` if it is not, ``rolled-back`` if it was rolled back.
    """
    if allow_rewind:
        return ()
    if _is_rolled_back(repository, state, source):
        raise user_error(
            "rolled-back",
            f"{describe_rollback(state.rollback)}, and this is {abbreviate_id(source.commit)}",
            _ROLLED_BACK_HINT,
        )
    if state.applied_commit in ("", source.commit):
        return ()
    short = abbreviate_id(state.applied_commit)
    behind = repository.is_ancestor(state.applied_commit, source.commit)
    if behind is None:
        unknown = f"this clone cannot tell whether this commit follows {short}, which was applied last"
        return (f"{unknown}; if it does not, that commit's changes are undone (to check: `git fetch --unshallow`)",)
    if behind:
        return ()
    if holds_changes_of(repository, source.commit, state.applied_commit):
        return (f"this commit does not follow {short}, which was applied last, but holds all of it: apply records it",)
    message = f"commit {short} was applied last, and {abbreviate_id(source.commit)} does not follow it"
    hint = (
        "check out a commit that does; to undo changes, commit that (`git revert`), or undo all with "
        "`mlgit apply --allow-rewind`"
    )
    raise user_error("apply-rewinds", message, hint)


def record_applied_commit(
    store: StateStore, state: State, source: SourceRevision, title: str, *, allow_rewind: bool
) -> bool:
    """Record the commit of an apply, before its actions, if it does not follow the one applied last.

    Return False if there is nothing to record: of two commits that follow one another the newer one stays recorded,
    unless a rewind is allowed. A commit that holds all of the other one counts as its successor from then on.
    """
    applied, repository = state.applied_commit, store.repository
    if applied in ("", source.commit) or repository.is_ancestor(applied, source.commit) is not False:
        return False
    is_older = repository.is_ancestor(source.commit, applied) is not False
    if is_older and not allow_rewind:
        return False
    meta: dict[str, Json] = {"applied": source.commit}
    if not is_older and holds_changes_of(repository, source.commit, applied):
        pairs = [*state.rewritten, (applied, source.commit)][-_MAX_REWRITTEN:]
        meta["rewritten"] = [list(pair) for pair in pairs]
    message = f"apply: {abbreviate_id(source.commit)} in place of {abbreviate_id(applied)}\n\n{title}\n"
    store.write(WriteBatch(meta=meta), message)
    return True


def is_in_rewritten_history(repository: Repository, state: State, commit: str, source: str) -> bool:
    """Return True if a commit is in the history of one that was rewritten to a commit that the source follows."""
    return any(
        repository.is_ancestor(successor, source) and repository.is_ancestor(commit, rewritten)
        for rewritten, successor in state.rewritten
    )


def check_no_concurrent_apply(repository: Repository, state: State, source: SourceRevision, first: str) -> None:
    """Raise UserError ``applied-meanwhile`` if another apply applied a commit that this one does not follow.

    ``first`` is the commit that was applied last after the first iteration of this apply.
    """
    follows = state.applied_commit in (first, source.commit) or repository.is_ancestor(
        state.applied_commit, source.commit
    )
    if follows and not _is_rolled_back(repository, state, source):
        return
    applied, own = abbreviate_id(state.applied_commit), abbreviate_id(source.commit)
    message = f"commit {applied} was applied while this apply of {own} was running; stopping"
    raise user_error("applied-meanwhile", message, "what was done is recorded; run `mlgit apply` of the newer commit")


_MAX_REWRITTEN = 20  # pairs that are kept
_ROLLED_BACK_HINT = "commit a newer change on top, or apply it again with `mlgit apply --allow-rewind`"


def describe_rollback(rollback: Rollback | None) -> str:
    """Return a sentence on who rolled back, from what, to what and when; "" without a rollback."""
    if rollback is None:
        return ""
    commit, to = abbreviate_id(rollback.commit), abbreviate_id(rollback.to)
    return f"{rollback.by} rolled back from {commit} to {to} at {rollback.at}"


def write_rollback_hold(store: StateStore, state: State, source: SourceRevision, by: str, title: str) -> None:
    """Record that the commit applied last is rolled back to the source, and hold it.

    A rollback to the held commit itself goes forward again: it lifts the hold.
    """
    newest = (
        state.rollback.commit if state.rollback and state.applied_commit == state.rollback.to else state.applied_commit
    )
    held = {"commit": newest, "to": source.commit, "by": by, "at": utc_timestamp()}
    message = f"rollback: {abbreviate_id(state.applied_commit)} to {abbreviate_id(source.commit)}\n\n{title}\n"
    meta = {"applied": source.commit, "rollback": held if newest != source.commit else None}
    store.write(WriteBatch(meta=meta), message)


def lift_rollback_hold(
    store: StateStore, state: State, source: SourceRevision, title: str, *, allow_rewind: bool
) -> None:
    """Lift the hold of a rollback if this commit is newer than the one that was rolled back, or a rewind is allowed."""
    held = state.rollback
    if held is None or source.commit == held.to:
        return
    if allow_rewind or is_newer_than_rollback(store.repository, state, source):
        message = f"apply: continue from {abbreviate_id(source.commit)} after the rollback\n\n{title}\n"
        store.write(WriteBatch(meta={"applied": source.commit, "rollback": None}), message)


def is_newer_than_rollback(repository: Repository, state: State, source: SourceRevision) -> bool:
    """Return True if a commit follows the one that was rolled back, so that it may be applied."""
    held = state.rollback
    if held is None or source.commit in ("", held.commit):
        return False
    return bool(repository.is_ancestor(held.commit, source.commit))


def _is_rolled_back(repository: Repository, state: State, source: SourceRevision) -> bool:
    held = state.rollback
    if held is None or source.commit == held.to:
        return False
    if source.commit == held.commit:
        return True
    return (
        not is_newer_than_rollback(repository, state, source)
        and repository.is_ancestor(source.commit, held.commit) is not False
    )
