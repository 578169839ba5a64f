"""An older commit never takes back what a newer one brought, unless somebody says that this is meant."""

from __future__ import annotations

from reconciler.diagnostics import failure
from reconciler.git.repository import Repository
from reconciler.model import Live, Source
from reconciler.planning.policy import Policy

_SHORT = 10


def check_rewind(repository: Repository, live: Live, source: Source, policy: Policy) -> tuple[str, ...]:
    """Return a note where Git cannot tell; raise UserError ``apply-rewinds`` where the commit is not a newer one."""
    if policy.allow_rewind or live.applied in ("", source.commit):
        return ()
    short = live.applied[:_SHORT]
    known = repository.resolve(live.applied)
    behind = repository.is_ancestor(live.applied, source.commit) if known else None
    if behind is None:
        return (f"whether this commit follows {short}, which was applied last, is unknown in this clone",)
    if behind:
        return ()
    message = f"commit {short} was applied last, and {source.commit[:_SHORT]} does not follow it"
    hint = "check out one that does, or take back what it brought with `mlgit apply --allow-rewind`"
    raise failure("apply-rewinds", message, hint)


def check_meanwhile(repository: Repository, live: Live, source: Source, first: str) -> None:
    """Raise UserError ``applied-meanwhile`` if, since an apply began, another one applied what does not lead to it.

    ``first`` is the commit that was applied last when that apply had done its first round.
    """
    if live.applied in (first, source.commit) or repository.is_ancestor(live.applied, source.commit):
        return
    message = f"commit {live.applied[:_SHORT]} was applied meanwhile; this apply of {source.commit[:_SHORT]} ends here"
    raise failure("applied-meanwhile", message, "what it did is recorded; `mlgit apply` of the newer commit goes on")
