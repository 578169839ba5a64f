"""The workspace: the nearest folder upwards with mlgit.yml, inside a Git repository."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.config import config as configuration
from reconciler.config import targets
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Span, user_error
from reconciler.format.assets import AssetSet
from reconciler.format.document import Document
from reconciler.format.ignore import parse_ignore_patterns
from reconciler.format.include import IncludeGlob
from reconciler.format.path_content import replace_invalid_utf8
from reconciler.format.yaml import parse_yaml
from reconciler.git import lazy_tree
from reconciler.git.repository import Repository, open_repository
from reconciler.model import SourceRevision, Tree
from reconciler.source.parse import ParsedFile, assemble_asset_set, parse_files

_YAML_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace in a clone: its folder, the folder's place in the repository, and the repository."""

    folder: Path
    repository: Repository
    root: str  # "" or ending in a slash

    def store_folders(self) -> Iterator[str]:
        """Yield the folders of the stores of all targets, from the top of the repository, as far as they lie in it."""
        document, _ = parse_yaml(configuration.CONFIG_FILE, (self.folder / configuration.CONFIG_FILE).read_bytes())
        for store in configuration.store_paths(document):
            inside = _path_from_top(self.root, store)
            if not inside.startswith(("/", "..")) and inside != "." and "\0" not in inside:
                yield inside

    @property
    def local_folder(self) -> Path:
        """The folder for local files, shared by the repository's work trees and never tracked."""
        return self.repository.common / "mlgit"


def find_workspace(start: Path) -> Workspace:
    """Find the workspace that a folder is in; a UserError where there is none."""
    repository = open_repository(start)
    folder = start.resolve()
    while not (folder / configuration.CONFIG_FILE).is_file():
        if folder in {repository.top, folder.parent}:
            message = f"there is no {configuration.CONFIG_FILE} in {start} or above it"
            raise user_error("not-a-workspace", message, "make a workspace with `mlgit init DIR`")
        folder = folder.parent
    inside = folder.relative_to(repository.top).as_posix()
    return Workspace(folder, repository, "" if inside == "." else f"{inside}/")


def tree_at_revision(workspace: Workspace, revision: str) -> tuple[SourceRevision, Tree]:
    """Return the tree of a revision."""
    commit = workspace.repository.resolve(revision)
    if not commit:
        raise user_error("revision-unknown", f"Git knows no revision {revision}", "see `git log`")
    tree = workspace.repository.tree_of(commit)
    return SourceRevision(commit, tree), lazy_tree.load_tree(workspace.repository, tree, workspace.root)


def tree_of_work_tree(
    workspace: Workspace, *, keep: bool = False, aside: Path | None = None
) -> tuple[SourceRevision, Tree]:
    """Return the tree of the files as they lie in the work tree; it is dirty where it is not that of HEAD.

    Without ``keep``, what is not in Git yet does not come to be there; the store never does, nor does a file that is
    put ``aside``.
    """
    head = workspace.repository.head()
    tree = workspace.repository.write_work_tree(
        *workspace.store_folders(), *_repository_path(workspace, aside), keep=keep
    )
    dirty = not head or workspace.repository.tree_of(head) != tree
    return SourceRevision(head, tree, dirty), lazy_tree.load_tree(workspace.repository, tree, workspace.root)


def _repository_path(workspace: Workspace, file: Path | None) -> Iterator[str]:
    """Yield the path of a file from the top of the repository, where it lies inside."""
    if file is not None and workspace.repository.top in (whole := file.parent.resolve() / file.name).parents:
        yield whole.relative_to(workspace.repository.top).as_posix()


def _path_from_top(root: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(root, path))


