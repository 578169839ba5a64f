"""Bring files out of the store: those of a version, the lock of an environment, the outputs of a run."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reconciler.diagnostics import UserError, user_error
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.format.suggest import did_you_mean
from reconciler.model import DEFAULT_ARTIFACTS, Address, Record, Run, RunStatus, State, parse_address
from reconciler.model.content import Content
from reconciler.model.object_store import ObjectStore
from reconciler.planning.environments import resolve_registry_environment
from reconciler.planning.uri_inputs import location_uri
from reconciler.project.recorded_builds import RecordedBuild, decode_builds
from reconciler.project.state_session import StateSession
from reconciler.project.store import open_store
from reconciler.state.process import host_name
from reconciler.storage.export import Export, export_contents
from reconciler.storage.target_folder import NewFile, write_files

OnProgress = Callable[[int, int], object]

# The folders of `az ml job download`.
_ARTIFACTS_FOLDER, _OUTPUTS_FOLDER = "artifacts", "named-outputs"
_LOCK_FILE, _PYTHON_FILE = "requirements.txt", ".python-version"
_REGULAR_MODE = 0o100644


class FileTransfer(NamedTuple):
    """What is to be written: contents of the store."""

    exports: tuple[Export, ...]

    @property
    def files(self) -> int:
        """How many files it has."""
        return sum(export.content.files for export in self.exports)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return sum(export.content.size for export in self.exports)


def is_built(address: Address) -> bool:
    """Return True for an environment, of which the lock is written and no content."""
    return address.kind in kinds() and kind_by_name(address.kind).uses_builder


def is_remote(state: State, record: Record) -> bool:
    """Return True for a version whose data is behind a URI, and not in the store."""
    uri = location_uri(record)
    return bool(uri) and not record.realised.get("contents") and state.find_download(uri) is None


def version_files(state: State, record: Record, remote: Content | None = None) -> FileTransfer:
    """Return the content of a version; of a URL, what was downloaded from it for a run. A model keeps its folder.

    ``remote`` is what was brought from where its data is, if the store has none of it.

    Raises UserError ``content-not-kept`` if mlgit does not have its bytes.
    """
    version, uri = record.address.format_with_version(record.version), str(record.spec.get("path", ""))
    contents = [Content.from_json(content) for content in record.realised.get("contents", {}).values()]
    if len(contents) == 1:
        folder = str(record.realised.get("name", "")) if contents[0].is_folder else ""
        return FileTransfer((Export(contents[0], version, folder, _restore_hint(record)),))
    if remote is not None:
        return FileTransfer((Export(remote, version, hint="run the command again"),))
    if download := state.find_download(uri) if uri else None:
        return FileTransfer((Export(download.content, version, hint="a run that uses it downloads it again"),))
    if uri:
        message = f"{version} is the URI {uri}: mlgit does not have its bytes"
        raise user_error("content-not-kept", message, "download it from there")
    hint = "`mlgit get` writes the files of a model or a data asset, and the lock of an environment"
    if record.latest:
        hint = f"`mlgit job download {record.address.name} DIR` writes the outputs of its newest run"
    raise user_error("content-not-kept", f"{version} has no files in the store", hint)


def _restore_hint(record: Record) -> str:
    if job := str(record.lineage.get("job", "")).partition("/")[2]:
        return f"make the store available again as it was, or run `mlgit job rerun {job}`"
    return "`mlgit apply` stores it again from Git, if it is the current version and Git has it"


def output_files(run: Run, name: str, *, in_named_folder: bool = False) -> FileTransfer:
    """Return one output of a run, whose files go into the target or, ``in_named_folder``, where `az ml` puts them."""
    _require_stored_outputs(run)
    if name not in run.outputs:
        names = ", ".join(run.outputs) or "none"
        hint = did_you_mean(name, run.outputs) or f"its outputs: {names}"
        raise user_error("output-missing", f"run {run.id} has no output {name}", hint)
    return FileTransfer((_output_export(run, name, _output_folder(name) if in_named_folder else ""),))


def all_output_files(run: Run) -> FileTransfer:
    """Return all outputs of a run, in the folders of `az ml job download`."""
    _require_stored_outputs(run)
    if not run.outputs:
        raise user_error("output-missing", f"run {run.id} has no outputs", f"its log: `mlgit job logs {run.id}`")
    return FileTransfer(tuple(_output_export(run, name, _output_folder(name)) for name in run.outputs))


def _output_folder(name: str) -> str:
    return _ARTIFACTS_FOLDER if name == DEFAULT_ARTIFACTS else f"{_OUTPUTS_FOLDER}/{name}"


def _output_export(run: Run, name: str, folder: str) -> Export:
    hint = f"make the store available again as it was, or run `mlgit job rerun {run.job_name}`"
    return Export(Content.from_json(run.outputs[name]), f"output {name} of run {run.id}", folder, hint)


def _require_stored_outputs(run: Run) -> None:
    """Raise UserError if the outputs of a run are not in the store: they are stored when it has completed."""
    if run.status.is_active:
        hint = f"`mlgit job wait {run.id} && mlgit apply` waits until it has ended, and stores them"
        raise user_error("run-active", f"run {run.id} is {run.status}: it has no outputs yet", hint)
    if run.status is not RunStatus.COMPLETED:
        message = f"run {run.id} is {run.status}: only the outputs of a completed run are stored"
        hint = f"`mlgit job logs {run.id}` prints its log, `mlgit job show {run.id}` says where its files are"
        raise user_error("output-missing", message, hint)
    if any("md5" not in (output or ()) for output in run.outputs.values()):
        message = f"the outputs of run {run.id} are not in the store yet"
        raise user_error("output-missing", message, "run `mlgit apply`, which records the run and stores its outputs")


def write_transfer(  # noqa: PLR0913 - the options of a download
    session: StateSession,
    state: State,
    transfer: FileTransfer,
    target: Path,
    on_progress: OnProgress,
    *,
    overwrite: bool,
) -> int:
    """Write the files of a download into a folder; return how many it did not have already. See `write_files`."""
    store = open_recorded_store(session, state)
    return export_contents(store, transfer.exports, target, overwrite=overwrite, on_progress=on_progress)


def find_registry_environment(state: State, argument: str) -> tuple[str, str] | None:
    """Return the name with its version and the fingerprint of an environment of a registry; None for anything else."""
    typed, _, version = argument.partition("@")
    address = parse_address(typed)
    if address in state.current or not is_built(address):
        return None
    environment = resolve_registry_environment(address, state.find_pin)
    if environment is None or version not in ("", "latest", environment.asset.version):
        return None
    return address.format_with_version(environment.asset.version), environment.fingerprint


def find_lock(session: StateSession, state: State, version: str, fingerprint: str) -> RecordedBuild:
    """Return the recorded build of an environment; raises UserError ``environment-not-built`` if there is none."""
    builds = decode_builds(state.find_builds(fingerprint), session.config.builders)
    if not builds:
        hint = "run a job that uses it: its first build is recorded, with the lock of its packages"
        raise user_error("environment-not-built", f"no build of {version} is recorded, so it has no lock yet", hint)
    return builds[0]


def write_lock(build: RecordedBuild, target: Path, *, overwrite: bool) -> int:
    """Write the lock of an environment and its Python version into a folder; return how many files were written."""
    texts = {_LOCK_FILE: build.lock, _PYTHON_FILE: f"{build.python}\n"}
    files = [_text_file(name, text.encode()) for name, text in texts.items()]
    return write_files(files, target, overwrite=overwrite)


def _text_file(name: str, data: bytes) -> NewFile:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return NewFile(name, _REGULAR_MODE, md5, partial(io.BytesIO, data))


def open_recorded_store(session: StateSession, state: State) -> ObjectStore:
    """Open the store that the live state was written with; raises UserError if this machine has another one."""
    config = session.config
    if not config.has_store(host_name()):
        message = f"the object store is on {config.store_host} only"
        raise user_error("store-elsewhere", message, f"run this command on {config.store_host}")
    store = open_store(session)
    store_id = store.find_id()
    if state.store_id not in ("", store_id):
        raise _other_store_error(store, store_id)
    return store


def _other_store_error(store: ObjectStore, store_id: str) -> UserError:
    reason = "is not the one that the live state was written with" if store_id else "is empty: nothing was stored in it"
    hint = "copy the store of who applied last to this place, or correct store: in mlgit.yml"
    return user_error("store-other", f"the object store at {store.location} {reason}", hint)
