"""A session: an open workspace with one revision of its files, its configuration and its live state.

Imported by name are ``project.provider_checks``, when mlgit.yml has changed or the live state is shared, and
``source.overridden_assets``, if options give a file other values.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.config.config import CONFIG_FILE, Config, lenient_config
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import Diagnostic, Severity, UserError, has_errors, user_error
from reconciler.format.assets import AssetSet
from reconciler.format.document import Document
from reconciler.format.yaml import parse_yaml, split_source_lines
from reconciler.git.trees import changed_paths
from reconciler.model import SUBMODULE_MODE, SourceRevision, Tree
from reconciler.project.state_session import OnNote, StateSession, ignore_note
from reconciler.source.assets import read_asset_set
from reconciler.source.rendered_output import RenderedOutputCache
from reconciler.source.workspace import (
    Workspace,
    config_document,
    find_workspace,
    read_config,
    tree_at_revision,
    tree_of_work_tree,
)

if TYPE_CHECKING:
    from reconciler.source.overridden_assets import FileOverrides

OnDiagnostics = Callable[[Tree, Sequence[Diagnostic]], None]
"""Receives the diagnostics of a tree; raises UserError if the command cannot continue with them."""


def ignore_diagnostics(_tree: Tree, _diagnostics: Sequence[Diagnostic]) -> None:
    """Do nothing with diagnostics."""


def raise_on_error(_tree: Tree, diagnostics: Sequence[Diagnostic]) -> None:
    """Raise a UserError with all diagnostics if one of them is an error; ignore warnings."""
    if has_errors(diagnostics):
        raise UserError(*diagnostics)


@dataclass(frozen=True, slots=True)
class Session(StateSession):
    """An open workspace with one revision of its files. Use it in a ``with`` block, or call ``close``.

    With ``overrides`` one of the files counts with other values than those that are written in it. ``base_tree`` is
    the tree whose mlgit.yml and policies count, if it is another one than ``tree``; ``approvers`` are then those who
    have approved the change, users and teams (``org/team``).
    """

    source: SourceRevision
    tree: Tree
    on_diagnostics: OnDiagnostics
    on_refusals: OnDiagnostics = ignore_diagnostics
    overrides: FileOverrides | None = None
    base_tree: Tree | None = None
    approvers: frozenset[str] = frozenset()

    @property
    def config_tree(self) -> Tree:
        """The tree whose mlgit.yml counts."""
        return self.base_tree or self.tree

    @property
    def plan_heading(self) -> str:
        """The heading of a plan: the target, unless it is the default one."""
        return f"Target {self.config.target}. " if self.config.target != DEFAULT_TARGET else ""

    def affinity_diagnostics(self, severity: Severity = Severity.ERROR) -> tuple[Diagnostic, ...]:
        """Return the bindings that exist on one machine only but name no ``host:``, if the live state is shared."""
        if not self.config.remote:
            return ()
        document = config_document(self.config_tree, self.config.target)
        diagnostics: tuple[Diagnostic, ...] = _provider_checks().affinity_diagnostics(document, self.config, severity)
        return diagnostics

    def read_assets(self) -> AssetSet:
        """Return the assets that the source declares."""
        if self.overrides:
            overridden_assets = importlib.import_module("reconciler.source.overridden_assets")
            assets: AssetSet = overridden_assets.read_overridden_asset_set(
                self.tree, self.config, self.workspace.cache, self.overrides
            )
            return assets
        return read_asset_set(self.tree, self.config, self.workspace.cache)

    def uncommitted_files(self) -> tuple[str, ...]:
        """Return the files of the work tree that differ from HEAD, relative to the top of the repository."""
        return uncommitted_files(self.workspace, self.source)

    def read_source_lines(self, path: str) -> Sequence[str]:
        """Return the lines of a file of the source, for a code frame."""
        return read_tree_lines(self.tree, path)

    def at_revision(self, revision: str) -> Session:
        """Return a session of the same workspace and target at another revision; it shares the repository."""
        source, tree = tree_at_revision(self.workspace, revision)
        config = _load_config(self.workspace, tree, self.config.target, self.on_diagnostics)
        return replace(self, source=source, tree=tree, config=config)


def open_session(  # noqa: PLR0913 - where, which revision, and who receives diagnostics and notes
    folder: Path,
    revision: str | None = None,
    *,
    target: str = DEFAULT_TARGET,
    keep: bool = False,
    aside: Path | None = None,
    lenient: bool = False,
    reuse: RenderedOutputCache | None = None,
    on_diagnostics: OnDiagnostics = raise_on_error,
    on_refusals: OnDiagnostics = ignore_diagnostics,
    on_note: OnNote = ignore_note,
    workspace: Workspace | None = None,
    only: Iterable[str] = (),
) -> Session:
    """Open the workspace that contains a folder, at its work tree or at a revision.

    With ``keep``, Git stores the objects of the work tree permanently. The file ``aside`` is not part of the work tree.
    With ``lenient``, an invalid mlgit.yml counts as far as it is valid. ``reuse`` is a cache that has opened the
    repository, and written the work tree if it has looked for an output. ``on_refusals`` receives what stops single
    assets of a plan. ``workspace`` is that of the folder if it was found already, ``only`` as in `tree_of_work_tree`.
    Raises UserError if there is no workspace, or its mlgit.yml is invalid.
    """
    workspace = workspace or find_workspace(folder, reuse.repository if reuse else None)
    try:
        source, tree = (
            tree_of_work_tree(workspace, keep=keep, aside=aside, written=reuse.work_tree if reuse else "", only=only)
            if revision is None
            else tree_at_revision(workspace, revision)
        )
        config = _load_config(workspace, tree, target, on_diagnostics, lenient=lenient)
        return Session(workspace, config, on_note, source, tree, on_diagnostics, on_refusals)
    except BaseException:
        workspace.repository.close()
        raise


def uncommitted_files(workspace: Workspace, source: SourceRevision) -> tuple[str, ...]:
    """Return the files of a source that differ from its commit, relative to the top of the repository."""
    if not source.dirty or not source.commit:
        return ()
    return tuple(sorted(changed_paths(workspace.repository, source.commit, source.tree)))


def read_tree_lines(tree: Tree, path: str) -> Sequence[str]:
    """Return the lines of a file of a tree; none if there is no such file, or if it is longer than a file may be."""
    entry = tree.entries.get(tree.root + path)
    return split_source_lines(tree.read_blob(entry.oid)) if entry and entry.mode != SUBMODULE_MODE else ()


def _load_config(
    workspace: Workspace, tree: Tree, target: str, on_diagnostics: OnDiagnostics, *, lenient: bool = False
) -> Config:
    """Read mlgit.yml for a target and report its diagnostics; raise UserError if it cannot be used."""
    if workspace.settings_file is not None:
        implicit: Config = importlib.import_module("reconciler.source.implicit_workspace").read_implicit_config(
            workspace, target
        )
        return implicit
    config, diagnostics = read_config(tree, target, workspace.cache, provider_diagnostics)
    if lenient and config is None:
        config = lenient_config(parse_yaml(CONFIG_FILE, tree.read_file(tree.root + CONFIG_FILE))[0])
    elif not lenient and has_errors(diagnostics):  # what is wrong in the other files is reported in the same run
        other_errors = importlib.import_module("reconciler.project.check").errors_in_files(tree, config)
        diagnostics = (*diagnostics, *other_errors)
    on_diagnostics(tree, diagnostics)
    if config is None:
        raise user_error("files-wrong", "mlgit.yml is invalid; nothing was planned or changed")
    return config


def provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield what is wrong with the providers that mlgit.yml names for a target."""
    yield from _provider_checks().provider_diagnostics(document, config)


def _provider_checks() -> Any:
    return importlib.import_module("reconciler.project.provider_checks")
