"""The workspace: the nearest folder upwards with mlgit.yml, inside a Git repository."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from reconciler.diagnostics import UserError, failure
from reconciler.format import config as configuration
from reconciler.format.assets import Declared, declare
from reconciler.format.config import Config
from reconciler.format.yaml import parse
from reconciler.git import trees
from reconciler.git.repository import Repository, open_repository
from reconciler.model import Source, Tree
from reconciler.planning.plan import Desired

_YAML = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace in a clone: its folder, the folder's place in the repository, and the repository."""

    folder: Path
    repository: Repository
    root: str  # "" or ending in a slash

    @property
    def local(self) -> Path:
        """The folder for local files, shared by the repository's work trees and never tracked."""
        return self.repository.common / "mlgit"


def find(start: Path) -> Workspace:
    """Find the workspace that a folder is in; a UserError where there is none."""
    repository = open_repository(start)
    folder = start.resolve()
    while not (folder / configuration.FILE).is_file():
        if folder in {repository.top, folder.parent}:
            message = f"there is no {configuration.FILE} in {start} or above it"
            raise failure("not-a-workspace", message, "make a workspace with `mlgit init DIR`")
        folder = folder.parent
    inside = folder.relative_to(repository.top).as_posix()
    return Workspace(folder, repository, "" if inside == "." else f"{inside}/")


def at_revision(workspace: Workspace, revision: str) -> tuple[Source, Tree]:
    """Return the tree of a revision."""
    commit = workspace.repository.resolve(revision)
    if not commit:
        raise failure("revision-unknown", f"Git knows no revision {revision}", "see `git log`")
    tree = workspace.repository.tree_of(commit)
    return Source(commit, tree), trees.load(workspace.repository, tree, workspace.root)


def at_work_tree(workspace: Workspace) -> tuple[Source, Tree]:
    """Return the tree of the files as they lie in the work tree; it is dirty where it is not that of HEAD."""
    head = workspace.repository.head()
    tree = workspace.repository.work_tree()
    dirty = not head or workspace.repository.tree_of(head) != tree
    return Source(head, tree, dirty), trees.load(workspace.repository, tree, workspace.root)


def read_config(tree: Tree) -> Config:
    """Read mlgit.yml of a tree; a UserError where it is wrong."""
    path = tree.root + configuration.FILE
    if path not in tree.entries:
        message = f"{configuration.FILE} is not in Git"
        raise failure("not-a-workspace", message, f"is it ignored? `git check-ignore -v {configuration.FILE}` tells")
    document, unreadable = parse(configuration.FILE, tree.read(tree.entries[path].oid))
    config, problems = configuration.read(document)
    if config is None or unreadable:
        raise UserError(*unreadable, *problems)
    if problems:
        raise UserError(*problems)
    return config


def declared(tree: Tree, config: Config) -> Declared:
    """Read the assets that a tree declares."""
    return declare(tree, _files(tree, config))


def desired(workspace: Workspace, source: Source, tree: Tree, found: Declared) -> Desired:
    """Put together what planning compares with the live state."""

    def ancestry(commit: str) -> bool | None:
        return workspace.repository.is_ancestor(commit, source.commit)

    return Desired(source, tree, found, ancestry)


def _files(tree: Tree, config: Config) -> Iterator[tuple[str, bool]]:
    """Yield the files that may be assets, by path, with whether apply runs the jobs among them."""
    include = [(GitIgnoreSpec.from_lines([glob.pattern]), glob.runs_on_change) for glob in config.include]
    exclude = GitIgnoreSpec.from_lines(config.exclude)
    nested = _nested_roots(tree)
    for path in sorted(tree.entries):
        shown = path.removeprefix(tree.root)
        if not path.startswith(tree.root) or not path.lower().endswith(_YAML) or shown == configuration.FILE:
            continue
        if any(path.startswith(inner) for inner in nested) or exclude.match_file(shown):
            continue
        runs = [on_change for patterns, on_change in include if patterns.match_file(shown)]
        if runs:
            yield path, runs[-1]


def _nested_roots(tree: Tree) -> list[str]:
    suffix = f"/{configuration.FILE}"
    found = [path.removesuffix(configuration.FILE) for path in tree.entries if path.endswith(suffix)]
    return [root for root in found if root.startswith(tree.root) and root != tree.root]
