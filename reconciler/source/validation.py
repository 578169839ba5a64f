"""Many files checked at once: on every core, and with what earlier runs found out.

The files themselves are judged in `format`; here is only who reads which, and what is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.kinds import kinds
from reconciler.format.rules.workspace import duplicate_address_diagnostic, unknown_reference_diagnostic
from reconciler.format.schemas import compile_schemas
from reconciler.model import Address
from reconciler.source.disk import DiskFiles
from reconciler.source.file_summary import DepChecker, FileSummary, dump_summary, load_summary, summarise_file
from reconciler.source.gc_pause import pause_gc
from reconciler.source.validation_cache import ValidationCache
from reconciler.source.workers import core_count, fork_pool

_SERIAL_LIMIT = 64  # files that one process reads in less time than a second one takes to start
_CHUNK_SIZE = 100  # neighbours have parts in common, which one process reads once
_MAX_SUGGESTIONS = 20  # how many dangling references are worth a search among all names


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of checking files: how many were ours, and everything that is wrong in them."""

    file_count: int
    diagnostics: tuple[Diagnostic, ...]


def check_files(
    files: DiskFiles, paths: Sequence[str], memo: ValidationCache | None, *, one_workspace: bool
) -> CheckResult:
    """Check files, each by itself and then together.

    ``one_workspace`` says that they belong together, so that none may declare what another does.
    """
    with pause_gc():
        found = _summarise_files(files, paths, memo)
    claimed = [found[path] for path in paths if found[path].is_asset]
    problems = [problem for file_summary in claimed for problem in file_summary.diagnostics]
    problems += _check_across_files(claimed, one_workspace=one_workspace)
    return CheckResult(len(claimed), tuple(dict.fromkeys(problems)))  # a file may be read for another one too


def _summarise_files(files: DiskFiles, paths: Sequence[str], memo: ValidationCache | None) -> Mapping[str, FileSummary]:
    """Return the outlines of files by path; what is remembered is read only where it does not hold any more."""
    known = memo.load() if memo else {}
    lines: dict[str, str] = {}
    found = dict(_valid_cached_summaries(files, paths, known, lines))
    for path, line in _summarise_uncached(files, [path for path in paths if path not in found]):
        lines[path] = line
        found[path] = load_summary(path, files.display_path(path), line)
    if memo and lines:
        memo.save(lines.items())
    return found


def _valid_cached_summaries(
    files: DiskFiles, paths: Sequence[str], known: Mapping[str, str], renewed: dict[str, str]
) -> Iterator[tuple[str, FileSummary]]:
    """Yield what is remembered and holds; where files have the same bytes and newer times, that goes to ``renewed``."""
    present = DepChecker(files)
    for path in paths:
        before = _load_cached(path, files.display_path(path), known)
        now = present.revalidate(before) if before else None
        if now is None:
            continue
        if now is not before:
            renewed[path] = dump_summary(now)
        yield path, now


def _load_cached(path: str, shown: str, known: Mapping[str, str]) -> FileSummary | None:
    """Read what is remembered of a file; what is no outline is not remembered."""
    with suppress(ValueError, TypeError, AttributeError):
        return load_summary(path, shown, known[path]) if path in known else None
    return None


def _summarise_uncached(files: DiskFiles, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Read files, on every core where there are many; yield the outline of each as a line."""
    if len(paths) <= _SERIAL_LIMIT or core_count() == 1:
        yield from ((path, dump_summary(summarise_file(files, path))) for path in paths)
        return
    compile_schemas(kinds())  # once, before the processes part
    chunks = [paths[at : at + _CHUNK_SIZE] for at in range(0, len(paths), _CHUNK_SIZE)]
    with fork_pool(_init_worker, files) as pool:
        for chunk, lines in zip(chunks, pool.imap(_summarise_chunk, chunks), strict=True):
            yield from zip(chunk, lines, strict=True)


_FORK_FILES: list[DiskFiles] = []  # what a forked process reads from; set once, when it begins


def _init_worker(files: DiskFiles) -> None:
    _FORK_FILES.append(files)


def _summarise_chunk(paths: Sequence[str]) -> list[str]:
    return [dump_summary(summarise_file(_FORK_FILES[0], path)) for path in paths]


def _check_across_files(outlines: Iterable[FileSummary], *, one_workspace: bool) -> Iterator[Diagnostic]:
    """Yield what is wrong between files: addresses that are declared twice, references that name nothing."""
    declared: dict[Address, FileSummary] = {}
    for outline in outlines:
        if (
            outline.address is not None
            and declared.setdefault(outline.address, outline) is not outline
            and one_workspace
        ):
            yield duplicate_address_diagnostic(Span(outline.path), outline.address, declared[outline.address].path)
    suggested = 0
    for file_summary in outlines:
        for mention in file_summary.references:
            if mention.address not in declared:
                suggested += 1
                names = declared if suggested <= _MAX_SUGGESTIONS else ()
                yield unknown_reference_diagnostic(mention.text, mention.address, mention.span, names)
