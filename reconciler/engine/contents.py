"""Contents of the store that actions use: checked against what was stored, and restored from Git where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.dvc_contents import store_dvc_content
from reconciler.engine.providers import Providers
from reconciler.engine.staged import git_source, store_once, with_git_name
from reconciler.format.include import IncludeGlob
from reconciler.format.load import load_assets
from reconciler.git.blob_reader import BlobReader
from reconciler.model import Json, Record, Run, Tree, parse_address
from reconciler.model.content import Content, Damage, UploadFile
from reconciler.planning.content import TrackedContent, has_content, tracked_content


def store_git_content(providers: Providers, content: TrackedContent) -> Content:
    """Store files from their Git blobs or by DVC, never from the work tree; not again what the store has."""
    stored = store_once(providers.store, git_source(content), lambda: _store_blobs(providers, content))
    return with_git_name(content, stored)


def _store_blobs(providers: Providers, content: TrackedContent) -> Content:
    if content.dvc:
        return store_dvc_content(providers, content.dvc)
    with BlobReader(providers.state_store.repository) as blobs:
        if content.is_file:
            name, entry = content.files[0]
            return providers.store.put_file(name, blobs.open(entry.oid))
        return providers.store.put(
            UploadFile(name, entry.mode, partial(blobs.open, entry.oid)) for name, entry in content.files
        )


def ensure_version_content(providers: Providers, tree: Tree, record: Record) -> None:
    """Restore the content of a version from Git if the store has lost it or has other bytes.

    Raises UserError ``content-missing`` or ``content-corrupt`` if Git does not have it.
    """
    contents = [Content.from_json(content) for content in record.realised.get("contents", {}).values()]
    if not any(map(providers.store.verify, contents)):
        return
    _restore_from_git(providers, tree, record)
    for damages in filter(None, map(providers.store.verify, contents)):
        raise _version_error(record, damages[0])


def check_run_output(providers: Providers, run: Run, output: str, recorded: Mapping[str, Json]) -> Content:
    """Return the content of a recorded output of a run, or of a step of it.

    Raises UserError ``content-missing`` or ``content-corrupt``.
    """
    content = Content.from_json(recorded)
    if damages := providers.store.verify(content):
        hint = f"make the store available again as it was, or run `mlgit job rerun {run.address.name}`"
        raise _damage_error(f"output {output} of run {run.id}", damages[0], hint)
    return content


def _restore_from_git(providers: Providers, tree: Tree, record: Record) -> None:
    """Store the content of a record from its commit in Git; does nothing if Git no longer has it."""
    recorded_tree = tree.tree_at_commit(record.lineage.get("commit", ""))
    path = f"{tree.root}{record.source}"
    if recorded_tree is None or path not in recorded_tree.entries:
        return
    any_file = IncludeGlob("**", mirrors=providers.config.mirrors)
    assets = load_assets(recorded_tree, [(path, any_file)]).assets
    addresses = (record.address, *map(parse_address, record.formerly))
    asset = next((assets[address] for address in addresses if address in assets), None)
    for local_path in asset.paths if asset else ():
        if has_content(recorded_tree, local_path.path):
            store_git_content(providers, tracked_content(recorded_tree, local_path.path))


def _version_error(record: Record, damage: Damage) -> UserError:
    version = record.address.format_with_version(record.version)
    job = str(record.lineage.get("job", "")).partition("/")[2]
    if job:
        owner = f"{version}, which is the output of run {record.lineage['run']}"
        return _damage_error(owner, damage, f"make the store available again as it was, or run `mlgit job rerun {job}`")
    hint = "make the store available again as it was, or create a new version of the asset"
    return _damage_error(f"{version}, which is not in Git", damage, hint)


def _damage_error(owner: str, damage: Damage, hint: str) -> UserError:
    file = f"the file {damage.file}" if damage.file else "the list of its files"
    if damage.is_missing:
        message = f"{owner}: {file} is no longer in the store; {damage.location} is missing"
        return user_error("content-missing", message, hint)
    message = f"{owner}: {file} is not as it was stored; {damage.location} was changed or damaged"
    return user_error("content-corrupt", message, hint)
