"""Load one job file and what it refers to, of a work tree with any number of other files, which are not parsed.

What is wrong in other files does not matter. ``source.disk_workspace`` remembers the addresses that they declare.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, user_error
from reconciler.format.assets import AssetSet, LoadedFile, build_asset_set, escalate_severities, kind_of
from reconciler.format.detect import detect_kind
from reconciler.format.document import Document, DocumentOverride, keep_document
from reconciler.format.include import ANY_FILE, IncludeGlob
from reconciler.format.kinds import kind_by_name
from reconciler.format.kinds.job import KIND as JOB
from reconciler.format.yaml import parse_yaml
from reconciler.model import Address, Asset, Reference, State
from reconciler.planning.compute import bound_backend
from reconciler.planning.datastores import given_datastores
from reconciler.planning.file_checks import LiveAssets, check_files_together, sort_diagnostics
from reconciler.planning.referencable import existence_check, referencable
from reconciler.project.check import report_diagnostics
from reconciler.project.session import Session
from reconciler.source.asset_set import assemble_asset_set
from reconciler.source.assets import parse_candidates
from reconciler.source.dependencies import trace_tree
from reconciler.source.disk_workspace import open_disk_workspace
from reconciler.source.globs import load_file_globs
from reconciler.source.overridden_assets import load_overridden_file, options_override
from reconciler.source.parsed_file import ParsedFile


class JobFile(NamedTuple):
    """A job with what it refers to, and the files that were read for them, from the top of the repository.

    ``note`` is what a person has to know of the file, "" for nothing.
    """

    address: Address
    declared: AssetSet
    files: frozenset[str]
    note: str = ""


def load_job_file(session: Session, state: State, path: str, name: str, options: Sequence[str]) -> JobFile:
    """Return the job of a file with the values of options (``--set``), and with another name if one is given.

    Reports what is wrong in its file and in those that it refers to, and raises UserError if something is an error, if
    the file is no job, or if nothing can run it.
    """
    glob, note = _glob_of(session, path)
    own_file, own_deps = _load_overridden(session, path, glob, name, options)
    parsed = _parse(session, [(path, glob)])
    job_set = build_asset_set([own_file], session.tree) if own_file else assemble_asset_set(session.tree, parsed)
    address = _find_job_address(session, job_set, path)
    others = _DeclaredFiles(session)
    known = _known_without_files(session, job_set)
    pending = list(_named_references(session, job_set))
    visited = {address, *(reference.address for reference in pending)}
    while pending:
        paths = [item for reference in pending for item in others.files_of(reference.address)]
        new = _parse(session, paths)
        parsed += new
        pending = [
            reference
            for reference in _named_references(session, _without_jobs(assemble_asset_set(session.tree, new), visited))
            if reference.address not in visited
        ]
        visited |= {reference.address for reference in pending}
    declared = _without_jobs(assemble_asset_set(session.tree, parsed, own_file), visited, address)
    declared = declared._replace(known=frozenset((*known, *others.read_addresses)))
    _report(session, state, declared)
    files = frozenset((*own_deps, *(file for item in parsed for file in (item.path, *item.deps))))
    return JobFile(address, declared, files, note)


def _glob_of(session: Session, path: str) -> tuple[IncludeGlob, str]:
    """Return the glob of mlgit.yml that includes a file, and what a person has to know of it.

    A file with a command and nothing that shows its kind is a job, as it is for `az ml job create`.
    """
    shown = session.tree.display_path(path)
    glob = load_file_globs(session.config, session.workspace.cache).find_include(shown) or ANY_FILE
    document, _ = parse_yaml(shown, session.tree.read_file(path))
    has_command = isinstance(document.data, Mapping) and "command" in document.data
    if glob.kind or not has_command or detect_kind(document) is not None:
        return glob, ""
    return glob._replace(
        kind=JOB.name
    ), f"{shown} has no $schema: it is taken for a job here, and is none for `mlgit apply`"


def _parse(session: Session, paths: Iterable[tuple[str, IncludeGlob]]) -> list[ParsedFile]:
    unique = list(dict(paths).items())
    return parse_candidates(session.tree, session.config, unique, session.workspace.cache) if unique else []


def _load_overridden(
    session: Session, path: str, glob: IncludeGlob, name: str, options: Sequence[str]
) -> tuple[LoadedFile | None, Iterable[str]]:
    """Return a file as it would be with other values, and the files that were read for it; None without others."""
    if not name and not options:
        return None, ()
    deps: dict[str, str] = {}
    override = options_override(options) if options else keep_document
    if name:
        override = partial(_override_with_name, name, override)
    tree = trace_tree(session.tree, path, deps)
    return load_overridden_file(tree, session.config, path, glob, override), deps


def _override_with_name(
    name: str, override: DocumentOverride, document: Document, kind_name: str
) -> tuple[Document, tuple[Diagnostic, ...]]:
    data = document.data
    named = replace(document, data={**data, "name": name}) if isinstance(data, Mapping) else document
    return override(named, kind_name)


def _find_job_address(session: Session, job_set: AssetSet, path: str) -> Address:
    """Return the address of the job that a file declares.

    Raises UserError ``not-a-job`` for a file that declares another asset or none, ``run-refused`` for a job of a type
    that nothing can run.
    """
    document = job_set.documents.get(path)
    if document is None or not job_set.sources:
        unreadable = parse_yaml(session.tree.display_path(path), session.tree.read_file(path))[1]
        report_diagnostics(session, job_set.diagnostics or unreadable)
        message = f"{session.tree.display_path(path)} is not the file of a job: mlgit cannot tell what it declares"
        hint = "add $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json at its top"
        raise user_error("not-a-job", message, hint)
    address = next(iter(job_set.sources))  # before those of its outputs
    asset = job_set.readable_assets.get(address)
    if not kind_by_name(address.kind).is_runnable:
        hint = f"`mlgit plan --select {address}` shows what apply would do with it"
        raise user_error("not-a-job", f"this file declares {address}, which is not a job", hint, document.key_span(""))
    if asset and (reason := kind_of(asset).recorded_only_reason(asset.spec)):
        message = f"{address} cannot be run: it is recorded only, because {reason}"
        raise user_error("run-refused", message, "docs/support.md lists what can be run", document.value_span("/type"))
    return address


def _without_jobs(declared: AssetSet, wanted: Container[Address], job: Address | None = None) -> AssetSet:
    """Return what is wanted of what files declare, the job itself and no other one: these count as they are live."""

    def is_used(asset: Asset) -> bool:
        return asset.address == job or (asset.address in wanted and not kind_of(asset).is_runnable)

    assets, faulty = (
        {address: asset for address, asset in items.items() if is_used(asset)}
        for items in (declared.assets, declared.faulty)
    )
    return declared._replace(assets=assets, faulty=faulty)


def _named_references(session: Session, declared: AssetSet) -> Iterator[Reference]:
    """Yield the references to assets that files may declare and that count: jobs are used as they are live."""
    for asset in declared.readable_assets.values():
        yield from (item for item in asset.references if not _needs_no_file(session, item.address))


def _needs_no_file(session: Session, address: Address) -> bool:
    return kind_by_name(address.kind).is_runnable or _is_known_without_file(session, address)


def _is_known_without_file(session: Session, address: Address) -> bool:
    return bool(bound_backend(session.config, address)) or address in given_datastores(session.config)


def _known_without_files(session: Session, declared: AssetSet) -> Iterator[Address]:
    for asset in declared.readable_assets.values():
        yield from (item.address for item in asset.references if _is_known_without_file(session, item.address))


class _DeclaredFiles:
    """The files of the workspace by the addresses that they declare, which are read when they are asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_address: dict[Address, list[tuple[str, IncludeGlob]]] | None = None

    @property
    def read_addresses(self) -> Iterable[Address]:
        """The addresses, if they were read."""
        return self._by_address or ()

    def files_of(self, address: Address) -> Sequence[tuple[str, IncludeGlob]]:
        """Return the files that declare an address, by their paths from the top of the repository, with their globs."""
        if self._by_address is None:
            self._by_address = self._read()
        return self._by_address.get(address, ())

    def _read(self) -> dict[Address, list[tuple[str, IncludeGlob]]]:
        session = self._session
        workspace = open_disk_workspace(session.workspace.folder, session.config, session.workspace.cache)
        by_address: dict[Address, list[tuple[str, IncludeGlob]]] = {}
        for path, addresses in workspace.read_addresses(session.workspace.cache).by_path.items():
            for address in addresses:
                by_address.setdefault(address, []).append((session.tree.root + path, workspace.globs[path]))
        return by_address


def _report(session: Session, state: State, declared: AssetSet) -> None:
    """Report what is wrong in the files and between them, and with mlgit.yml; raise UserError if it is an error."""
    live = LiveAssets(referencable(state), existence_check(state), {})
    diagnostics = escalate_severities(check_files_together(declared, session.config, session.tree, live))
    report_diagnostics(session, sort_diagnostics([*diagnostics, *session.affinity_diagnostics()]))
