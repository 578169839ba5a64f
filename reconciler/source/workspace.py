"""The workspace: the nearest folder upwards with mlgit.yml, inside a Git repository."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from reconciler.abbreviation import abbreviate_id
from reconciler.config.config import CONFIG_FILE, Config, parse_config
from reconciler.config.stores import store_paths
from reconciler.config.targets import DEFAULT_TARGET, document_for_target
from reconciler.diagnostics import Diagnostic, Span, user_error
from reconciler.format.document import Document
from reconciler.format.yaml import MAX_BYTES, parse_yaml
from reconciler.git.lazy_tree import load_tree
from reconciler.git.repository import Repository, open_repository
from reconciler.model import BrokenLinkError, SourceRevision, Tree
from reconciler.source.cache import Cache
from reconciler.source.config_cache import CachedConfig, find_config, remember_config
from reconciler.source.rooted_files import RootedFiles
from reconciler.source.roots import REPOSITORY, Root


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace in a clone: its folder, the repository, and the path of the folder in the repository.

    ``settings_file`` has the settings of an implicit one, which has no mlgit.yml (``source.implicit_workspace``).
    """

    folder: Path
    repository: Repository
    root: str  # "" or ending in a slash
    settings_file: Path | None = None

    def store_folders(self) -> Iterator[str]:
        """Yield the folders of the stores of all targets, from the top of the repository, that lie inside it."""
        raw = self.read_config_file()
        cached = find_config(self.cache, raw, DEFAULT_TARGET)
        for store in cached.store_paths if cached else store_paths(parse_yaml(CONFIG_FILE, raw)[0]):
            path = _path_from_top(self.root, store)
            if not path.startswith(("/", "..")) and path != "." and "\0" not in path:
                yield path

    def read_config_file(self) -> bytes:
        """Return the content of mlgit.yml in the work tree, or the settings of an implicit workspace."""
        if self.settings_file is not None:
            return self.settings_file.read_bytes()
        files = RootedFiles(self.folder, (Root(str(self.repository.top), REPOSITORY),))
        return files.read_file(CONFIG_FILE, MAX_BYTES)

    @property
    def cache(self) -> Cache:
        """The local cache of the repository."""
        return Cache(self.local_folder)

    @property
    def local_folder(self) -> Path:
        """The folder for local files, shared by the repository's work trees and never tracked."""
        return self.repository.common / "mlgit"


_NO_WORKSPACE_HINT = (
    "`mlgit init --here` makes a workspace of this repository, `mlgit init DIR` a new one; `mlgit run FILE` needs none"
)


def find_workspace(start: Path, repository: Repository | None = None) -> Workspace:
    """Find the workspace that a folder is in. Raise UserError ``not-a-workspace`` if there is none.

    ``repository`` is that of the folder, if it is open already.
    """
    repository = repository or open_repository(start)
    folder = start.resolve()
    while not (folder / CONFIG_FILE).is_file():
        if folder in {repository.top, folder.parent}:
            message = f"there is no {CONFIG_FILE} in {start} or above it"
            raise user_error("not-a-workspace", message, _NO_WORKSPACE_HINT)
        folder = folder.parent
    relative = folder.relative_to(repository.top).as_posix()
    return Workspace(folder, repository, "" if relative == "." else f"{relative}/")


def find_workspace_in_commits(start: Path, repository: Repository, commits: Sequence[str]) -> Workspace:
    """Find the workspace that a folder is in as the first of some commits has it, whatever there is on the disk.

    Raise UserError ``not-a-workspace`` if none of them has one.
    """
    relative = start.resolve().relative_to(repository.top)
    roots = ["" if folder == Path() else f"{folder.as_posix()}/" for folder in (relative, *relative.parents)]
    for commit in commits:
        found = repository.resolve_objects([f"{commit}:{root}{CONFIG_FILE}" for root in roots])
        root = next((root for root, oid in zip(roots, found, strict=True) if oid), None)
        if root is not None:
            return Workspace(repository.top / root, repository, root)
    shown = ", ".join(map(abbreviate_id, commits))
    message = f"there is no {CONFIG_FILE} at {shown}, in {start} or above it"
    raise user_error("not-a-workspace", message, _NO_WORKSPACE_HINT)


def resolve_commit(repository: Repository, revision: str) -> str:
    """Return the commit that a revision names. Raise UserError ``revision-unknown`` if Git does not know it."""
    commit = repository.resolve(revision)
    if not commit:
        raise user_error("revision-unknown", f"Git knows no revision {revision}", "see `git log`")
    return commit


def tree_at_revision(workspace: Workspace, revision: str) -> tuple[SourceRevision, Tree]:
    """Return the tree of a revision. Raise UserError ``revision-unknown`` if Git does not know it."""
    commit = resolve_commit(workspace.repository, revision)
    tree = workspace.repository.tree_of(commit)
    return SourceRevision(commit, tree), load_tree(workspace.repository, tree, workspace.root)


