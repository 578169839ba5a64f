"""What the files of a session declare: everything that is wrong with it is judged on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.format.assets import Declared, strict, unresolved
from reconciler.format.lowering import lowered
from reconciler.format.yaml import parse
from reconciler.model import Live, Record, Tree
from reconciler.planning.graph import cycles
from reconciler.planning.outlook import known, standing
from reconciler.planning.plan import Desired
from reconciler.planning.prune import farewell, leaving
from reconciler.source import workspace as workspaces
from reconciler.source.uncollected import uncollected
from reconciler.workbench.session import Session


@uncollected()
def checked(session: Session, live: Live) -> Desired:
    """Return what the source declares; everything that is wrong in it is judged."""
    found = workspaces.declared(session.tree, session.config)
    desired = workspaces.desired(session.workspace, session.source, session.tree, found)
    refuse(session, examined(desired, live))
    return desired


def examined(desired: Desired, live: Live) -> tuple[Diagnostic, ...]:
    """Return what is wrong with what the source declares, beside what is live."""
    found = desired.declared
    gone = leaving(found, live, desired.ancestry)
    hints = {address: farewell(record) for address, record in gone.items()}
    emptied = _emptied(desired.tree, gone.values())
    return (
        *strict(found.diagnostics),
        *emptied,
        *unresolved(found, known(live, gone), hints),
        *cycles(found, standing(live)),
    )


def _emptied(tree: Tree, gone: Iterable[Record]) -> Iterator[Diagnostic]:
    """Yield files that are there still and say nothing any more: who wants an asset to go deletes its file."""
    for record in gone:
        path = f"{tree.root}{record.source}"
        if path in tree.entries and parse(record.source, tree.file(path))[0].data is None:
            message = f"{record.address} was declared here when it was applied, and the file is empty, or no YAML, now"
            hint = f"bring back what it said (`git log -- {record.source}`); delete it if {record.address} is to go"
            yield Diagnostic("asset-emptied", message, Span(record.source, 1, 1), hint)


def offline(session: Session) -> tuple[Declared, tuple[Diagnostic, ...]]:
    """Return what the source declares and all that can be said of it without the live state."""
    found = workspaces.declared(session.tree, session.config)
    return found, said_offline(session, found)


def said_offline(session: Session, found: Declared) -> tuple[Diagnostic, ...]:
    """Return all that can be said of what is declared without the live state, as mlgit.yml weighs it."""
    problems = (*found.diagnostics, *unresolved(found), *cycles(found), *session.unshared(Severity.WARNING))
    return lowered(problems, session.config.rules)


def refuse(session: Session, problems: Sequence[Diagnostic]) -> None:
    """Have problems judged as mlgit.yml weighs them; raises UserError if any of them is an error."""
    session.judge(session.tree, lowered(problems, session.config.rules))
