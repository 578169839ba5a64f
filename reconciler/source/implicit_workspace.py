"""The implicit workspace of a folder without mlgit.yml, for `mlgit run` and the commands on its runs.

In a Git repository it is the whole repository; elsewhere it is the folder, with a Git directory in mlgit's cache folder
that has the folder as its work tree. Its settings and its store are in the folder for local files: nothing is written
into the work tree. ``git.new_repository`` is imported by name, once for each such folder.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import uuid
from collections.abc import Collection
from pathlib import Path

from reconciler.config.config import Config, parse_config
from reconciler.config.stores import store_paths
from reconciler.config.targets import DEFAULT_TARGET
from reconciler.diagnostics import UserError
from reconciler.format.include import ANY_FILE
from reconciler.format.kinds import kind_by_name
from reconciler.format.yaml import parse_yaml
from reconciler.git.repository import Repository, open_repository, open_separate_repository
from reconciler.model import Address
from reconciler.private_files import make_private_folder
from reconciler.source.config_cache import CachedConfig, find_config, remember_config
from reconciler.source.discovery import find_workspace_of_file
from reconciler.source.disk import DiskFiles
from reconciler.source.disk_workspace import open_disk_workspace
from reconciler.source.parse import parse_file
from reconciler.source.workspace import Workspace, find_workspace

_SETTINGS_FILE = "implicit.json"
_STATE_NAME = "implicit"
_DIGEST_LENGTH = 20


def find_any_workspace(start: Path) -> Workspace:
    """Return the workspace that a folder is in, or the implicit one that `mlgit run` has made for it.

    Raises UserError as `find_workspace` if there is neither.
    """
    return _find_or_make(start, None)


def find_or_make_workspace(start: Path, base: Path) -> Workspace:
    """Return the workspace that a folder is in; without one, the implicit one of its repository.

    Outside of any repository it is that of the ``base`` folder, or of the nearest one above the folder that has one.
    """
    return _find_or_make(start, base)


def _find_or_make(start: Path, base: Path | None) -> Workspace:
    try:
        repository = open_repository(start)
    except UserError as error:
        if error.diagnostics[0].code != "not-a-git-repository":
            raise
        workspace = _outside_of_repositories(start.resolve(), base)
        if workspace is None:
            raise
        return workspace
    try:
        return find_workspace(start, repository)
    except UserError as error:
        workspace = _in_repository(repository, make=base is not None)
        if workspace is None or error.diagnostics[0].code != "not-a-workspace":
            repository.close()
            raise
        return workspace


def _outside_of_repositories(start: Path, base: Path | None) -> Workspace | None:
    """Return the implicit workspace of a folder in no repository; None if it has none, or an mlgit.yml."""
    if find_workspace_of_file(start / "file") is not None:
        return None
    folder = next((item for item in (start, *start.parents) if _git_folder(item).is_dir()), None)
    if folder is not None:
        return _in_repository(open_separate_repository(folder, _git_folder(folder)), make=True)
    if base is None:
        return None
    folder = base.resolve()
    git_folder = _git_folder(folder)
    make_private_folder(git_folder.parent)
    creation = importlib.import_module("reconciler.git.new_repository")
    return _in_repository(creation.create_separate_repository(folder, git_folder), make=True)


def _git_folder(folder: Path) -> Path:
    """Return where the Git directory of a folder outside of any repository is."""
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:_DIGEST_LENGTH]
    return _cache_folder() / "folders" / digest


def _cache_folder() -> Path:
    if configured := os.environ.get("MLGIT_CACHE_DIR"):
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlgit"


def _in_repository(repository: Repository, *, make: bool) -> Workspace | None:
    workspace = Workspace(repository.top, repository, "", repository.common / "mlgit" / _SETTINGS_FILE)
    settings = workspace.settings_file
    if settings is None or not (settings.is_file() or make):
        return None
    if not settings.is_file():
        make_private_folder(settings.parent)
        _write_settings(settings)
    return workspace


def _write_settings(path: Path) -> None:
    """Write the settings of a new implicit workspace; the first writer wins."""
    state = {"name": _STATE_NAME, "lineage": uuid.uuid4().hex}
    new = path.with_name(f"{path.name}.{state['lineage']}")
    new.write_text(json.dumps({"state": state, "store": {"path": str(path.with_name("store"))}}), "utf-8")
    try:
        os.link(new, path)
    except FileExistsError:  # another command has made it meanwhile
        pass
    finally:
        new.unlink()


def read_implicit_config(workspace: Workspace, target: str) -> Config:
    """Return the configuration of an implicit workspace. Raises UserError if it has no such target."""
    raw = workspace.read_config_file()
    if cached := find_config(workspace.cache, raw, target):
        return cached.config
    document, _ = parse_yaml(_SETTINGS_FILE, raw)
    config, diagnostics = parse_config(document, target)
    if config is None:
        raise UserError(*diagnostics)
    remember_config(workspace.cache, raw, target, CachedConfig(config, store_paths(document)))
    return config


def list_needed_paths(workspace: Workspace, path: str) -> list[str]:
    """Return the paths of all that a file on disk depends on, and of the files that declare what it refers to."""
    files = DiskFiles(workspace.folder, {})
    pending, needed = [path], {path}
    while pending:
        parsed = [parse_file(files, item, ANY_FILE, {}) for item in pending]
        needed |= {dep for item in parsed for dep in item.deps if files.exists(dep)}
        addresses = {reference.address for item in parsed for reference in item.references}
        pending = [item for item in _files_of(workspace, addresses) if item not in needed]
        needed.update(pending)
    return sorted(needed)


def _files_of(workspace: Workspace, addresses: Collection[Address]) -> list[str]:
    """Return the files that declare addresses; computes need no file."""
    if all(kind_by_name(address.kind).uses_backend for address in addresses):
        return []
    config = read_implicit_config(workspace, DEFAULT_TARGET)
    declared = open_disk_workspace(workspace.folder, config, workspace.cache).read_addresses(workspace.cache)
    return [path for path, own in declared.by_path.items() if not own.isdisjoint(addresses)]
