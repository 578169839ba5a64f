"""Contents of the store that actions use: checked against what was stored, and restored from Git where it has them."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diagnostics import UserError, user_error
from reconciler.engine.providers import Providers
from reconciler.format.include import ANY_FILE
from reconciler.format.load import load_assets
from reconciler.git.trees import read_blobs
from reconciler.model import Record, Run, Tree, parse_address
from reconciler.planning.content import TrackedContent, tracked_content
from reconciler.storage.content import Damage, StoredContent


def store_git_content(providers: Providers, content: TrackedContent) -> StoredContent:
    """Store files from their Git blobs, never from the work tree."""
    blobs = read_blobs(providers.state_store.repository, [entry.oid for _, entry in content.files])
    files = [(name, entry.mode, blobs[entry.oid]) for name, entry in content.files]
    if content.is_file:
        name, _, data = files[0]
        return replace(providers.store.put_bytes(name, data), name=name)
    return providers.store.put_files(files)


def ensure_version_content(providers: Providers, tree: Tree, record: Record) -> None:
    """Restore the content of a version from Git if the store has lost it or has other bytes.

    Raises UserError ``content-missing`` or ``content-corrupt`` if Git does not have it.
    """
    contents = [StoredContent.from_json(content) for content in record.realised.get("contents", {}).values()]
    if not any(map(providers.store.find_damage, contents)):
        return
    _restore_from_git(providers, tree, record)
    for damage in filter(None, map(providers.store.find_damage, contents)):
        raise _version_error(record, damage)


def check_run_output(providers: Providers, run: Run, output: str) -> StoredContent:
    """Return the content of a run's output; raises UserError ``content-missing`` or ``content-corrupt``."""
    content = StoredContent.from_json(run.outputs[output])
    if damage := providers.store.find_damage(content):
        hint = f"make the store available again as it was, or run `mlgit job rerun {run.address.name}`"
        raise _damage_error(f"output {output} of run {run.id}", damage, hint)
    return content


def _restore_from_git(providers: Providers, tree: Tree, record: Record) -> None:
    """Store the content of a record from its commit in Git; does nothing if Git no longer has it."""
    recorded_tree = tree.tree_at_commit(record.lineage.get("commit", ""))
    path = f"{tree.root}{record.source}"
    if recorded_tree is None or path not in recorded_tree.entries:
        return
    assets = load_assets(recorded_tree, [(path, ANY_FILE)]).assets
    addresses = (record.address, *map(parse_address, record.formerly))
    asset = next((assets[address] for address in addresses if address in assets), None)
    for local_path in asset.paths if asset else ():
        if recorded_tree.exists(local_path.path):
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
    if damage.path.exists():
        message = f"{owner}: {file} is not as it was stored; {damage.path} was changed or damaged"
        return user_error("content-corrupt", message, hint)
    return user_error("content-missing", f"{owner}: {file} is no longer in the store; {damage.path} is missing", hint)
