"""The files in policies/ of a workspace. ``project.policies`` is imported by name, and only if there are some."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reconciler.model import SUBMODULE_MODE, SYMLINK_MODE, Tree
from reconciler.source.disk import DiskFiles, expand_paths
from reconciler.source.policy_files import POLICY_FOLDER, is_policy_file

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.model import Plan, State
    from reconciler.planning.gate import Gate
    from reconciler.planning.options import PlanOptions
    from reconciler.project.session import Session

_WAIVERS_KEY = b"waivers"


def find_policy_files(tree: Tree) -> tuple[str, ...]:
    """Return the paths of the policy files from the top of the repository; if the folder is a link, the link."""
    folder = f"{tree.root}{POLICY_FOLDER}"
    if folder in tree.entries and tree.entries[folder].mode in (SYMLINK_MODE, SUBMODULE_MODE):
        return (folder,)
    return tuple(sorted(path for path, _ in tree.entries_below(folder) if is_policy_file(path.removeprefix(tree.root))))


def has_waivers(session: Session) -> bool:
    """Return True if a policy file may have waivers, so that what it says depends on the date."""
    return any(_WAIVERS_KEY in tree.read_file(path) for tree in _trees(session) for path in find_policy_files(tree))


def open_gate(session: Session) -> Gate | None:
    """Return the gate before registrations; None if the workspace has no policies."""
    gate: Gate | None = _policies().make_gate(session) if _has_policies(session) else None
    return gate


def policy_file_diagnostics(tree: Tree) -> tuple[Diagnostic, ...]:
    """Return what is wrong in the policy files of a tree, whether or not they rule."""
    diagnostics: tuple[Diagnostic, ...] = ()
    if paths := find_policy_files(tree):
        diagnostics = _policies().read_policies(tree, paths)[1]
    return diagnostics


def expired_waiver_diagnostics(tree: Tree) -> tuple[Diagnostic, ...]:
    """Return the waivers of a tree that no longer count."""
    diagnostics: tuple[Diagnostic, ...] = ()
    if paths := find_policy_files(tree):
        diagnostics = _policies().expired_in(tree, paths)
    return diagnostics


def policy_diagnostics_on_disk(files: DiskFiles, named: Sequence[str]) -> tuple[Diagnostic, ...]:
    """Return what is wrong in the policy files in the folder of a workspace, whether Git has them or not."""
    paths = dict.fromkeys((*named, *filter(is_policy_file, expand_paths(files.rooted, [POLICY_FOLDER]))))
    policies = _policies()
    return (*policies.read_policies(files, tuple(paths))[1], *policies.expired_in(files, tuple(paths)))


def report_policies(session: Session, plan: Plan, plan_options: PlanOptions, state: State) -> tuple[Diagnostic, ...]:
    """Check a plan against the policies, report and return what they say."""
    if not _has_policies(session):
        return ()
    diagnostics: tuple[Diagnostic, ...] = _policies().report_policies(session, plan, plan_options, state)
    return diagnostics


def _has_policies(session: Session) -> bool:
    return any(map(find_policy_files, _trees(session)))


def _trees(session: Session) -> tuple[Tree, ...]:
    """Return the trees whose policies or waivers may count."""
    return (session.base_tree, session.tree) if session.base_tree else (session.tree,)


def _policies() -> Any:
    return importlib.import_module("reconciler.project.policies")
