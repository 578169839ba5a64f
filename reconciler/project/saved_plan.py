"""Saved plans: write one to a file, read it, and find the commit and live state it was made for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from reconciler import __version__
from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.diagnostics import Span, user_error
from reconciler.git.command import GitError, run_git
from reconciler.git.repository import Repository
from reconciler.model import Plan
from reconciler.planning.options import PlanOptions
from reconciler.planning.saved import SavedPlan, dump_plan_file, parse_plan_file, plan_body_digest
from reconciler.project.session import uncommitted_files
from reconciler.regular_files import read_regular_file
from reconciler.render import plan_json
from reconciler.source.local_exclude import ignore_in_clone
from reconciler.source.rooted_files import RootedFiles
from reconciler.source.roots import find_root
from reconciler.source.workspace import Workspace, find_workspace, tree_of_work_tree
from reconciler.timestamps import utc_timestamp

_MAX_BYTES = 20_000_000
_PLAN_START = b'{\n "body":'  # as `dump_plan_file` writes it
_MAX_VALUES = 1_000_000  # of a hundred bytes each in memory


def make_saved_plan(plan: Plan, plan_options: PlanOptions) -> SavedPlan:
    """Return a plan as it is saved: its body, and an envelope that says what it was made from."""
    body = plan_json.plan_body(plan, plan_options)
    envelope = {
        "commit": plan.source.commit,
        "dirty": plan.source.dirty,
        "state": plan.state_commit,
        "tool": __version__,
        "made_at": utc_timestamp(),
        "digest": plan_body_digest(body),
    }
    return SavedPlan(envelope, body)


def save_plan(repository: Repository, plan: Plan, plan_options: PlanOptions, path: Path) -> None:
    """Write a plan to a file.

    Git ignores the file in this clone, so that it is no uncommitted change and is not committed with the others.
    """
    saved = make_saved_plan(plan, plan_options)
    _check_may_overwrite(path)
    with suppress(OSError):  # Git's folder may be read-only; then the plan is saved all the same
        ignore_in_clone(repository, path)
    try:
        _write_plan_file(path, dump_plan_file(saved).encode())
    except OSError as error:
        message = f"cannot write the plan to {path}: {error.strerror}"
        raise user_error("plan-not-written", message, "choose a file in an existing folder") from error


def _check_may_overwrite(path: Path) -> None:
    """Raise UserError ``plan-not-written`` if a file would be lost that is no plan, or that Git tracks."""
    real = Path(os.path.realpath(path))
    if not real.is_file():
        return
    try:
        is_tracked = bool(run_git(["--literal-pathspecs", "ls-files", "-z", "--", real.name], real.parent))
    except GitError:  # it is in no repository
        is_tracked = False
    if is_tracked:
        reason = "Git tracks it"
    elif real.stat().st_size and not read_regular_file(real, len(_PLAN_START)).startswith(_PLAN_START):
        reason = "it exists and is no plan"
    else:
        return
    raise user_error("plan-not-written", f"{path} is not overwritten: {reason}", "choose another name for the plan")


def _write_plan_file(path: Path, content: bytes) -> None:
    """Write a plan file; a link of a repository that leads out of it is not followed, and no pipe is waited for."""
    root = find_root(path.parent)
    if root is not None:
        RootedFiles(Path.cwd(), (root,)).replace_file(str(path), content)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def read_saved_plan(path: Path) -> SavedPlan:
    """Read a plan file; raise UserError if it cannot be read or is not a plan as mlgit wrote it."""
    try:
        raw = read_regular_file(path, _MAX_BYTES)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise user_error("plan-file", message, "write one with `mlgit plan -o FILE`") from error
    if len(raw) > _MAX_BYTES or raw.count(b",") > _MAX_VALUES:
        message = f"{path} has more than {_MAX_BYTES:,} bytes or {_MAX_VALUES:,} values"
        raise user_error("file-too-large", message, "write a plan with `mlgit plan -o FILE`", Span(str(path)))
    return parse_plan_file(str(path), raw)


def plan_target(saved_plan: SavedPlan) -> str:
    """Return the target that a plan was made for."""
    return str(saved_plan.body["state"]["target"])


def find_plan_commit(folder: Path, saved_plan: SavedPlan, file: Path) -> str:
    """Return the commit with the files of a plan; raise UserError ``plan-dirty`` if they are not committed."""
    commit = str(saved_plan.envelope["commit"])
    if commit and not saved_plan.envelope["dirty"]:
        return commit
    workspace = find_workspace(folder)
    try:
        return _find_commit_of_dirty_plan(workspace, saved_plan, file)
    finally:
        workspace.repository.close()


def check_plan_state(saved_plan: SavedPlan, config: Config) -> None:
    """Raise UserError ``plan-foreign`` if a plan was made for another live state than that of mlgit.yml."""
    planned = saved_plan.body["state"]
    if (planned["name"], planned["lineage"], planned["target"]) != (config.state, config.lineage, config.target):
        message = (
            f"the plan is for the live state {planned['name']}/{planned['target']}, "
            f"not for {config.state}/{config.target}"
        )
        raise user_error("plan-foreign", message, "apply it in the workspace in which it was made")


def _find_commit_of_dirty_plan(workspace: Workspace, saved_plan: SavedPlan, file: Path) -> str:
    """Return HEAD if it has the tree of a plan that was made from uncommitted files."""
    repository = workspace.repository
    head = repository.head()
    if head and repository.tree_of(head) == saved_plan.body["tree"]:
        return head
    source, _ = tree_of_work_tree(workspace, aside=file)
    differing = join_some(uncommitted_files(workspace, source))
    files = f"the planned files (uncommitted now: {differing})" if differing else "the planned files"
    message = "the plan was made from uncommitted files; apply needs them in Git"
    raise user_error("plan-dirty", message, f"commit {files} and apply the plan again, or make a new plan")
