"""Writes contents of a store to the disk, in streams, every byte checked by its digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.model.content import Content, ContentFile
from reconciler.model.object_store import ObjectStore
from reconciler.storage.digests import Digests
from reconciler.storage.manifest import ManifestEntry, manifest_sha256
from reconciler.storage.target_folder import NewFile, OnProgress, write_files

_DAMAGE_CODES = frozenset({"content-missing", "content-corrupt"})


class Export(NamedTuple):
    """A content to write, the folder within the target that it goes to, and whose it is, for messages."""

    content: Content
    owner: str
    folder: str = ""
    hint: str = ""
    """What to do if the store does not have it as it was stored."""


class _Plan(NamedTuple):
    """An export with the files of its content."""

    export: Export
    files: tuple[ContentFile, ...]

    def path(self, file: ContentFile) -> str:
        return f"{self.export.folder}/{file.path}" if self.export.folder else file.path


def export_contents(
    store: ObjectStore,
    exports: Iterable[Export],
    target: Path,
    *,
    overwrite: bool = False,
    on_progress: OnProgress = lambda _files, _bytes: None,
) -> int:
    """Write contents into a folder and return how many files it did not have already; see `write_files`.

    A single file has the name that its content has. Raises UserError ``content-missing`` or ``content-corrupt``, which
    says whose content it is.
    """
    plans = [_Plan(export, _read_manifest(store, export)) for export in exports]
    store.fetch(file.digest for plan in plans for file in plan.files)
    files = [_new_file(store, plan, file) for plan in plans for file in plan.files]
    folders = [plan.export.folder for plan in plans if plan.export.folder]
    verify = partial(_verify_contents, plans)
    return write_files(files, target, folders=folders, overwrite=overwrite, verify=verify, on_progress=on_progress)


def _read_manifest(store: ObjectStore, export: Export) -> tuple[ContentFile, ...]:
    try:
        return store.manifest(export.content)
    except UserError as error:
        raise _with_owner(error, export) from error


def _new_file(store: ObjectStore, plan: _Plan, file: ContentFile) -> NewFile:
    export = plan.export
    read = partial(_open_file, store, export, file)
    return NewFile(plan.path(file), file.mode, file.digest, read, export.owner, export.hint)


def _open_file(store: ObjectStore, export: Export, file: ContentFile) -> BinaryIO:
    try:
        return store.open(file.digest)
    except UserError as error:
        raise _with_owner(error, export, file.path) from error


def _with_owner(error: UserError, export: Export, path: str = "") -> UserError:
    """Return an error about damaged content that says whose it is and what to do; any other error as it is."""
    (diagnostic,) = error.diagnostics
    if diagnostic.code not in _DAMAGE_CODES:
        return error
    owner = f"{export.owner}: the file {path}" if path else export.owner
    return UserError(diagnostic._replace(message=f"{owner}: {diagnostic.message}", hint=export.hint or diagnostic.hint))


def _verify_contents(plans: Sequence[_Plan], digests: Mapping[str, Digests]) -> None:
    """Raise UserError ``content-corrupt`` if the files that were written are not, together, what was recorded."""
    for plan in plans:
        if _content_sha256(plan, digests) != plan.export.content.sha256:
            message = f"{plan.export.owner} is not as it was stored: the list of its files, or their modes, was changed"
            raise user_error("content-corrupt", message, plan.export.hint)


def _content_sha256(plan: _Plan, digests: Mapping[str, Digests]) -> str:
    if not plan.export.content.is_folder:
        (file,) = plan.files
        return digests[plan.path(file)].sha256
    return manifest_sha256(
        ManifestEntry(file.path, file.mode, file.digest, digests[plan.path(file)].sha256, 0) for file in plan.files
    )
