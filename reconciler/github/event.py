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
    """The name and the payload of an event; the name is "" outside of a workflow."""

    name: str
    payload: Mapping[str, Json]

    @property
    def pull(self) -> tuple[int, str] | None:
        """The number and the head commit of the pull request that the event is about."""
        pull = self.payload.get("pull_request")
        return (pull["number"], pull["head"]["sha"]) if pull else None

    @property
    def queued_pull(self) -> int | None:
        """The number of the pull request whose merge group the event is about."""
        group = self.payload.get("merge_group") or {}
        branch = _QUEUE_BRANCH.fullmatch(group.get("head_ref", ""))
        return int(branch[1]) if branch else None

    def pushed_commits(self, commit: str) -> tuple[str, ...]:
        """Return a commit and those that a push has brought with it, newest first, but for those of other branches."""
        if self.payload.get("after") != commit:
            return (commit,)
        commits = self.payload.get("commits") or ()
        brought = (pushed["id"] for pushed in reversed(commits) if pushed.get("distinct", True))
        return tuple(dict.fromkeys((commit, *brought)))


def read_event(variables: Mapping[str, str]) -> Event:
    """Return the event that the environment names. Raise UserError ``github-event`` if its file is no event."""
    path = variables.get("GITHUB_EVENT_PATH", "")
    if not path:
        return Event("", {})
    try:
        payload = json.loads(read_regular_file(path, _MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        message = "GITHUB_EVENT_PATH names no file with an event"
        raise user_error("github-event", message, "leave the variable as the runner sets it") from error
    return Event(variables.get("GITHUB_EVENT_NAME", ""), payload if isinstance(payload, dict) else {})
