"""Parse asset files of a Git tree or of a folder, in several processes if there are many files.

The result for a file follows from its content and from what else was read for it, such as the code that it names;
``ParsedFile.deps`` lists that, so a file is parsed again only if one of its dependencies has changed.
"""

from __future__ import annotations

import copyreg
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.assets import LoadedFile
from reconciler.format.include import IncludeGlob
from reconciler.format.kinds import kinds
from reconciler.format.load import load_asset_file
from reconciler.format.schemas import compile_schemas
from reconciler.model import Address, Asset, LocalPath, Reference, Tree
from reconciler.source.dependencies import SourceFiles, trace_files
from reconciler.source.parsed_file import ParsedFile, ParsedReference
from reconciler.source.workers import fork_pool, worker_count

_SERIAL_LIMIT = 64  # files that one process parses in less time than a second one takes to start
_CHUNK_SIZE = 100  # neighbours often read the same files, which one process reads once

Candidates = Sequence[tuple[str, IncludeGlob]]


class ForkableFiles(Protocol):
    """Files that several processes can read from."""

    def open_after_fork(self) -> SourceFiles:
        """Return the files for this process, which was forked from the one that has them open."""
        ...


Share = Callable[[Iterable[str]], ForkableFiles | None]


def parse_file(files: SourceFiles, path: str, glob: IncludeGlob, rules: Mapping[str, str]) -> ParsedFile:
    """Parse one file. With files of a tree the result has the asset; with those of a folder, the spans of references.

    ``rules`` are the severities that mlgit.yml sets.
    """
    deps: dict[str, str] = {}
    loaded = load_asset_file(trace_files(files, path, deps), path, glob, rules)
    display_path = files.display_path(path)
    if loaded is None:
        return ParsedFile(path, display_path, is_asset=False, deps=deps)
    asset = loaded.asset if isinstance(files, Tree) else None
    references = _unlocated_references(loaded) if isinstance(files, Tree) else _located_references(loaded)
    return ParsedFile(path, display_path, True, loaded.address, asset, tuple(references), loaded.diagnostics, deps)


def _unlocated_references(loaded: LoadedFile) -> Iterator[ParsedReference]:
    references = loaded.asset.references if loaded.asset else ()
    yield from (ParsedReference(address) for address in dict.fromkeys(reference.address for reference in references))


def _located_references(loaded: LoadedFile) -> Iterator[ParsedReference]:
    pointers_by_text: dict[tuple[Address, str], list[str]] = {}
    for reference in loaded.asset.references if loaded.asset else ():
        pointers_by_text.setdefault((reference.address, reference.text), []).append(reference.pointer)
    for (address, text), pointers in pointers_by_text.items():
        yield from (ParsedReference(address, text, span) for span in loaded.document.spans_of(text, pointers))


def parse_files(files: SourceFiles, candidates: Candidates, rules: Mapping[str, str], share: Share) -> list[ParsedFile]:
    """Parse files, in the given order.

    If there are many, ``share`` is called with their paths; what it returns is read by several processes.
    """
    is_parallel = len(candidates) > _SERIAL_LIMIT and worker_count() > 1
    shared = share(path for path, _ in candidates) if is_parallel else None
    if shared is None:
        return [parse_file(files, path, glob, rules) for path, glob in candidates]
    compile_schemas(kinds())  # once, before the processes are forked
    gc.freeze()
    chunks = [candidates[start : start + _CHUNK_SIZE] for start in range(0, len(candidates), _CHUNK_SIZE)]
    with fork_pool(_init_worker, shared, rules) as pool:
        return [parsed for chunk in pool.imap(_parse_chunk, chunks) for parsed in chunk]


_WORKER_INPUTS: list[tuple[SourceFiles, Mapping[str, str]]] = []  # of a forked process; set once, when it starts


def _init_worker(shared: ForkableFiles, rules: Mapping[str, str]) -> None:
    gc.disable()  # the process is short-lived, and what it makes has no reference cycles
    _WORKER_INPUTS.append((shared.open_after_fork(), rules))


def _parse_chunk(candidates: Candidates) -> list[ParsedFile]:
    files, rules = _WORKER_INPUTS[0]
    return [parse_file(files, path, glob, rules) for path, glob in candidates]


def _pickle_by_fields(cls: type[Any]) -> None:
    """Pickle the instances of a class by their fields, which takes a third of the time."""
    names = [field.name for field in fields(cls)]
    copyreg.pickle(cls, lambda value: (cls, tuple(getattr(value, name) for name in names)))


for _cls in (ParsedFile, ParsedReference, Asset, Address, Reference, LocalPath, Diagnostic, Span):
    _pickle_by_fields(_cls)
