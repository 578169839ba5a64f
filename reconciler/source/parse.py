"""Parse asset files of a Git tree or of a folder; ``source.parallel_parse`` is imported by name if there are many.

The result for a file follows from its content and from what else was read for it, such as the code that it names;
``ParsedFile.deps`` lists that, so a file is parsed again only if one of its dependencies has changed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from reconciler.format.assets import LoadedFile
from reconciler.format.document import Document
from reconciler.format.include import IncludeGlob
from reconciler.format.inlining import find_place
from reconciler.format.load import load_asset_file
from reconciler.format.output_assets import assets_of_outputs
from reconciler.model import Address, FileReader, Reference, Tree
from reconciler.source.dependencies import SourceFiles, trace_files
from reconciler.source.parsed_file import ParsedFile, ParsedReference

_SERIAL_LIMIT = 64  # files that one process parses in less time than a second one takes to start

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
    traced = trace_files(files, path, deps)
    loaded = load_asset_file(traced, path, glob, rules)
    display_path = files.display_path(path)
    if loaded is None:
        return ParsedFile(path, display_path, is_asset=False, deps=deps)
    if isinstance(files, Tree):
        asset, faulty, references = loaded.asset, loaded.faulty, tuple(_unlocated_references(loaded))
    else:
        asset, faulty, references = None, None, tuple(_located_references(loaded, traced))
    read = loaded.asset or loaded.faulty
    outputs = tuple(item.address for item in assets_of_outputs(read)) if read else ()
    return ParsedFile(
        path, display_path, True, loaded.address, asset, references, loaded.diagnostics, deps, faulty, outputs
    )


def _unlocated_references(loaded: LoadedFile) -> Iterator[ParsedReference]:
    addresses = dict.fromkeys(reference.address for reference in _references_of(loaded))
    yield from (ParsedReference(address) for address in addresses)


def _references_of(loaded: LoadedFile) -> Sequence[Reference]:
    """Return the references of a file, also if it has errors; what a URL refers to depends on other files."""
    asset = loaded.asset or loaded.faulty
    return [item for item in asset.references if item.address.name] if asset else []


def _located_references(loaded: LoadedFile, files: FileReader) -> Iterator[ParsedReference]:
    """Yield the references of a file with their spans, which may be in a file that it includes."""
    places: dict[tuple[Address, str, str], tuple[Document, dict[str, None]]] = {}
    for reference in _references_of(loaded):
        document, pointer = find_place(loaded.document, loaded.path, reference.pointer, files)
        pointers = places.setdefault((reference.address, reference.text, document.path), (document, {}))[1]
        pointers[pointer] = None
    for (address, text, _), (document, pointers) in places.items():
        yield from (ParsedReference(address, text, span) for span in document.spans_of(text, list(pointers)))


def parse_files(files: SourceFiles, candidates: Candidates, rules: Mapping[str, str], share: Share) -> list[ParsedFile]:
    """Parse files, in the given order.

    If there are many, ``share`` is called with their paths; what it returns is read by several processes.
    """
    if len(candidates) > _SERIAL_LIMIT:
        parallel = importlib.import_module("reconciler.source.parallel_parse")
        parsed_files: list[ParsedFile] | None = parallel.parse_in_parallel(candidates, rules, share)
        if parsed_files is not None:
            return parsed_files
    return [parse_file(files, path, glob, rules) for path, glob in candidates]
