"""A session: an open workspace with one revision of its files, its configuration and its live state."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler import backends, builders
from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.config.affinity import check_host_affinity
from reconciler.config.config import Config
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, has_errors, user_error
from reconciler.engine.refresh import refresh_all, refresh_state
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.git.remotes import UNREACHABLE_CODES
from reconciler.git.trees import changed_paths
from reconciler.model import Observation, SourceRevision, State, Tree
from reconciler.planning.refresh import unfinished_runs
from reconciler.render import text
from reconciler.source.workspace import Workspace, find_workspace, read_config, tree_at_revision, tree_of_work_tree
from reconciler.state.process import host_name
from reconciler.state.store import LIVE_REF, StateStore

OnDiagnostics = Callable[[Tree, Sequence[Diagnostic]], None]
"""Receives the diagnostics of a tree; raises UserError if the command cannot continue with them."""
OnNote = Callable[[str], None]


def raise_on_error(_tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Raise a UserError with all diagnostics if one of them is an error; ignore warnings."""
    if has_errors(diagnostics):
        raise UserError(*diagnostics)


def _ignore_note(_text: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Session:
    """An open workspace with one revision of its files. Use it in a ``with`` block, or call ``close``."""

    workspace: Workspace
    source: SourceRevision
    tree: Tree
    config: Config
    config_document: Document
    on_diagnostics: OnDiagnostics = raise_on_error
    on_note: OnNote = _ignore_note

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the Git processes that were kept for reading."""
        self.workspace.repository.close()

    @property
    def store_path(self) -> Path:
        """The folder of the object store, shared by all linked work trees of the repository."""
        return (self.workspace.repository.main / self.workspace.root / self.config.store).resolve()

    @property
    def state_store(self) -> StateStore:
        """The store of the live state."""
        config = self.config
        return StateStore(self.workspace.repository, config.state, config.lineage, config.target, config.remote)

    @property
    def plan_heading(self) -> str:
        """The heading of a plan: the target, unless it is the default one."""
        return f"Target {self.config.target}. " if self.config.target != DEFAULT_TARGET else ""

    @property
    def target_option(self) -> str:
        """The option that a suggested command needs to work on the same target, "" for the default one."""
        return f" --target {self.config.target}" if self.config.target != DEFAULT_TARGET else ""

    def open_backends(self) -> dict[str, Backend]:
        """Open the backends that are reachable from this machine."""
        return backends.open_backends(self.config.reachable_backends(host_name()), self.store_path)

    def open_builder(self) -> Builder:
        """Open the builder of environments."""
        cache = os.environ.get("MLGIT_CACHE_DIR")
        return builders.load_builder(self.config.builder, Path(cache) / "environments" if cache else None)

    def refresh_all(self, state: State, *, deep: bool = False) -> Observation:
        """Ask all providers that are reachable from this machine how things are."""
        return refresh_all(state, self.config, self.open_backends(), self.store_path, self.open_builder(), deep=deep)

    def affinity_diagnostics(self, severity: Severity = Severity.ERROR) -> tuple[Diagnostic, ...]:
        """Return the bindings that exist on one machine only but name no ``host:``, if the live state is shared."""
        config = self.config
        if not config.remote:
            return ()
        opened = backends.open_backends(config.backends, self.store_path)
        host_bound = {name for name, backend in opened.items() if backend.is_host_bound}
        return tuple(check_host_affinity(self.config_document, config, host_bound, severity))

    def fetch_state(self) -> str:
        """Fetch the live state; return a warning with its age if the remote is unreachable and a copy is here."""
        refs = self.state_store.ref_store
        try:
            refs.fetch()
        except UserError as error:
            diagnostic = error.diagnostics[0]
            if diagnostic.code not in UNREACHABLE_CODES or not refs.read_ref(LIVE_REF):
                raise
            age = text.format_duration(refs.seconds_since_fetch())
            return f"{diagnostic.message}; using the live state fetched {age} ago"
        return ""

    def fetch_and_read_state(self) -> State:
        """Fetch the live state and read it; raise UserError if the remote is unreachable."""
        self.state_store.ref_store.fetch()
        return self.state_store.read()

    def read_recorded_state(self) -> State:
        """Read the live state as recorded; send a note if the remote is unreachable and the copy here may be old."""
        if warning := self.fetch_state():
            self.on_note(warning)
        return self.state_store.read()

    def read_refreshed_state(self) -> State:
        """Read the live state and merge the status of runs that the backends report; write nothing.

        Runs stay as recorded if their artifacts are in another store than this session's.
        """
        state = self.read_recorded_state()
        if next(unfinished_runs(state), None) is None:
            return state
        return refresh_state(state, self.open_backends(), self.store_path)[0]

    def uncommitted_files(self) -> tuple[str, ...]:
        """Return the files of the work tree that differ from HEAD, relative to the top of the repository."""
        return uncommitted_files(self.workspace, self.source)

    def read_source_lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file of the source, for a code frame."""
        return read_tree_lines(self.tree, path)

    def fetch_state_hint(self, state: State) -> str:
        """Return how to fetch a live state that this clone may lack, "" if there is one or no remote to fetch from."""
        remote = "" if state.commit or self.config.remote else self.workspace.repository.default_remote()
        fetch = f"git fetch {remote} 'refs/mlgit/*:refs/mlgit/*'"
        return f"If this was applied elsewhere, fetch the live state: {fetch}" if remote else ""

    def at_revision(self, revision: str) -> Session:
        """Return a session of the same workspace and target at another revision; it shares the repository."""
        source, tree = tree_at_revision(self.workspace, revision)
        config, document = _load_config(tree, self.config.target, self.on_diagnostics)
        return replace(self, source=source, tree=tree, config=config, config_document=document)


def open_session(  # noqa: PLR0913 - where, which revision, and who receives diagnostics and notes
    folder: Path,
    revision: str | None = None,
    *,
    target: str = DEFAULT_TARGET,
    keep: bool = False,
    aside: Path | None = None,
    on_diagnostics: OnDiagnostics = raise_on_error,
    on_note: OnNote = _ignore_note,
) -> Session:
    """Open the workspace that contains a folder, at its work tree or at a revision.

    With ``keep``, Git stores the objects of the work tree permanently. The file ``aside`` is not part of the work tree.
    Raises UserError if there is no workspace, or its mlgit.yml is invalid.
    """
    workspace = find_workspace(folder)
    try:
        source, tree = (
            tree_of_work_tree(workspace, keep=keep, aside=aside)
            if revision is None
            else tree_at_revision(workspace, revision)
        )
        config, document = _load_config(tree, target, on_diagnostics)
        return Session(workspace, source, tree, config, document, on_diagnostics, on_note)
    except BaseException:
        workspace.repository.close()
        raise


def uncommitted_files(workspace: Workspace, source: SourceRevision) -> tuple[str, ...]:
    """Return the files of a source that differ from its commit, relative to the top of the repository."""
    if not source.dirty or not source.commit:
        return ()
    return tuple(sorted(changed_paths(workspace.repository, source.commit, source.tree)))


def read_tree_lines(tree: Tree, path: str) -> Sequence[str]:
    """Return the lines of a file of a tree, none if there is no such file."""
    entry = tree.entries.get(tree.root + path)
    return tree.read_blob(entry.oid).decode("utf-8", "replace").splitlines() if entry else ()


def _load_config(tree: Tree, target: str, on_diagnostics: OnDiagnostics) -> tuple[Config, Document]:
    """Read mlgit.yml for a target and report its diagnostics; raise UserError if it cannot be used."""
    document, config, diagnostics = read_config(tree, target)
    if config is not None:
        diagnostics = (*diagnostics, *_unknown_provider_diagnostics(document, config))
    on_diagnostics(tree, diagnostics)
    if config is None:
        raise user_error("files-wrong", "mlgit.yml is invalid; nothing was planned or changed")
    return config, document


def _unknown_provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the builder and the backends that are not installed; installed ones are listed only for a hint."""
    if not builders.BUILDERS.has(config.builder):
        yield builders.BUILDERS.unknown_diagnostic(config.builder, document.value_span("/builder"))
    for name, settings in config.backends.items():
        if not backends.BACKENDS.has(settings["type"]):
            span = document.value_span(join_pointer("backends", name, "type"))
            yield backends.BACKENDS.unknown_diagnostic(settings["type"], span)
