"""An older commit never takes back what a newer one brought, unless somebody says that this is meant.

Going back is meant with ``mlgit rollback``: then what was rolled back is held, so that nobody who has not heard of it,
CI least of all, brings it back; the first commit that is newer goes on from there.
"""

from __future__ import annotations

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import user_error
from reconciler.git.repository import Repository
from reconciler.model import Rollback, SourceRevision, State
from reconciler.state.store import StateStore, WriteBatch
from reconciler.timestamps import utc_timestamp


def check_fast_forward(
    repository: Repository, live: State, source: SourceRevision, *, allow_rewind: bool
) -> tuple[str, ...]:
    """Return a note where Git cannot tell whether the commit is a newer one.

    Raises UserError: ``apply-rewinds`` where it is not, ``rolled-back`` where it was taken back.
    """
    if allow_rewind:
        return ()
    if _is_rolled_back(repository, live, source):
        raise user_error(
            "rolled-back",
            f"{describe_rollback(live.rollback)}, and this is {abbreviate_id(source.commit)}",
            _ROLLED_BACK_HINT,
        )
    if live.applied_commit in ("", source.commit):
        return ()
    short = abbreviate_id(live.applied_commit)
    behind = repository.is_ancestor(live.applied_commit, source.commit)
    if behind is None:
        unknown = f"whether this commit follows {short}, which was applied last, is unknown in this clone"
        return (f"{unknown}: if it does not, it takes back what that one brought (`git fetch --unshallow` tells)",)
    if behind:
        return ()
    message = f"commit {short} was applied last, and {abbreviate_id(source.commit)} does not follow it"
    hint = "check out one that does, or take back what it brought with `mlgit apply --allow-rewind`"
    raise user_error("apply-rewinds", message, hint)


def check_no_concurrent_apply(repository: Repository, live: State, source: SourceRevision, first: str) -> None:
    """Raise UserError ``applied-meanwhile`` if, since an apply began, another one applied what does not lead to it.

    ``first`` is the commit that was applied last when that apply had done its first round.
    """
    known = live.applied_commit in (first, source.commit) or repository.is_ancestor(live.applied_commit, source.commit)
    if known and not _is_rolled_back(repository, live, source):
        return
    message = f"commit {abbreviate_id(live.applied_commit)} was applied meanwhile; this apply of {abbreviate_id(source.commit)} ends here"
    raise user_error("applied-meanwhile", message, "what it did is recorded; `mlgit apply` of the newer commit goes on")


_ROLLED_BACK_HINT = "commit a newer change on top, or bring it back as it was with `mlgit apply --allow-rewind`"


def describe_rollback(held: Rollback | None) -> str:
    """Say who went back, from what to what and when; "" where nobody did."""
    if held is None:
        return ""
    return f"{held.by} rolled back from {abbreviate_id(held.commit)} to {abbreviate_id(held.to)} at {held.at}"


def write_rollback_hold(state: StateStore, live: State, source: SourceRevision, by: str, title: str) -> None:
    """Write that what was applied last is taken back, and that the source is in force instead.

    To roll back to what is held already is to go forward again: then nothing is held any more.
    """
    newest = live.rollback.commit if live.rollback and live.applied_commit == live.rollback.to else live.applied_commit
    held = {"commit": newest, "to": source.commit, "by": by, "at": utc_timestamp()}
    message = f"rollback: {abbreviate_id(live.applied_commit)} to {abbreviate_id(source.commit)}\n\n{title}\n"
    meta = {"applied": source.commit, "held": held if newest != source.commit else None}
    state.write(WriteBatch(meta=meta), message)


def lift_rollback_hold(
    state: StateStore, live: State, source: SourceRevision, title: str, *, allow_rewind: bool
) -> None:
    """Let everybody apply again, where this commit is newer than what was rolled back, or is wanted all the same."""
    held = live.rollback
    if held is None or source.commit == held.to:
        return
    if allow_rewind or is_newer_than_rollback(state.repository, live, source):
        message = f"apply: go on from {abbreviate_id(source.commit)} after the rollback\n\n{title}\n"
        state.write(WriteBatch(meta={"applied": source.commit, "held": None}), message)


def is_newer_than_rollback(repository: Repository, live: State, source: SourceRevision) -> bool:
    """Tell whether a commit follows the one that was rolled back, so that it may go on from there."""
    held = live.rollback
    if held is None or source.commit in ("", held.commit):
        return False
    return bool(repository.is_ancestor(held.commit, source.commit))


def _is_rolled_back(repository: Repository, live: State, source: SourceRevision) -> bool:
    held = live.rollback
    if held is None or source.commit == held.to:
        return False
    if source.commit == held.commit:
        return True
    return (
        not is_newer_than_rollback(repository, live, source)
        and repository.is_ancestor(source.commit, held.commit) is not False
    )
