"""What most commands begin with: the workspace around the current folder, its configuration, what it declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from reconciler import backends, builders
from reconciler.backends import Backend
from reconciler.diagnostics import Diagnostic, Severity, failure, has_errors
from reconciler.format.assets import Declared, strict, unresolved
from reconciler.format.config import Config
from reconciler.format.lowering import lowered
from reconciler.format.pointers import join
from reconciler.format.suggest import did_you_mean
from reconciler.format.yaml import Document
from reconciler.live.state import State
from reconciler.model import Address, Live, Source, Tree
from reconciler.observe import is_here, observe
from reconciler.planning.graph import cycles
from reconciler.planning.observed import fold
from reconciler.planning.outlook import known
from reconciler.planning.plan import Desired
from reconciler.planning.prune import farewell, leaving
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
        """The folder of the object store: the same one for all linked work trees of a repository."""
        return (self.workspace.repository.main / self.workspace.root / self.config.store).resolve()

    @property
    def state(self) -> State:
        """The live state."""
        return State(self.workspace.repository, self.config.state, self.config.lineage, self.config.target)

    def backends(self) -> dict[str, Backend]:
        """Open what runs are asked of."""
        return backends.open_backends(self.config.backends, self.store)

    def live(self) -> Live:
        """Read the live state and put in what the backends say of runs; nothing is written.

        Where the store is another one than its runs are in, they stand as they are recorded.
        """
        live = self.state.read()
        return fold(live, observe(live, self.backends()))[0] if is_here(live, self.store) else live

    def lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file of the source, for showing a place in it."""
        return _lines(self.tree, path)

    def elsewhere(self, live: Live) -> str:
        """Say what a clone must do that has not the state: it does not come by itself. "" where nothing is to do."""
        remote = "" if live.commit else self.workspace.repository.remote()
        fetch = f"git fetch {remote} 'refs/mlgit/*:refs/mlgit/*'"
        return f"If this was applied elsewhere, fetch the live state: {fetch}" if remote else ""


def open_session(revision: str | None = None, *, keep: bool = False) -> Session:
    """Open the workspace of the current folder at its work tree, which Git is to ``keep`` or not, or at a revision.

    It is closed when the command ends.
    """
    workspace = workspaces.find(Path.cwd())
    click.get_current_context().call_on_close(workspace.repository.close)
    source, tree = (
        workspaces.at_work_tree(workspace, keep=keep)
        if revision is None
        else workspaces.at_revision(workspace, revision)
    )
    return Session(workspace, source, tree, _config(tree))


def _lines(tree: Tree, path: str) -> Sequence[str]:
    entry = tree.entries.get(tree.root + path)
    return tree.read(entry.oid).decode("utf-8", "replace").splitlines() if entry else ()


def _config(tree: Tree) -> Config:
    """Read mlgit.yml; what is wrong in it is shown with its lines, and ends the command."""
    document, config, problems = workspaces.read_config(tree)
    if config is not None:
        problems = (*problems, *_unknown_names(document, config))
    _show(tree, problems)
    if config is None:
        raise failure("files-wrong", "mlgit.yml is wrong; nothing was planned or changed")
    return config


def _unknown_names(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the builder and the backends that nothing here has; what there is is looked at only then."""
    if not builders.knows(config.builder):
        hint = _there_are(config.builder, builders.names())
        yield Diagnostic("builder-unknown", f"there is no builder {config.builder}", document.value("/builder"), hint)
    for name, settings in config.backends.items():
        sort = settings["type"]
        if not backends.knows(sort):
            hint = _there_are(sort, backends.names())
            message = f"there is no backend of type {sort}"
            yield Diagnostic("backend-unknown", message, document.value(join("backends", name, "type")), hint)


def _there_are(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known) or f"there are: {', '.join(known)}"


def checked(session: Session, live: Live) -> Desired:
    """Return what the source declares; a UserError with everything that is wrong in it. Warnings are shown."""
    found = workspaces.declared(session.tree, session.config)
    desired = workspaces.desired(session.workspace, session.source, session.tree, found)
    gone = leaving(found, live, desired.ancestry)
    hints = {address: farewell(record) for address, record in gone.items()}
    refuse(session, (*strict(found.diagnostics), *unresolved(found, known(live, gone), hints), *cycles(found)))
    return desired


def offline(session: Session) -> tuple[Declared, tuple[Diagnostic, ...]]:
    """Return what the source declares and all that can be said of it without the live state."""
    found = workspaces.declared(session.tree, session.config)
    problems = (*found.diagnostics, *unresolved(found), *cycles(found))
    return found, lowered(problems, session.config.rules)


def refuse(session: Session, problems: Sequence[Diagnostic]) -> None:
    """End the command if any of the problems is an error; show the problems either way."""
    _show(session.tree, lowered(problems, session.config.rules))


def _show(tree: Tree, problems: Sequence[Diagnostic]) -> None:
    if problems:
        click.echo(text.diagnostics(problems, lambda path: _lines(tree, path)), err=True)
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
