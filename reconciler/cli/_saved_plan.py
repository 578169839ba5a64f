"""A saved plan as ``mlgit apply FILE`` takes it: read, and the workspace opened where the plan was made."""

from __future__ import annotations

from pathlib import Path

from reconciler.abbreviation import join_some
from reconciler.cli.session import Session, open_session
from reconciler.diagnostics import user_error
from reconciler.planning.saved import SavedPlan, parse_plan_file


def read_saved_plan(path: Path) -> SavedPlan:
    """Read a plan file; a UserError where there is none, or it is no plan as mlgit wrote it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise user_error("plan-file", message, "write one with `mlgit plan -o FILE`") from error
    return parse_plan_file(str(path), raw)


def open_session_for_plan(saved: SavedPlan, file: Path) -> Session:
    """Open the workspace at what a plan, read from a file, was made of.

    A UserError where that is not in Git, or in another state.
    """
    commit = str(saved.envelope["commit"])
    state = saved.body["state"]
    revision = _commit_of_dirty_plan(saved, file) if saved.envelope["dirty"] or not commit else commit
    session = open_session(revision, target=str(state["target"]))
    config = session.config
    there = (config.state, config.lineage, config.target)
    if (state["name"], state["lineage"], state["target"]) != there:
        message = f"the plan is for the live state {state['name']}/{state['target']}, and this is {there[0]}/{there[2]}"
        raise user_error("plan-foreign", message, "apply it in the workspace in which it was made")
    return session


def _commit_of_dirty_plan(saved: SavedPlan, file: Path) -> str:
    """Return the commit that has the tree of a plan that was made of files that were not committed then."""
    repository = open_session("HEAD").workspace.repository
    head = repository.head()
    if repository.tree_of(head) != saved.body["tree"]:
        message = "the plan was made of files that are not committed, and what is applied must be in Git"
        differing = join_some(open_session(aside=file).uncommitted_files())
        them = f"them as they were then (now {differing})" if differing else "them as they were then"
        hint = f"commit {them} and apply the plan again, or make a new plan of the commit"
        raise user_error("plan-dirty", message, hint)
    return head
