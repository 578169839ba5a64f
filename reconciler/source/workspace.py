"""The workspace: the nearest folder upwards with mlgit.yml, inside a Git repository."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.config.config import CONFIG_FILE, Config, parse_config, store_paths
from reconciler.config.targets import DEFAULT_TARGET, document_for_target
from reconciler.diagnostics import Diagnostic, Span, user_error
from reconciler.format.assets import AssetSet
from reconciler.format.document import Document
from reconciler.format.ignore import parse_ignore_patterns
from reconciler.format.include import IncludeGlob
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.format.yaml import parse_yaml
from reconciler.git.lazy_tree import load_tree, prefetch_tree
from reconciler.git.repository import Repository, open_repository
from reconciler.model import BrokenLinkError, SourceRevision, Tree
from reconciler.source.disk import YAML_SUFFIXES, DiskFiles
from reconciler.source.parse import assemble_asset_set, parse_files
from reconciler.source.parsed_file import ParsedFile


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace in a clone: its folder, the repository, and the path of the folder in the repository."""

    folder: Path
    repository: Repository
    root: str  # "" or ending in a slash

    def store_folders(self) -> Iterator[str]:
        """Yield the folders of the stores of all targets, from the top of the repository, that lie inside it."""
        document, _ = parse_yaml(CONFIG_FILE, DiskFiles(self.folder, {}).read_file(CONFIG_FILE))
        for store in store_paths(document):
            path = _path_from_top(self.root, store)
            if not path.startswith(("/", "..")) and path != "." and "\0" not in path:
                yield path

    @property
    def local_folder(self) -> Path:
        """The folder for local files, shared by the repository's work trees and never tracked."""
        return self.repository.common / "mlgit"


def find_workspace(start: Path) -> Workspace:
    """Find the workspace that a folder is in. Raise UserError ``not-a-workspace`` if there is none."""
    repository = open_repository(start)
    folder = start.resolve()
    while not (folder / CONFIG_FILE).is_file():
        if folder in {repository.top, folder.parent}:
            message = f"there is no {CONFIG_FILE} in {start} or above it"
            raise user_error("not-a-workspace", message, "make a workspace with `mlgit init DIR`")
        folder = folder.parent
    relative = folder.relative_to(repository.top).as_posix()
    return Workspace(folder, repository, "" if relative == "." else f"{relative}/")


def tree_at_revision(workspace: Workspace, revision: str) -> tuple[SourceRevision, Tree]:
    """Return the tree of a revision. Raise UserError ``revision-unknown`` if Git does not know it."""
    commit = workspace.repository.resolve(revision)
    if not commit:
        raise user_error("revision-unknown", f"Git knows no revision {revision}", "see `git log`")
    tree = workspace.repository.tree_of(commit)
    return SourceRevision(commit, tree), load_tree(workspace.repository, tree, workspace.root)


def tree_of_work_tree(
    workspace: Workspace, *, keep: bool = False, aside: Path | None = None
) -> tuple[SourceRevision, Tree]:
    """Return the tree of the files in the work tree; it is dirty if it differs from that of HEAD.

    With ``keep`` the objects of files that are not committed are written into the repository. The store is never part
    of the tree, nor is the file ``aside``.
    """
    repository = workspace.repository
    head = repository.head()
    tree = repository.write_work_tree(*workspace.store_folders(), *_repository_path(repository, aside), keep=keep)
    dirty = not head or repository.tree_of(head) != tree
    return SourceRevision(head, tree, dirty), load_tree(repository, tree, workspace.root)


def _repository_path(repository: Repository, file: Path | None) -> Iterator[str]:
    """Yield the path of a file from the top of the repository, if it lies inside."""
    if file is not None:
        absolute = file.parent.resolve() / file.name
        if repository.top in absolute.parents:
            yield absolute.relative_to(repository.top).as_posix()


def _path_from_top(root: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(root, path))


def read_config(tree: Tree, target: str = DEFAULT_TARGET) -> tuple[Document, Config | None, tuple[Diagnostic, ...]]:
    """Return mlgit.yml of a tree for a target: the document, the configuration, and what is wrong.

    Raise UserError ``not-a-workspace`` if the tree has no mlgit.yml.
    """
    path = tree.root + CONFIG_FILE
    if path not in tree.entries:
        hint = f"is it ignored? `git check-ignore -v {CONFIG_FILE}` tells"
        raise user_error("not-a-workspace", f"{CONFIG_FILE} is not in Git", hint)
    if problem := tree.path_problem(path, must_be_file=True):
        raise user_error(problem.code, str(problem), problem.hint, Span(CONFIG_FILE))
    document, syntax_errors = parse_yaml(CONFIG_FILE, tree.read_file(path))
    config, diagnostics = parse_config(document, target)
    document = document_for_target(document, target) if config else document
    return document, config, (*syntax_errors, *diagnostics, *_check_store_location(tree, document, config))


