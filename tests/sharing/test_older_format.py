"""A live state of format 1: every command refuses it, and the commands of the hint lead to a fresh one."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from workspaces import APPLY, git

from reconciler.git import refs
from reconciler.state.paths import META_PATH

LIVE = "refs/mlgit/small/default/live"
LINEAGE = "1" * 32
COMMANDS = (
    ("plan",),
    APPLY,
    ("status",),
    ("list",),
    ("log",),
    ("diff", "~1"),
    ("drift",),
    ("unlock",),
    ("unlock", "abc", "--auto-approve"),
    ("state", "show"),
    ("state", "repair", "--auto-approve"),
)


def commit_format_1(repository):
    meta = {"format": 1, "lineage": LINEAGE, "name": "small"}
    commit = refs.commit_files(repository, "", {META_PATH: json.dumps(meta).encode()}, "an older mlgit")
    repository.close()
    return commit


def run_commands_of_hint(error, folder):
    commands = re.findall("`(git [^`]*)`", error)
    assert commands, error
    for command in commands:
        subprocess.run(["sh", "-c", command], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_refuses_a_state_of_an_older_format(command, small, opened, mlgit):
    git(small, "update-ref", LIVE, commit_format_1(opened(small)))
    ended = mlgit(*command, cwd=small)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"error: {LIVE} has format 1, which this mlgit does not read [state-older]\n")


def test_a_state_of_an_older_format_is_refused_until_it_is_deleted_as_the_hint_says(small, opened, mlgit):
    older = commit_format_1(opened(small))
    for name in ("live", "claims", "beat/0f", f"sources/{git(small, 'rev-parse', 'HEAD')}"):
        git(small, "update-ref", f"refs/mlgit/small/default/{name}", older)
    git(small, "update-ref", "refs/mlgit/small/other/live", older)
    run_commands_of_hint(mlgit("plan", cwd=small).err, small)
    assert git(small, "for-each-ref", "--format=%(refname)", "refs/mlgit") == "refs/mlgit/small/other/live"
    applied = mlgit("apply", "--auto-approve", "--select", "data", cwd=small)
    assert applied.code == 0, applied.err
    assert json.loads(git(small, "show", f"{LIVE}:{META_PATH}"))["format"] == 2


def test_a_shared_state_of_an_older_format_is_deleted_at_the_remote_and_in_every_clone(without_job, opened, mlgit):
    older = commit_format_1(opened(without_job.first))
    git(without_job.first, "push", "--quiet", "origin", f"{older}:{LIVE}", f"{older}:refs/mlgit/small/default/claims")
    second = without_job.clone("second")
    errors = {clone: mlgit("plan", cwd=clone).err for clone in (without_job.first, second)}
    assert all("[state-older]" in error for error in errors.values())
    run_commands_of_hint(errors[without_job.first], without_job.first)
    assert git(without_job.origin, "for-each-ref", "refs/mlgit") == ""
    applied = mlgit("apply", "--auto-approve", "--select", "data", cwd=without_job.first)
    assert applied.code == 0, applied.err
    late = mlgit("plan", cwd=second)
    assert "[state-rewound]" in late.err, late.err
    assert mlgit("state", "restore", "--accept-remote", "--auto-approve", cwd=second).code == 0
    assert mlgit("plan", cwd=second).code == 0


def test_a_state_of_an_older_format_is_not_restored_to_a_remote_that_has_deleted_it(without_job, opened, mlgit):
    older = commit_format_1(opened(without_job.first))
    git(without_job.first, "push", "--quiet", "origin", f"{older}:{LIVE}")
    assert "[state-older]" in mlgit("plan", cwd=without_job.first).err
    git(without_job.origin, "update-ref", "-d", LIVE)
    assert "[state-vanished]" in mlgit("plan", cwd=without_job.first).err
    restored = mlgit("state", "restore", "--auto-approve", cwd=without_job.first)
    assert (restored.code, "[state-older]" in restored.err) == (1, True)
    assert git(without_job.origin, "for-each-ref", "refs/mlgit") == ""