def tree_of_work_tree(
    workspace: Workspace,
    *,
    keep: bool = False,
    aside: Path | None = None,
    written: str = "",
    only: Iterable[str] = (),
) -> tuple[SourceRevision, Tree]:
    """Return the tree of the files in the work tree; it is dirty if it differs from that of HEAD.

    With ``keep`` the objects of files that are not committed are written into the repository. The store is never part
    of the tree, nor is the file ``aside``. ``written`` is the name of the tree if it has just been written. Of a folder
    outside of any repository the tree has ``only`` the files at some paths, and what is below them.
    """
    repository = workspace.repository
    head = repository.head()
    left_out = (*workspace.store_folders(), *_repository_path(repository, aside))
    tree = written or repository.write_work_tree(*left_out, keep=keep, only=only)
    dirty = not head or repository.tree_of(head) != tree
    return SourceRevision(head, tree, dirty), load_tree(repository, tree, workspace.root)


def _repository_path(repository: Repository, file: Path | None) -> Iterator[str]:
    """Yield the path of a file from the top of the repository, if it lies inside."""
    if file is not None:
        absolute = Path(os.path.realpath(file.parent)) / file.name
        if repository.top in absolute.parents:
            yield absolute.relative_to(repository.top).as_posix()


def _path_from_top(root: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(root, path))


def read_config(
    tree: Tree,
    target: str = DEFAULT_TARGET,
    cache: Cache | None = None,
    check_providers: Callable[[Document, Config], Iterable[Diagnostic]] | None = None,
) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    """Return the configuration of a tree for a target, None if it cannot be used, and what is wrong.

    The cache remembers a configuration that ``check_providers`` has found right, for the plug-ins that are installed
    now. Raise UserError ``not-a-workspace`` if the tree has no mlgit.yml.
    """
    path = tree.root + CONFIG_FILE
    if path not in tree.entries:
        hint = f"is it ignored? `git check-ignore -v {CONFIG_FILE}` tells"
        raise user_error("not-a-workspace", f"{CONFIG_FILE} is not in Git", hint)
    if problem := tree.path_problem(path, must_be_file=True):
        raise user_error(problem.code, str(problem), problem.hint, Span(CONFIG_FILE))
    raw = tree.read_file(path)
    cached = find_config(cache, raw, target) if cache else None
    if cached is not None:
        return cached.config, tuple(check_store_location(tree, cached.config))
    document, syntax_errors = parse_yaml(CONFIG_FILE, raw)
    config, config_diagnostics = parse_config(document, target)
    diagnostics = (*syntax_errors, *config_diagnostics)
    if config and check_providers:
        by_target = ((name, parse_config(document, name)[0]) for name in config.targets)
        found = (check_providers(document_for_target(document, name), own) for name, own in by_target if own)
        diagnostics = tuple(dict.fromkeys((*diagnostics, *chain.from_iterable(found))))
    if cache and config and check_providers and not diagnostics:
        remember_config(cache, raw, target, CachedConfig(config, store_paths(document)))
    return config, (*diagnostics, *(check_store_location(tree, config) if config else ()))


def config_document(tree: Tree, target: str) -> Document:
    """Return mlgit.yml of a tree for a target, to look up positions in it."""
    document, _ = parse_yaml(CONFIG_FILE, tree.read_file(tree.root + CONFIG_FILE))
    return document_for_target(document, target)


def check_store_location(tree: Tree, config: Config) -> Iterator[Diagnostic]:
    """Yield an error if the store is in Git's own folder, outside the repository, or among tracked files."""
    path = _path_from_top(tree.root, config.store)
    problem = _store_location_problem(tree, path, config.store)
    if problem is not None:
        yield problem._replace(span=config_document(tree, config.target).value_span("/store/path"))


def _store_location_problem(tree: Tree, path: str, store: str) -> Diagnostic | None:
    """Return what is wrong with a store at a path from the top of the repository, None if it may be there."""
    if not path.startswith(("/", "..")):
        try:
            path = tree.real_path(path) or "."
        except BrokenLinkError as error:
            link = tree.display_path(error.link)
            message = f"the store {store} is behind {link}, a symbolic link to {error.target}"
            return Diagnostic("store-outside", message, hint="replace the link with a folder, or use an absolute path")
    if any(name.casefold() == ".git" for name in path.split("/")):
        message = f"the store {store} lies in Git's own folder"
        return Diagnostic("store-in-git", message, hint="name a folder beside it, such as .mlgit/store")
    if path.startswith("../") or path == "..":
        message = f"the store {store} leads out of the repository"
        hint = "a relative path means another folder in each clone: use an absolute path, or one inside the repository"
        return Diagnostic("store-outside", message, hint=hint)
    if path == "." or path in tree.entries or any(True for _ in tree.entries_below(path)):
        message = f"Git tracks files in {store}, the folder of the store"
        hint = f"use another folder, or remove the files from Git: git rm -r --cached {store}"
        return Diagnostic("store-tracked", message, hint=hint)
    return None
