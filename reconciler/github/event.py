"""The event that started a workflow run, as the runner hands it over."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.model import Json
from reconciler.regular_files import read_regular_file

_MAX_BYTES = 64 * 2**20
# GitHub makes these branches; a merge queue has one for each pull request.
_QUEUE_BRANCH = re.compile(r"refs/heads/gh-readonly-queue/.+/pr-(\d+)-[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Event(NamedTuple):
    """What an event is about; all is empty outside of a workflow.

    ``pull`` are the number and the head commit of a pull request, ``queued_pull`` is the number of the one whose merge
    group it is. A push has brought ``commits``, oldest first, and ``after`` is the newest; those that are on another
    branch as well are left out.
    """

    pull: tuple[int, str] | None = None
    queued_pull: int | None = None
    after: str = ""
    commits: tuple[str, ...] = ()

    def pushed_commits(self, commit: str) -> tuple[str, ...]:
        """Return a commit and, if a push has brought it, those that came with it, newest first."""
        return tuple(dict.fromkeys((commit, *reversed(self.commits)))) if self.after == commit else (commit,)


def read_event(variables: Mapping[str, str]) -> Event:
    """Return the event that the environment names. Raise UserError ``github-event`` if its file is no event."""
    path = variables.get("GITHUB_EVENT_PATH", "")
    if not path:
        return Event()
    try:
        return _parse_event(json.loads(read_regular_file(path, _MAX_BYTES)))
    except (OSError, ArithmeticError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        message = "GITHUB_EVENT_PATH names no file with an event"
        raise user_error("github-event", message, "leave the variable as the runner sets it") from error


def _parse_event(payload: Json) -> Event:
    pull = payload.get("pull_request")
    branch = _QUEUE_BRANCH.fullmatch((payload.get("merge_group") or {}).get("head_ref", ""))
    return Event(
        (int(pull["number"]), str(pull["head"]["sha"])) if pull else None,
        int(branch[1]) if branch else None,
        str(payload.get("after", "")),
        tuple(str(commit["id"]) for commit in payload.get("commits") or () if commit.get("distinct", True)),
    )
