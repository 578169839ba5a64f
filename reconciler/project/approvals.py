"""Who approved a change, from the file that `mlgit github approvals` writes."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import Span, UserError, user_error
from reconciler.git.merge import merge_trees
from reconciler.git.repository import Repository
from reconciler.regular_files import read_regular_file

APPROVALS_FORMAT = 1
_MAX_BYTES = 5_000_000
_HINT = "write it anew: mlgit github approvals --pull N --out FILE"


class Approvals(NamedTuple):
    """The head commit of a pull request, and the names of those who approved exactly that commit."""

    head: str = ""
    approvers: frozenset[str] = frozenset()


NO_APPROVALS = Approvals()


def read_approvals(path: Path) -> Approvals:
    """Return the approvals of a file; raise UserError ``approvals-file`` if it has none."""
    try:
        document = json.loads(read_regular_file(path, _MAX_BYTES))
        if document["format"] == APPROVALS_FORMAT:
            return Approvals(str(document["head"]), frozenset(str(item["login"]) for item in document["approvals"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _invalid_file(path) from error
    raise _invalid_file(path)


def approvers_of(repository: Repository, approvals: Approvals, base: str, commit: str) -> frozenset[str]:
    """Return who approved a commit: the head itself, or exactly the merge of the head into the base.

    Raise UserError ``approvals-stale`` if the approvals are of another commit.
    """
    if approvals.head == commit or not approvals.approvers:
        return approvals.approvers
    with suppress(UserError):
        if repository.resolve(approvals.head) == approvals.head and repository.tree_of(commit) == merge_trees(
            repository, base, approvals.head
        ):
            return approvals.approvers
    message = f"the approvals are of {approvals.head[:10]}, which is not the head of this change"
    raise user_error("approvals-stale", message, _HINT)


def _invalid_file(path: Path) -> UserError:
    return user_error("approvals-file", f"{path} has no approvals of this version of mlgit", _HINT, Span(str(path)))
