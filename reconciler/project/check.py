"""Load and check what the files of a session declare, with or without the live state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from reconciler.config.config import CONFIG_FILE
from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import AssetSet, check_references, escalate_severities
from reconciler.format.severity import apply_severity_overrides
from reconciler.format.yaml import parse_yaml
from reconciler.model import Record, SourceRevision, State, Tree
from reconciler.planning.graph import find_cycles
from reconciler.planning.plan import DesiredState
from reconciler.planning.prune import find_removals, removal_hint
from reconciler.planning.resolve import existence_check, referencable
from reconciler.project.session import Session
from reconciler.source.assets import read_asset_set
from reconciler.source.gc_pause import pause_gc
from reconciler.source.workspace import Workspace, read_config, tree_at_revision


@pause_gc()
def load_desired(session: Session, state: State) -> DesiredState:
    """Return what the source declares; report its diagnostics, and raise UserError if one is an error."""
    declared = session.read_assets()
    desired = make_desired(session.workspace, session.source, session.tree, declared)
    report_diagnostics(session, desired_diagnostics(desired, state))
    return desired


def make_desired(workspace: Workspace, source: SourceRevision, tree: Tree, declared: AssetSet) -> DesiredState:
    """Return the desired state of a source; Git is asked once for each commit whether it is an ancestor."""

    @cache
    def is_ancestor(commit: str) -> bool | None:
        return workspace.repository.is_ancestor(commit, source.commit)

    return DesiredState(source, tree, declared, is_ancestor)


def desired_diagnostics(desired: DesiredState, state: State) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of what the source declares, compared with the live state."""
    declared = desired.declared
    removals = find_removals(declared, state, desired.is_ancestor)
    hints = {address: removal_hint(record) for address, record in removals.items()}
    return (
        *escalate_severities(declared.diagnostics),
        *_emptied_file_diagnostics(desired.tree, removals.values()),
        *check_references(declared, referencable(state, removals), hints),
        *find_cycles(declared, existence_check(state)),
    )


def _emptied_file_diagnostics(tree: Tree, removals: Iterable[Record]) -> Iterator[Diagnostic]:
    """Yield the files that declared an asset and are empty now: an asset is removed by deleting its file."""
    for record in removals:
        path = f"{tree.root}{record.source}"
        if path in tree.entries and parse_yaml(record.source, tree.read_file(path))[0].data is None:
            message = f"this file declared {record.address} when it was applied, and is now empty or not YAML"
            hint = f"restore its content (`git log -- {record.source}`), or delete the file to remove {record.address}"
            yield Diagnostic("asset-emptied", message, Span(record.source, 1, 1), hint)


def validate_offline(session: Session) -> tuple[AssetSet, tuple[Diagnostic, ...]]:
    """Return what the source declares and all diagnostics that need no live state."""
    declared = session.read_assets()
    return declared, offline_diagnostics(session, declared)


def offline_diagnostics(session: Session, declared: AssetSet) -> tuple[Diagnostic, ...]:
    """Return all diagnostics that need no live state, with the severities of mlgit.yml."""
    diagnostics = (
        *declared.diagnostics,
        *check_references(declared),
        *find_cycles(declared),
        *session.affinity_diagnostics(Severity.WARNING),
    )
    return apply_severity_overrides(diagnostics, session.config.rules)


def declared_asset_sets(session: Session) -> tuple[AssetSet, ...]:
    """Return what the work tree declares and, if it is dirty, also what HEAD declares."""
    declared = session.read_assets()
    if not session.source.dirty or not session.source.commit:
        return (declared,)
    _, head = tree_at_revision(session.workspace, session.source.commit)
    if head.root + CONFIG_FILE not in head.entries:
        return (declared,)
    config, _ = read_config(head, session.config.target, session.workspace.cache)
    return (declared, read_asset_set(head, config, session.workspace.cache)) if config else (declared,)


def report_diagnostics(session: Session, diagnostics: Sequence[Diagnostic]) -> None:
    """Report diagnostics with the severities of mlgit.yml; raise UserError if one of them is an error."""
    session.on_diagnostics(session.tree, apply_severity_overrides(diagnostics, session.config.rules))