def _check_store_location(tree: Tree, document: Document, config: Config | None) -> Iterator[Diagnostic]:
    """Yield an error if the store is in Git's own folder, outside the repository, or among tracked files."""
    if config is None:
        return
    span = document.value_span("/store/path")
    path = _path_from_top(tree.root, config.store)
    if path.startswith("../") or path == "..":
        message = f"the store {config.store} leads out of the repository"
        hint = "a relative path means another folder in each clone: use an absolute path, or one inside the repository"
        yield Diagnostic("store-outside", message, span, hint)
        return
    try:
        path = path if posixpath.isabs(path) else tree.real_path(path) or "."
    except BrokenLinkError as error:
        message = (
            f"the store {config.store} is behind {tree.display_path(error.link)}, a symbolic link to {error.target}"
        )
        yield Diagnostic("store-outside", message, span, "replace the link with a folder, or use an absolute path")
        return
    if any(name.casefold() == ".git" for name in path.split("/")):
        message = f"the store {config.store} lies in Git's own folder"
        yield Diagnostic("store-in-git", message, span, "name a folder beside it, such as .mlgit/store")
    elif path == "." or path in tree.entries or any(True for _ in tree.entries_below(path)):
        message = f"Git tracks files in {config.store}, the folder of the store"
        hint = f"use another folder, or remove the files from Git: git rm -r --cached {config.store}"
        yield Diagnostic("store-tracked", message, span, hint)


def read_asset_set(tree: Tree, config: Config) -> AssetSet:
    """Return the assets that a tree declares."""
    return parse_asset_files(tree, config)[0]


def parse_asset_files(tree: Tree, config: Config) -> tuple[AssetSet, Sequence[ParsedFile]]:
    """Return the assets that a tree declares, and the parsed files one by one."""
    candidates = list(find_candidates(tree, config))
    readable = [(path, glob) for path, glob in candidates if replace_invalid_utf8(path) == path]
    parsed_files = parse_candidates(tree, config, readable)
    asset_set = assemble_asset_set(tree, parsed_files)
    misnamed = (
        _not_utf8_diagnostic(replace_invalid_utf8(tree.display_path(path)))
        for path, _ in candidates
        if replace_invalid_utf8(path) != path
    )
    return replace(asset_set, diagnostics=(*asset_set.diagnostics, *misnamed)), parsed_files


def parse_candidates(tree: Tree, config: Config, candidates: Sequence[tuple[str, IncludeGlob]]) -> list[ParsedFile]:
    """Return those of the files of a tree that are, or are meant to be, assets."""
    parsed_files = parse_files(tree, candidates, config.rules, lambda paths: prefetch_tree(tree, paths))
    return [parsed for parsed in parsed_files if parsed.is_asset]


def _not_utf8_diagnostic(path: str) -> Diagnostic:
    return Diagnostic("path-not-utf8", f"the name of {path} is not UTF-8", Span(path), "give the file another name")


def find_candidates(
    tree: Tree, config: Config, among: Iterable[str] | None = None
) -> Iterator[tuple[str, IncludeGlob]]:
    """Yield the files that may be assets, by path, each with the last of the globs that match it.

    ``among`` are the paths to consider, all by default; they must not lie in a workspace inside this one.
    """
    include = [(parse_ignore_patterns([glob.pattern]), glob) for glob in config.include]
    exclude = parse_ignore_patterns(config.exclude)
    nested = tuple(find_nested_roots(tree)) if among is None else ()
    for path in sorted(tree.entries if among is None else among):
        if not path.startswith(tree.root) or path.startswith(nested) or not path.lower().endswith(YAML_SUFFIXES):
            continue
        relative = path.removeprefix(tree.root)
        if relative == CONFIG_FILE or exclude.match_file(relative):
            continue
        matches = [glob for patterns, glob in include if patterns.match_file(relative)]
        if matches:
            yield path, matches[-1]


def find_nested_roots(tree: Tree) -> list[str]:
    """Return the folders of the workspaces inside this one, whose files do not belong to this one."""
    suffix = f"/{CONFIG_FILE}"
    roots = [path.removesuffix(CONFIG_FILE) for path in tree.entries if path.endswith(suffix)]
    return [root for root in roots if root.startswith(tree.root) and root != tree.root]
