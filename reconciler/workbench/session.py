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
from reconciler.backends import Backend
from reconciler.builders import Builder
from reconciler.diagnostics import Diagnostic, Severity, UserError, failure, has_errors
from reconciler.format import hosts
from reconciler.format.config import Config
from reconciler.format.pointers import join
from reconciler.format.suggest import did_you_mean
from reconciler.format.targets import DEFAULT
from reconciler.format.yaml import Document
from reconciler.git.remotes import OUT_OF_REACH
from reconciler.git.trees import differing
from reconciler.live.process import host
from reconciler.live.state import LIVE, State
from reconciler.model import Live, Observation, Source, Tree
from reconciler.observe import is_here, look_around, observe
from reconciler.planning.hosts import reachable
from reconciler.planning.observed import fold
from reconciler.render import text
from reconciler.source import workspace as workspaces
from reconciler.source.workspace import Workspace

Judge = Callable[[Tree, Sequence[Diagnostic]], None]
"""Who is told what is wrong in the files of a tree; raises UserError where one cannot go on with it."""


def stern(_tree: Tree, problems: Sequence[Diagnostic]) -> None:
    """Raise a UserError with all that is wrong where any of it is an error; let warnings pass."""
    if has_errors(problems):
        raise UserError(*problems)


def _unsaid(_text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Session:
    """A workspace, open, with one source of it read; a ``with`` block closes it."""

    workspace: Workspace
    source: Source
    tree: Tree
    config: Config
    judge: Judge = stern
    note: Callable[[str], None] = _unsaid

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
    def store(self) -> Path:
        """The folder of the object store: the same one for all linked work trees of a repository."""
        return (self.workspace.repository.main / self.workspace.root / self.config.store).resolve()

    @property
    def state(self) -> State:
        """The live state."""
        config = self.config
        return State(self.workspace.repository, config.state, config.lineage, config.target, config.remote)

    @property
    def heading(self) -> str:
        """What a plan begins with: the target, where it is not the one that is meant unless another is said."""
        return f"Target {self.config.target}. " if self.config.target != DEFAULT else ""

    @property
    def options(self) -> str:
        """What a command that is suggested to the user needs besides: the target."""
        return f" --target {self.config.target}" if self.config.target != DEFAULT else ""

    def backends(self) -> dict[str, Backend]:
        """Open what runs are asked of, as far as it can be asked from this machine."""
        return backends.open_backends(reachable(self.config, host()), self.store)

    def builder(self) -> Builder:
        """Open what makes environments."""
        cache = Path(os.environ.get("MLGIT_CACHE_DIR") or platformdirs.user_cache_path("mlgit"))
        return builders.load(self.config.builder, cache / "environments")

    def observed(self, live: Live, *, deep: bool = False) -> Observation:
        """Look at the world, as far as it can be seen from this machine."""
        return look_around(live, self.config, self.backends(), self.store, self.builder(), deep=deep)

    def unshared(self, severity: Severity = Severity.ERROR) -> tuple[Diagnostic, ...]:
        """Say what only one machine has, though many share the live state, and mlgit.yml does not say which."""
        config = self.config
        if not config.remote:
            return ()
        opened = backends.open_backends(config.backends, self.store)
        document, _, _ = workspaces.read_config(self.tree, config.target)
        alone = {name for name, each in opened.items() if each.one_host}
        return tuple(hosts.unshared(document, config, alone, severity))

    def refresh(self) -> str:
        """Learn what others wrote; say, where the remote cannot be reached, how old that is which is known here."""
        try:
            self.state.home.refresh()
        except UserError as error:
            known = self.state.home.read(LIVE)
            if error.diagnostics[0].code not in OUT_OF_REACH or not known:
                raise
            return f"{error.diagnostics[0].message}; this is the live state as of {text.ago(self.state.home.age())} ago"
        return ""

    def recorded(self) -> Live:
        """Read the live state as it is recorded, and say where it is only as new as is known here."""
        if said := self.refresh():
            self.note(said)
        return self.state.read()

    def live(self) -> Live:
        """Read the live state and put in what the backends say of runs; nothing is written.

        Where the store is another one than its runs are in, they stand as they are recorded.
        """
        live = self.recorded()
        return fold(live, observe(live, self.backends()))[0] if is_here(live, self.store) else live

    def uncommitted(self) -> tuple[str, ...]:
        """Name the files that are not in HEAD as they lie in the work tree, from the top of the repository."""
        source = self.source
        if not source.dirty or not source.commit:
            return ()
        return tuple(sorted(differing(self.workspace.repository, source.commit, source.tree)))

    def lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file of the source, for showing a place in it."""
        return lines_of(self.tree, path)

    def elsewhere(self, live: Live) -> str:
        """Say what a clone must do that has not the state: it does not come by itself. "" where nothing is to do."""
        remote = "" if live.commit or self.config.remote else self.workspace.repository.remote()
        fetch = f"git fetch {remote} 'refs/mlgit/*:refs/mlgit/*'"
        return f"If this was applied elsewhere, fetch the live state: {fetch}" if remote else ""


def open_session(  # noqa: PLR0913 - where, what of it, and who is told
    folder: Path,
    revision: str | None = None,
    *,
    target: str = DEFAULT,
    keep: bool = False,
    aside: Path | None = None,
    judge: Judge = stern,
    note: Callable[[str], None] = _unsaid,
) -> Session:
    """Open the workspace that a folder is in at its work tree, which Git is to ``keep`` or not, or at a revision.

    A file that is put ``aside`` is no part of the work tree. Raises UserError where there is no workspace, or its
    mlgit.yml is wrong.
    """
    workspace = workspaces.find(folder)
    try:
        source, tree = (
            workspaces.at_work_tree(workspace, keep=keep, aside=aside)
            if revision is None
            else workspaces.at_revision(workspace, revision)
        )
        return Session(workspace, source, tree, _config(tree, target, judge), judge, note)
    except BaseException:
        workspace.repository.close()
        raise


def lines_of(tree: Tree, path: str) -> Sequence[str]:
    """Return the lines of a file of a tree, none where it is not there."""
    entry = tree.entries.get(tree.root + path)
    return tree.read(entry.oid).decode("utf-8", "replace").splitlines() if entry else ()


def _config(tree: Tree, target: str, judge: Judge) -> Config:
    """Read mlgit.yml for a target; what is wrong in it is judged."""
    document, config, problems = workspaces.read_config(tree, target)
    if config is not None:
        problems = (*problems, *_unknown_names(document, config))
    judge(tree, problems)
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
