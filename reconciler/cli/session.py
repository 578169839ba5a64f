"""What most commands begin with: the workspace around the current folder, its configuration, what it declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reconciler.backends import Backend, open_backends
from reconciler.diagnostics import Diagnostic, Severity, failure, has_errors
from reconciler.format.assets import Declared, unresolved
from reconciler.format.config import Config
from reconciler.format.schemas import did_you_mean
from reconciler.live.state import State
from reconciler.model import Address, Live, Source, Tree
from reconciler.observe import observe
from reconciler.planning.graph import cycles
from reconciler.planning.observed import fold
from reconciler.planning.outlook import known
from reconciler.planning.plan import Desired
from reconciler.render import text
from reconciler.source import workspace as workspaces
from reconciler.source.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Session:
    """A workspace, open, with one source of it read."""

    workspace: Workspace
    source: Source
    tree: Tree
    config: Config

    @property
    def store(self) -> Path:
        """The folder of the object store."""
        return (self.workspace.folder / self.config.store).resolve()

    @property
    def state(self) -> State:
        """The live state."""
        return State(self.workspace.repository, self.config.state, self.config.lineage, self.config.target)

    def backends(self) -> dict[str, Backend]:
        """Open what runs are asked of."""
        return open_backends(self.config.backends, self.store)

    def live(self) -> Live:
        """Read the live state and put in what the backends say of runs; nothing is written."""
        live = self.state.read()
        return fold(live, observe(live, self.backends()))[0]

    def lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file of the source, for showing a place in it."""
        entry = self.tree.entries.get(self.tree.root + path)
        return self.tree.read(entry.oid).decode("utf-8", "replace").splitlines() if entry else ()


def open_session(revision: str | None = None) -> Session:
    """Open the workspace of the current folder at its work tree, or at a revision."""
    workspace = workspaces.find(Path.cwd())
    source, tree = (
        workspaces.at_work_tree(workspace) if revision is None else workspaces.at_revision(workspace, revision)
    )
    return Session(workspace, source, tree, workspaces.read_config(tree))


def checked(session: Session, live: Live) -> Desired:
    """Return what the source declares; a UserError with everything that is wrong in it. Warnings are shown."""
    found = workspaces.declared(session.tree, session.config)
    problems = (*found.diagnostics, *unresolved(found, known(live)), *cycles(found))
    refuse(session, problems)
    return workspaces.desired(session.workspace, session.source, session.tree, found)


def offline(session: Session) -> tuple[Declared, tuple[Diagnostic, ...]]:
    """Return what the source declares and all that can be said of it without the live state."""
    found = workspaces.declared(session.tree, session.config)
    return found, (*found.diagnostics, *unresolved(found), *cycles(found))


def refuse(session: Session, problems: Sequence[Diagnostic]) -> None:
    """End the command if any of the problems is an error; show the problems either way."""
    if problems:
        click.echo(text.diagnostics(problems, session.lines), err=True)
    if has_errors(problems):
        errors = sum(each.severity is Severity.ERROR for each in problems)
        raise failure("files-wrong", f"{text.counted(errors, 'error')}; nothing was planned or changed")


def keep(session: Session, source: Source) -> Source:
    """Keep the commit of a source reachable; a dirty tree becomes a commit that no branch has."""
    repository = session.workspace.repository
    if source.dirty:
        stored = repository.commit_tree(source.tree, source.commit, "mlgit apply --allow-dirty")
        source = replace(source, stored=stored)
    session.state.keep_source(source.kept)
    return source


def address_of(given: str, live: Live) -> Address:
    """Read an address as typed; a UserError with what there is where it names nothing."""
    kind, slash, name = given.partition("/")
    address = Address(kind, name.partition("@")[0])
    if slash and address in live.current:
        return address
    there = f"`mlgit list` shows the {text.counted(len(live.current), 'asset')} there are; an address is KIND/NAME"
    hint = did_you_mean(given, [str(each) for each in live.current]) or there
    raise failure("address-unknown", f"{given} is not live", hint)
