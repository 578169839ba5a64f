"""Report what merging a change would do, in the workspace of its base commit.

The change may be a stranger's, so mlgit.yml of the base commit rules: the one of the change is checked, and what it
sets anew is shown and counts once it is merged. Only its renames count at once: they belong to the files that they
rename. Nothing of the repository is executed.

Imported by name: ``project.reuse_forecast``, which asks the object store, for a plan that submits a pipeline.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from reconciler.abbreviation import abbreviate_id, abbreviate_text, join_some
from reconciler.config.config import CONFIG_FILE, Config
from reconciler.config.moved import Rename
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, has_errors
from reconciler.format.yaml import parse_yaml
from reconciler.git.lazy_tree import load_tree
from reconciler.git.merge import merge_trees
from reconciler.git.repository import Repository, open_repository
from reconciler.model import Forecast, Json, Plan, SourceRevision, State, Tree
from reconciler.planning.options import PlanOptions
from reconciler.planning.pending import pending_edits, pending_keys
from reconciler.planning.report import Report
from reconciler.project.approvals import NO_APPROVALS, Approvals, approvers_of
from reconciler.project.base_revision import find_base
from reconciler.project.credential_edits import describe_credential_edits, find_credential_edits
from reconciler.project.pending import plan_base, raise_if_wrong
from reconciler.project.plan import make_plan
from reconciler.project.policy_files import report_policies
from reconciler.project.saved_plan import make_saved_plan
from reconciler.project.session import Session, ignore_diagnostics, provider_diagnostics, read_tree_lines
from reconciler.render.masked_diagnostics import mask_diagnostics
from reconciler.render.report_text import pending_edit_sentence
from reconciler.source.workspace import (
    Workspace,
    check_store_location,
    find_workspace_in_commits,
    read_config,
    resolve_commit,
    tree_at_revision,
)


class ChangeRequest(NamedTuple):
    """What is asked for: the commit that a change is compared with, "" for what CI says, and that with the change.

    ``approvals`` are those of a pull request, which let waivers of the change count.
    """

    base: str = ""
    revision: str = "HEAD"
    target: str = DEFAULT_TARGET
    approvals: Approvals = NO_APPROVALS


@dataclass(frozen=True, slots=True)
class Change:
    """A change in an open workspace: its base commit with its tree, and what merging it makes of them."""

    workspace: Workspace
    base: SourceRevision
    base_tree: Tree
    source: SourceRevision
    tree: Tree

    @property
    def changes_config(self) -> bool:
        """Return True if mlgit.yml is not that of the base."""
        path = self.tree.root + CONFIG_FILE
        return self.base_tree.entries.get(path) != self.tree.entries.get(path)

    @property
    def base_name(self) -> str:
        """The base commit, in short."""
        return abbreviate_id(self.base.commit)

    def read_lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file of the merged tree, for a code frame."""
        return read_tree_lines(self.tree, path)


def open_change(folder: Path, request: ChangeRequest) -> Change:
    """Open the workspace that a folder is in at the base of a change; the caller closes its repository.

    Raise UserError ``revision-unknown``, ``base-unknown``, ``not-a-workspace``, ``merge-conflict``.
    """
    repository = open_repository(folder)
    try:
        commit = resolve_commit(repository, request.revision)
        base = find_base(repository, commit, request.base, os.environ)
        workspace = find_workspace_in_commits(folder, repository, (base, commit))
        source = _merge(repository, base, commit)
        tree = load_tree(repository, source.tree, workspace.root)
        return Change(workspace, *tree_at_revision(workspace, base), source, tree)
    except BaseException:
        repository.close()
        raise


def _merge(repository: Repository, base: str, commit: str) -> SourceRevision:
    """Return what merging a commit into the base gives: the commit itself if it follows the base."""
    if repository.is_ancestor(base, commit):
        return SourceRevision(commit, repository.tree_of(commit))
    return SourceRevision(commit, merge_trees(repository, base, commit), dirty=True, newer_commit=base)


