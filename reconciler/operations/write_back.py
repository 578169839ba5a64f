"""The operation write-back: the changes of files that make Git declare what is live, for drift with that policy.

What cannot be written is a problem with what to do instead; nothing is written by halves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.diagnostics import UserError
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.edit import edit_document
from reconciler.format.pointers import split_pointer
from reconciler.format.yaml import parse_yaml
from reconciler.model import SYMLINK_MODE, Address, Asset, State, Tree
from reconciler.operations.import_ import GeneratedFile, Importer, MissingContent
from reconciler.planning.drift import CHANGED, UNDECLARED, Drift, DriftPolicy
from reconciler.planning.resource_settings import format_changed_settings, overwritten_settings
from reconciler.planning.write_back import FileChange, Unwritten, WriteBack
from reconciler.secrets.redact import hide_secrets, redact_spec

_PROTECTED_FOLDERS = frozenset({".git", ".github"})  # nothing that is live may change what CI runs
_MAX_CONTENT_FILES, _MAX_CONTENT_BYTES = 100, 500_000
_REGULAR_MODE = 0o100644


class _UnwritableError(Exception):
    """Drift cannot be written into files; the text says why."""


def make_write_back(drifts: Iterable[Drift], state: State, tree: Tree, declared: AssetSet, config: Config) -> WriteBack:
    """Return what writes drift of the policy write-back into the files of a tree.

    The records of the state have the conditions that the providers report.
    """
    importer = Importer(tree, lambda path: _is_taken(tree, path), state.current)
    writer = _Writer(state, tree, declared, config, importer)
    changes: list[FileChange] = []
    unwritten: list[Unwritten] = []
    for drift in drifts:
        if drift.policy is DriftPolicy.WRITE_BACK and drift.address is not None:
            try:
                changes += writer.write(drift, drift.address)
            except _UnwritableError as error:
                unwritten.append(Unwritten(drift.address, str(error)))
    return WriteBack(writer.with_plan_notes(changes), tuple(unwritten))


def _is_taken(tree: Tree, path: str) -> bool:
    """Return True if there is something at a path of a tree, or if what is above it is no folder."""
    names = f"{tree.root}{path}".split("/")
    return tree.exists("/".join(names)) or any(
        "/".join(names[:count]) in tree.entries for count in range(1, len(names))
    )


@dataclass(slots=True)
class _Writer:
    """Makes the changes of files for one tree."""

    state: State
    tree: Tree
    declared: AssetSet
    config: Config
    importer: Importer

    def write(self, drift: Drift, address: Address) -> list[FileChange]:
        if drift.drift_type == UNDECLARED:
            return self._declare(address)
        asset = self._declared_asset(address)
        return self._change_settings(asset) if drift.drift_type == CHANGED else self._remove_file(asset)

    def with_plan_notes(self, changes: Iterable[FileChange]) -> tuple[FileChange, ...]:
        """Return the changes with the errors that a plan would find in the new files."""
        changes = tuple(changes)
        is_new = {change.path for change in changes if not self.tree.exists(f"{self.tree.root}{change.path}")}
        files = [
            GeneratedFile(change.address, change.path, change.content or "", "")
            for change in changes
            if change.path in is_new and change.path.endswith((".yml", ".yaml"))
        ]
        notes = {file.path: file.notes for file in self.importer.add_plan_notes(self.config, files)} if files else {}
        return tuple(change._replace(notes=(*change.notes, *notes.get(change.path, ()))) for change in changes)

    def _declare(self, address: Address) -> list[FileChange]:
        """Return the file of what no file declares, with the content that it names if that is a few lines of text."""
        by_hand = f"`mlgit import {address}` writes its file for you to complete"
        try:
            generated = self.importer.generate_file(self.state.current[address])
        except UserError as error:
            diagnostic = error.diagnostics[0]
            raise _UnwritableError(f"{diagnostic.message}; {diagnostic.hint}") from error
        if generated.text != generated.redacted_text:
            raise _UnwritableError(f"it has values that may be secrets; {by_hand}")
        _check_path(generated.path)
        contents = [change for item in generated.missing_contents for change in self._restore_content(address, item)]
        size = sum(len(change.content or "") for change in contents)
        if len(contents) > _MAX_CONTENT_FILES or size > _MAX_CONTENT_BYTES:
            raise _UnwritableError(f"the files that it names are too many or too large for a pull request; {by_hand}")
        notes = tuple(f"{pointer} is left out: it is a secret" for pointer in generated.secrets)
        return [FileChange(generated.path, generated.text, address, "declares it", notes), *contents]

    def _restore_content(self, address: Address, missing: MissingContent) -> Iterator[FileChange]:
        tree = self.tree.tree_at_commit(missing.commit) if missing.commit else None
        path = self.tree.display_path(missing.path)
        if tree is None or missing.path_taken:
            why = "is not as it was applied" if missing.path_taken else "is in no commit that this clone has"
            raise _UnwritableError(f"{path}, which it names, {why}; `mlgit import {address}` says what to do")
        below = (
            item for item in tree.entries.items() if item[0] == missing.path or item[0].startswith(f"{missing.path}/")
        )
        for place, entry in below:
            text = _decode(tree.read_blob(entry.oid)) if entry.mode == _REGULAR_MODE else None
            if text is None or not place.startswith(self.tree.root):
                reason = f"{self.tree.display_path(place)}, which it names, is no text file of the workspace"
                raise _UnwritableError(f"{reason}; `mlgit import {address}` says how to get it out of Git")
            _check_path(relative := place.removeprefix(self.tree.root))
            yield FileChange(relative, text, address, "is what it names, as it was applied")

    def _declared_asset(self, address: Address) -> Asset:
        """Return an asset whose file can be changed; raise `_UnwritableError`."""
        asset = self.declared.assets.get(address)
        if asset is None:
            is_faulty = address in self.declared.invalid_addresses
            raise _UnwritableError(
                "its file has errors; correct it first: `mlgit validate`"
                if is_faulty
                else "no file declares it any more; the next apply removes it"
            )
        _check_path(asset.source)
        entry = self.tree.entries.get(f"{self.tree.root}{asset.source}")
        if entry is None or entry.mode == SYMLINK_MODE:
            raise _UnwritableError(f"{asset.source} is a symbolic link, or below one; change its target by hand")
        others = [str(item.address) for item in self.declared.assets.values() if item.source == asset.source]
        if len(others) > 1:
            raise _UnwritableError(f"{asset.source} declares {join_some(others)}; change it by hand")
        return asset

    def _change_settings(self, asset: Asset) -> list[FileChange]:
        """Return the file with the live settings, except those that it has changed since it was applied."""
        settings = overwritten_settings(self.state.current[asset.address], asset.spec)
        if not settings:
            raise _UnwritableError(f"{asset.source} gives other values now, which the next apply makes live")
        if any(hide_secrets(setting.live, split_pointer(setting.pointer)) != setting.live for setting in settings):
            raise _UnwritableError("its provider reports what may be a secret; change its file by hand")
        raw = self.tree.read_file(f"{self.tree.root}{asset.source}")
        document, _ = parse_yaml(asset.source, raw)
        text = edit_document(document, {setting.pointer: setting.live for setting in settings})
        if text is None:
            phrase = format_changed_settings(settings)
            raise _UnwritableError(f"{asset.source} cannot be edited without changing its layout; by hand: {phrase}")
        return [FileChange(asset.source, text, asset.address, format_changed_settings(settings))]

    def _remove_file(self, asset: Asset) -> list[FileChange]:
        recorded, spec = self.state.current[asset.address].spec, asset.spec
        if redact_spec(kind_of(asset).secret_fields, spec, self.state.lineage) != recorded:
            raise _UnwritableError(f"{asset.source} has changed since it was applied; the next apply makes it again")
        users = sorted(
            str(item.address)
            for item in self.declared.assets.values()
            if any(reference.address == asset.address for reference in item.references)
        )
        notes = (f"{join_some(users)} refers to it, and needs another one",) if users else ()
        return [FileChange(asset.source, None, asset.address, "is removed: its provider no longer has it", notes)]


def _check_path(path: str) -> None:
    if not _PROTECTED_FOLDERS.isdisjoint(path.lower().split("/")):
        raise _UnwritableError(f"{path} is in a folder that only people change")


def _decode(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
