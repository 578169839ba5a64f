"""A workspace, open: one source of it read, its configuration, and where its live state is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import platformdirs

from reconciler import backends, builders
from reconciler.backends import BACKENDS, Backend
from reconciler.builders import BUILDERS, Builder
from reconciler.config.affinity import check_host_affinity
from reconciler.config.config import Config
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, has_errors, user_error
from reconciler.engine.refresh import is_recorded_store, refresh_all, refresh_runs
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.git.remotes import UNREACHABLE_CODES
from reconciler.git.trees import changed_paths
from reconciler.model import Observation, SourceRevision, State, Tree
from reconciler.planning.affinity import reachable_backends
from reconciler.planning.refresh import merge_observation
from reconciler.render import text
from reconciler.source import workspace as workspaces
from reconciler.source.workspace import Workspace
from reconciler.state.process import host_name
from reconciler.state.store import LIVE_REF, StateStore

OnDiagnostics = Callable[[Tree, Sequence[Diagnostic]], None]
"""Who is told what is wrong in the files of a tree; raises UserError where one cannot go on with it."""


def raise_on_error(_tree: Tree, problems: Sequence[Diagnostic]) -> None:
    """Raise a UserError with all that is wrong where any of it is an error; let warnings pass."""
    if has_errors(problems):
        raise UserError(*problems)


def _ignore_note(_text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Session:
    """A workspace, open, with one source of it read; a ``with`` block closes it."""

    workspace: Workspace
    source: SourceRevision
    tree: Tree
    config: Config
    on_diagnostics: OnDiagnostics = raise_on_error
    on_note: Callable[[str], None] = _ignore_note

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what was kept open for reading."""
        self.workspace.repository.close()

    @property
    def store_path(self) -> Path:
        """The folder of the object store: the same one for all linked work trees of a repository."""
        return (self.workspace.repository.main / self.workspace.root / self.config.store).resolve()

    @property
    def state_store(self) -> StateStore:
        """The live state."""
        config = self.config
        return StateStore(self.workspace.repository, config.state, config.lineage, config.target, config.remote)

    @property
    def plan_heading(self) -> str:
        """What a plan begins with: the target, where it is not the one that is meant unless another is said."""
        return f"Target {self.config.target}. " if self.config.target != DEFAULT_TARGET else ""

    @property
    def target_option(self) -> str:
        """What a command that is suggested to the user needs besides: the target."""
        return f" --target {self.config.target}" if self.config.target != DEFAULT_TARGET else ""

    def open_backends(self) -> dict[str, Backend]:
        """Open what runs are asked of, as far as it can be asked from this machine."""
        return backends.open_backends(reachable_backends(self.config, host_name()), self.store_path)

    def open_builder(self) -> Builder:
        """Open what makes environments."""
        cache = Path(os.environ.get("MLGIT_CACHE_DIR") or platformdirs.user_cache_path("mlgit"))
        return builders.load_builder(self.config.builder, cache / "environments")

    def refresh_all(self, live: State, *, deep: bool = False) -> Observation:
        """Look at the world, as far as it can be seen from this machine."""
        return refresh_all(live, self.config, self.open_backends(), self.store_path, self.open_builder(), deep=deep)

    def affinity_problems(self, severity: Severity = Severity.ERROR) -> tuple[Diagnostic, ...]:
        """Say what only one machine has, though many share the live state, and mlgit.yml does not say which."""
        config = self.config
        if not config.remote:
            return ()
        opened = backends.open_backends(config.backends, self.store_path)
        document, _, _ = workspaces.read_config(self.tree, config.target)
        alone = {name for name, backend in opened.items() if backend.is_host_bound}
        return tuple(check_host_affinity(document, config, alone, severity))

    def fetch_state(self) -> str:
        """Learn what others wrote; say, where the remote cannot be reached, how old that is which is known here."""
        try:
            self.state_store.ref_store.fetch()
        except UserError as error:
            known = self.state_store.ref_store.read_ref(LIVE_REF)
            if error.diagnostics[0].code not in UNREACHABLE_CODES or not known:
                raise
            return f"{error.diagnostics[0].message}; this is the live state as of {text.format_duration(self.state_store.ref_store.seconds_since_fetch())} ago"
        return ""

    def read_recorded_state(self) -> State:
        """Read the live state as it is recorded, and say where it is only as new as is known here."""
        if said := self.fetch_state():
            self.on_note(said)
        return self.state_store.read()

    def read_refreshed_state(self) -> State:
        """Read the live state and put in what the backends say of runs; nothing is written.

        Where the store is another one than its runs are in, they stand as they are recorded.
        """
        live = self.read_recorded_state()
        return (
            merge_observation(live, refresh_runs(live, self.open_backends()))[0]
            if is_recorded_store(live, self.store_path)
            else live
        )

    def uncommitted_files(self) -> tuple[str, ...]:
        """Name the files that are not in HEAD as they lie in the work tree, from the top of the repository."""
        source = self.source
        if not source.dirty or not source.commit:
            return ()
        return tuple(sorted(changed_paths(self.workspace.repository, source.commit, source.tree)))

    def read_source_lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file of the source, for showing a place in it."""
        return read_tree_lines(self.tree, path)

    def fetch_state_hint(self, live: State) -> str:
        """Say what a clone must do that has not the state: it does not come by itself. "" where nothing is to do."""
        remote = "" if live.commit or self.config.remote else self.workspace.repository.default_remote()
        fetch = f"git fetch {remote} 'refs/mlgit/*:refs/mlgit/*'"
        return f"If this was applied elsewhere, fetch the live state: {fetch}" if remote else ""


def open_session(  # noqa: PLR0913 - where, what of it, and who is told
    folder: Path,
    revision: str | None = None,
    *,
    target: str = DEFAULT_TARGET,
    keep: bool = False,
    aside: Path | None = None,
    judge: OnDiagnostics = raise_on_error,
    note: Callable[[str], None] = _ignore_note,
) -> Session:
    """Open the workspace that a folder is in at its work tree, which Git is to ``keep`` or not, or at a revision.

    A file that is put ``aside`` is no part of the work tree. Raises UserError where there is no workspace, or its
    mlgit.yml is wrong.
    """
    workspace = workspaces.find_workspace(folder)
    try:
        source, tree = (
            workspaces.tree_of_work_tree(workspace, keep=keep, aside=aside)
            if revision is None
            else workspaces.tree_at_revision(workspace, revision)
        )
        return Session(workspace, source, tree, _load_config(tree, target, judge), judge, note)
    except BaseException:
        workspace.repository.close()
        raise


def read_tree_lines(tree: Tree, path: str) -> Sequence[str]:
    """Return the lines of a file of a tree, none where it is not there."""
    entry = tree.entries.get(tree.root + path)
    return tree.read_blob(entry.oid).decode("utf-8", "replace").splitlines() if entry else ()


def _load_config(tree: Tree, target: str, judge: OnDiagnostics) -> Config:
    """Read mlgit.yml for a target; what is wrong in it is judged."""
    document, config, problems = workspaces.read_config(tree, target)
    if config is not None:
        problems = (*problems, *_unknown_provider_diagnostics(document, config))
    judge(tree, problems)
    if config is None:
        raise user_error("files-wrong", "mlgit.yml is wrong; nothing was planned or changed")
    return config


def _unknown_provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the builder and the backends that nothing here has; what there is is looked at only then."""
    if not BUILDERS.has(config.builder):
        yield BUILDERS.unknown_diagnostic(config.builder, document.value_span("/builder"))
    for name, settings in config.backends.items():
        if not BACKENDS.has(settings["type"]):
            span = document.value_span(join_pointer("backends", name, "type"))
            yield BACKENDS.unknown_diagnostic(settings["type"], span)