def read_config(
    tree: Tree, target: str = targets.DEFAULT_TARGET
) -> tuple[Document, Config | None, tuple[Diagnostic, ...]]:
    """Read mlgit.yml of a tree as it is for a target: the document, what it says, and what is wrong.

    Raises UserError ``not-a-workspace`` where there is none.
    """
    path = tree.root + configuration.CONFIG_FILE
    if path not in tree.entries:
        message = f"{configuration.CONFIG_FILE} is not in Git"
        raise user_error(
            "not-a-workspace", message, f"is it ignored? `git check-ignore -v {configuration.CONFIG_FILE}` tells"
        )
    document, unreadable = parse_yaml(configuration.CONFIG_FILE, tree.read_blob(tree.entries[path].oid))
    config, problems = configuration.parse_config(document, target)
    document = targets.document_for_target(document, target) if config else document
    found = (*unreadable, *problems, *_check_store_location(tree, document, config))
    return document, config, found


def _check_store_location(tree: Tree, document: Document, config: Config | None) -> Iterator[Diagnostic]:
    """Yield why the store cannot be where it is said to be: Git would take it in, or it is nobody's place."""
    if config is None:
        return
    place = document.value_span("/store/path")
    inside = _path_from_top(tree.root, config.store)
    if any(part.casefold() == ".git" for part in inside.split("/")):
        message = f"the store {config.store} lies in Git's own folder"
        yield Diagnostic("store-in-git", message, place, "name a folder beside it, such as .mlgit/store")
        return
    if inside.startswith("../") or inside == "..":
        message = f"the store {config.store} leads out of the repository"
        hint = "a clone elsewhere would find something else there: write the whole path, or one inside"
        yield Diagnostic("store-outside", message, place, hint)
    elif inside == "." or inside in tree.entries or any(True for _ in tree.entries_below(inside)):
        message = f"Git tracks files in {config.store}, where the store is to be"
        hint = f"name another folder, or take them out of Git: git rm -r --cached {config.store}"
        yield Diagnostic("store-tracked", message, place, hint)


def read_asset_set(tree: Tree, config: Config) -> AssetSet:
    """Read the assets that a tree declares."""
    return parse_asset_files(tree, config)[0]


def parse_asset_files(tree: Tree, config: Config) -> tuple[AssetSet, Sequence[ParsedFile]]:
    """Read the assets that a tree declares, and return also what came of each file by itself."""
    files = list(find_candidates(tree, config))
    found = parse_files(tree, [file for file in files if replace_invalid_utf8(file[0]) == file[0]], config)
    together = assemble_asset_set(tree, found)
    unnamed = tuple(
        _not_utf8_diagnostic(replace_invalid_utf8(tree.display_path(path)))
        for path, _ in files
        if replace_invalid_utf8(path) != path
    )
    return replace(together, diagnostics=(*together.diagnostics, *unnamed)), found


def _not_utf8_diagnostic(path: str) -> Diagnostic:
    return Diagnostic("path-not-utf8", f"the name of {path} is not UTF-8", Span(path), "give the file another name")


def find_candidates(
    tree: Tree, config: Config, among: Iterable[str] | None = None
) -> Iterator[tuple[str, IncludeGlob]]:
    """Yield the files that may be assets, by path, each with the last of the globs that it falls under.

    ``among`` are the paths that are of interest, all by default. They must not lie in a workspace inside this one.
    """
    include = [(parse_ignore_patterns([glob.pattern]), glob) for glob in config.include]
    exclude = parse_ignore_patterns(config.exclude)
    nested = find_nested_roots(tree) if among is None else []
    for path in sorted(tree.entries if among is None else among):
        shown = path.removeprefix(tree.root)
        if (
            not path.startswith(tree.root)
            or not path.lower().endswith(_YAML_SUFFIXES)
            or shown == configuration.CONFIG_FILE
        ):
            continue
        if any(path.startswith(inner) for inner in nested) or exclude.match_file(shown):
            continue
        under = [glob for patterns, glob in include if patterns.match_file(shown)]
        if under:
            yield path, under[-1]


def find_nested_roots(tree: Tree) -> list[str]:
    """Return the folders of the workspaces inside this one: their files are theirs."""
    suffix = f"/{configuration.CONFIG_FILE}"
    found = [path.removesuffix(configuration.CONFIG_FILE) for path in tree.entries if path.endswith(suffix)]
    return [root for root in found if root.startswith(tree.root) and root != tree.root]
