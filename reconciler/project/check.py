"""What the files of a session declare: everything that is wrong with it is judged on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import AssetSet, check_references, escalate_severities
from reconciler.format.severity import apply_severity_overrides
from reconciler.format.yaml import parse_yaml
from reconciler.model import Record, State, Tree
from reconciler.planning.graph import find_cycles
from reconciler.planning.plan import DesiredState
from reconciler.planning.prune import find_removals, removal_hint
from reconciler.planning.resolve import existence_check, referencable
from reconciler.project.desired import make_desired
from reconciler.project.session import Session
from reconciler.source import workspace
from reconciler.source.gc_pause import pause_gc


@pause_gc()
def load_desired(session: Session, live: State) -> DesiredState:
    """Return what the source declares; everything that is wrong in it is judged."""
    found = workspace.read_asset_set(session.tree, session.config)
    desired = make_desired(session.workspace, session.source, session.tree, found)
    report_diagnostics(session, desired_diagnostics(desired, live))
    return desired


def desired_diagnostics(desired: DesiredState, live: State) -> tuple[Diagnostic, ...]:
    """Return what is wrong with what the source declares, beside what is live."""
    found = desired.declared
    gone = find_removals(found, live, desired.is_ancestor)
    hints = {address: removal_hint(record) for address, record in gone.items()}
    emptied = _emptied_file_diagnostics(desired.tree, gone.values())
    return (
        *escalate_severities(found.diagnostics),
        *emptied,
        *check_references(found, referencable(live, gone), hints),
        *find_cycles(found, existence_check(live)),
    )


def _emptied_file_diagnostics(tree: Tree, gone: Iterable[Record]) -> Iterator[Diagnostic]:
    """Yield files that are there still and say nothing any more: who wants an asset to go deletes its file."""
    for record in gone:
        path = f"{tree.root}{record.source}"
        if path in tree.entries and parse_yaml(record.source, tree.read_file(path))[0].data is None:
            message = f"{record.address} was declared here when it was applied, and the file is empty, or no YAML, now"
            hint = f"bring back what it said (`git log -- {record.source}`); delete it if {record.address} is to go"
            yield Diagnostic("asset-emptied", message, Span(record.source, 1, 1), hint)


def validate_offline(session: Session) -> tuple[AssetSet, tuple[Diagnostic, ...]]:
    """Return what the source declares and all that can be said of it without the live state."""
    found = workspace.read_asset_set(session.tree, session.config)
    return found, offline_diagnostics(session, found)


def offline_diagnostics(session: Session, found: AssetSet) -> tuple[Diagnostic, ...]:
    """Return all that can be said of what is declared without the live state, as mlgit.yml weighs it."""
    problems = (
        *found.diagnostics,
        *check_references(found),
        *find_cycles(found),
        *session.affinity_problems(Severity.WARNING),
    )
    return apply_severity_overrides(problems, session.config.rules)


def report_diagnostics(session: Session, problems: Sequence[Diagnostic]) -> None:
    """Have problems judged as mlgit.yml weighs them; raises UserError if any of them is an error."""
    session.on_diagnostics(session.tree, apply_severity_overrides(problems, session.config.rules))
