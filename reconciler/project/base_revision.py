"""The commit that a change is compared with, as the variables of a CI system name it.

The mlgit.yml of that commit rules, so it must be one that the author of the change cannot choose: the first parent of a
commit is, unless the CI system made that commit or the user who pushed it may write to the repository.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.diagnostics import UserError, user_error
from reconciler.git.repository import Repository
from reconciler.model import Json
from reconciler.regular_files import read_regular_file

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_EVENTS_OF_WRITERS = ("push", "schedule", "workflow_dispatch")
_MAX_EVENT_BYTES = 30_000_000
_NAME_HINT = "name it: --base REV, such as origin/main"
_SHALLOW_HINT = "this clone is shallow: run `git fetch --unshallow`, or let CI fetch all (fetch-depth: 0, GIT_DEPTH: 0)"


def find_base(repository: Repository, commit: str, base: str, variables: Mapping[str, str]) -> str:
    """Return the base commit of a change: what ``base`` names, else what CI says, else the first parent of a merge.

    Raise UserError ``base-unknown`` if there is none, or if the clone does not have it.
    """
    revision = base or _base_of_github(commit, variables) or _base_of_gitlab(repository, variables)
    if not revision:
        if not repository.resolve(f"{commit}^2") or _may_be_of_strangers(variables):
            message = "it is not known which commit this change is compared with"
            raise _unknown_base(repository, message, _NAME_HINT)
        revision = f"{commit}^1"
    found = repository.resolve(revision)
    if not found:
        raise _unknown_base(repository, f"Git knows no revision {revision}, the base of this change", _NAME_HINT)
    return found


def _may_be_of_strangers(variables: Mapping[str, str]) -> bool:
    """Return True if a workflow of GitHub may have checked out what no user with write permission pushed."""
    event = variables.get("GITHUB_EVENT_NAME", "")
    return event not in {"", *_EVENTS_OF_WRITERS}


def _unknown_base(repository: Repository, message: str, hint: str) -> UserError:
    return user_error("base-unknown", message, _SHALLOW_HINT if repository.is_shallow() else hint)


def _base_of_github(commit: str, variables: Mapping[str, str]) -> str:
    """Return the base of what started a workflow of GitHub, "" if that names none."""
    event = _read_event(variables.get("GITHUB_EVENT_PATH", ""))
    if variables.get("GITHUB_EVENT_NAME") == "pull_request" and variables.get("GITHUB_SHA") == commit:
        return f"{commit}^1"  # GitHub merged the change into this commit
    for keys in (("pull_request", "base", "sha"), ("merge_group", "base_sha")):
        value: Json = event
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, str) and _OBJECT_ID.fullmatch(value):
            return value
    return ""


def _read_event(path: str) -> Json:
    with suppress(OSError, ValueError, RecursionError):
        return json.loads(read_regular_file(Path(path), _MAX_EVENT_BYTES)) if path else None
    return None


def _base_of_gitlab(repository: Repository, variables: Mapping[str, str]) -> str:
    """Return the tip of the branch that a merge request of GitLab goes to, "" outside of a merge request.

    Raise UserError ``base-unknown`` if the clone does not have that branch.
    """
    if merged_into := variables.get("CI_MERGE_REQUEST_TARGET_BRANCH_SHA"):  # of a pipeline for merged results
        return merged_into
    branch = variables.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "")
    if not branch:
        return ""
    revision = f"refs/remotes/origin/{branch}"
    if not repository.resolve(revision):
        message = f"this clone does not have the branch {branch}, into which this change is to be merged"
        raise user_error("base-unknown", message, f"fetch it before: git fetch origin {branch}")
    return revision