def make_report(change: Change, request: ChangeRequest) -> Report:
    """Validate and plan a change; what is wrong with the files is in the report, and then there is no plan.

    Raise UserError if the live state cannot be read.
    """
    findings = _Findings(change)
    own_config, diagnostics = _check_config(change, request.target)
    findings.add(diagnostics, _config_notes(change))
    if own_config:
        findings.renames = own_config.moved
    config = _base_config(change, request.target, findings)
    approvers = approvers_of(change.workspace.repository, request.approvals, change.base.commit, change.source.commit)
    planned = _plan_change(change, config, approvers, findings) if config else None
    return Report(
        change.base.commit,
        change.source.commit,
        make_saved_plan(planned.plan, planned.plan_options) if planned else None,
        planned.pending if planned else frozenset(),
        mask_diagnostics(dict.fromkeys(findings.diagnostics), change.read_lines),
        tuple(dict.fromkeys(findings.notes)),
        planned.forecasts if planned else (),
        request.target,
        change.workspace.root,
    )


class _PlannedChange(NamedTuple):
    plan: Plan
    plan_options: PlanOptions
    pending: frozenset[str]
    forecasts: tuple[Forecast, ...]


@dataclass(slots=True)
class _Findings:
    """What is found in the files of a change, in order; ``renames`` are those of its mlgit.yml, None if it is wrong."""

    change: Change
    renames: tuple[Rename, ...] | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, diagnostics: Iterable[Diagnostic] = (), notes: Iterable[str] = ()) -> None:
        """Keep diagnostics and notes."""
        self.diagnostics += diagnostics
        self.notes += notes

    def add_of_plan(self, tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
        """Keep the diagnostics of a plan; raise UserError if it cannot be right, not if it exceeds a limit."""
        self.add(map(self.place, diagnostics))
        raise_if_wrong(tree, diagnostics)

    def place(self, diagnostic: Diagnostic) -> Diagnostic:
        """Return a diagnostic of mlgit.yml without its line if the change has another file under that name."""
        span = diagnostic.span
        is_rename = span in [rename.span for rename in self.renames or ()]
        if not self.change.changes_config or span is None or span.path != CONFIG_FILE or is_rename:
            return diagnostic
        message = f"{diagnostic.message} (line {span.line} of {CONFIG_FILE} at the base, {self.change.base_name})"
        return diagnostic._replace(span=None, message=message)


def _check_config(change: Change, target: str) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Return the settings of the merged tree, None if they cannot be used, and what is wrong with them."""
    if change.tree.root + CONFIG_FILE not in change.tree.entries:
        message = f"this change removes {CONFIG_FILE}: once it is merged, nothing is planned and applied any more"
        hint = f"restore it: git checkout {change.base_name} -- {CONFIG_FILE}"
        return None, (Diagnostic("config-removed", message, hint=hint),)
    try:
        return read_config(change.tree, target, change.workspace.cache, provider_diagnostics)
    except UserError as error:
        return None, error.diagnostics


def _base_config(change: Change, target: str, findings: _Findings) -> Config | None:
    """Return the settings of the base for a target; None if there are none, which is noted."""
    if change.base_tree.root + CONFIG_FILE not in change.base_tree.entries:
        how = "merge the new one first, and the next change is planned by it"
        findings.add(notes=[f"the base, {change.base_name}, has no {CONFIG_FILE}, so nothing is planned: {how}"])
        return None
    try:
        config, diagnostics = read_config(change.base_tree, target, change.workspace.cache, provider_diagnostics)
    except UserError as error:
        config, diagnostics = None, error.diagnostics
    if config is not None and not has_errors(diagnostics):
        return config
    if change.changes_config:
        errors = [item for item in diagnostics if has_errors([item])]
        problem, *_ = mask_diagnostics(errors, lambda path: read_tree_lines(change.base_tree, path))
        wrong = f"{CONFIG_FILE} of the base, {change.base_name}, cannot be used, so nothing is planned"
        findings.add(notes=[f"{wrong}: {problem.message}"])
    return None


def _config_notes(change: Change) -> Iterator[str]:
    """Yield which settings a change has otherwise than the base; they do not count yet, except for renames."""
    path = change.tree.root + CONFIG_FILE
    if not change.changes_config or path not in change.base_tree.entries or path not in change.tree.entries:
        return
    old, new = (_top_level(tree) for tree in (change.base_tree, change.tree))
    changed = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    names = [f"`{abbreviate_text(str(name))}`" for name in changed if name != "moved"]
    if changed and not names:
        return
    what = f"{join_some(names)} of {CONFIG_FILE}" if names else CONFIG_FILE
    yield f"this change edits {what}: that counts once it is merged; this plan follows {change.base_name}, the base"
    if edits := find_credential_edits(old, new):
        yield describe_credential_edits(edits)


def _top_level(tree: Tree) -> Mapping[str, Json]:
    document, _ = parse_yaml(CONFIG_FILE, tree.read_file(tree.root + CONFIG_FILE))
    return document.data if isinstance(document.data, Mapping) else {}


def _plan_change(
    change: Change, config: Config, approvers: frozenset[str], findings: _Findings
) -> _PlannedChange | None:
    """Return the plan of the merged tree, and what of it is pending on the base; None if the files have errors."""
    refuse = findings.add_of_plan
    own_config = config if findings.renames is None else config._replace(moved=findings.renames)
    session = Session(change.workspace, own_config, findings.notes.append, change.source, change.tree, refuse, refuse)
    session = replace(session, base_tree=change.base_tree, approvers=approvers)
    if warning := session.fetch_state():
        findings.add(notes=[warning])
    state = session.state_store.read()
    if hint := session.fetch_state_hint(state):
        findings.add(notes=[hint])
    plan_options = PlanOptions(own_config)
    base_session = replace(session, config=config, source=change.base, tree=change.base_tree, base_tree=None)
    base_plan = plan_base(base_session, state)
    known = _refusals(base_session, base_plan, PlanOptions(config), state) if base_plan else frozenset()
    session = replace(session, on_refusals=lambda _tree, found: findings.add(_lower_known(found, known)))
    try:
        session.on_diagnostics(session.tree, tuple(check_store_location(session.tree, config)))
        plan, refusal = make_plan(session, state, plan_options, refresh=False)
    except UserError as error:
        findings.add(map(findings.place, error.diagnostics))
        return None
    report_policies(session, plan, plan_options, state)
    if refusal and not change.source.dirty:
        findings.add(notes=[f"`mlgit apply` would refuse this plan: {refusal}"])
    pending = pending_keys(plan, base_plan) if base_plan else frozenset()
    if base_plan is not None:
        findings.add(notes=map(pending_edit_sentence, pending_edits(plan, base_plan)))
    elif plan.actions:
        findings.add(
            notes=[f"the files at the base, {change.base_name}, have errors: what is pending there is not known"]
        )
    return _PlannedChange(plan, plan_options, pending, _forecast(session, state, plan))


def _refusals(session: Session, plan: Plan, plan_options: PlanOptions, state: State) -> frozenset[tuple[str, str]]:
    """Return what providers and policies refuse of a plan, each by its code and message: its line may be another."""
    session = replace(session, on_refusals=ignore_diagnostics)
    refusals = (*plan.refusals, *report_policies(session, plan, plan_options, state))
    return frozenset((diagnostic.code, diagnostic.message) for diagnostic in refusals)


def _lower_known(diagnostics: Iterable[Diagnostic], known: frozenset[tuple[str, str]]) -> Iterator[Diagnostic]:
    """Yield diagnostics; what is refused without the change as well is no error: it is not the fault of the change."""
    for diagnostic in diagnostics:
        severity = Severity.WARNING if diagnostic.severity is Severity.ERROR else diagnostic.severity
        hint = f"{diagnostic.hint}; it is so on the base too".removeprefix("; ")
        is_known = (diagnostic.code, diagnostic.message) in known
        yield diagnostic._replace(severity=severity, hint=hint) if is_known else diagnostic


def _forecast(session: Session, state: State, plan: Plan) -> tuple[Forecast, ...]:
    """Return what the providers say of the pipelines and builds of a plan."""
    if not plan.has_forecast:
        return ()
    module = importlib.import_module("reconciler.project.forecasts")
    forecasts: tuple[Forecast, ...] = module.forecast_actions(session, state, plan.actions)
    return forecasts
