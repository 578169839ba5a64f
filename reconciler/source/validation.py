"""Many files checked at once: on every core, and with what earlier runs found out.

The files themselves are judged in `format`; here is only who reads which, and what is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.kinds import kinds
from reconciler.format.rules.workspace import twice, unknown
from reconciler.format.schemas import prepare
from reconciler.model import Address
from reconciler.source.disk import DiskFiles
from reconciler.source.memo import Memo
from reconciler.source.outline import Outline, Present, dump, load, outline
from reconciler.source.uncollected import uncollected
from reconciler.source.workers import cores, forked

_FEW = 64  # files that one process reads in less time than a second one takes to start
_CHUNK = 100  # neighbours have parts in common, which one process reads once
_SUGGESTIONS = 20  # how many dangling references are worth a search among all names


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking files: how many were ours, and everything that is wrong in them."""

    files: int
    diagnostics: tuple[Diagnostic, ...]


def check_files(files: DiskFiles, paths: Sequence[str], memo: Memo | None, *, one_workspace: bool) -> Checked:
    """Check files, each by itself and then together.

    ``one_workspace`` says that they belong together, so that none may declare what another does.
    """
    with uncollected():
        found = _outlines(files, paths, memo)
    claimed = [found[path] for path in paths if found[path].claimed]
    problems = [problem for each in claimed for problem in each.diagnostics]
    problems += _between(claimed, one_workspace=one_workspace)
    return Checked(len(claimed), tuple(dict.fromkeys(problems)))  # a file may be read for another one too


def _outlines(files: DiskFiles, paths: Sequence[str], memo: Memo | None) -> Mapping[str, Outline]:
    """Return the outlines of files by path; what is remembered is read only where it does not hold any more."""
    known = memo.load() if memo else {}
    lines: dict[str, str] = {}
    found = dict(_remembered(files, paths, known, lines))
    for path, line in _read(files, [path for path in paths if path not in found]):
        lines[path] = line
        found[path] = load(path, files.shown(path), line)
    if memo and lines:
        memo.save(lines.items())
    return found


def _remembered(
    files: DiskFiles, paths: Sequence[str], known: Mapping[str, str], renewed: dict[str, str]
) -> Iterator[tuple[str, Outline]]:
    """Yield what is remembered and holds; where files have the same bytes and newer times, that goes to ``renewed``."""
    present = Present(files)
    for path in paths:
        before = _known(path, files.shown(path), known)
        now = present.holds(before) if before else None
        if now is None:
            continue
        if now is not before:
            renewed[path] = dump(now)
        yield path, now


def _known(path: str, shown: str, known: Mapping[str, str]) -> Outline | None:
    """Read what is remembered of a file; what is no outline is not remembered."""
    with suppress(ValueError, TypeError, AttributeError):
        return load(path, shown, known[path]) if path in known else None
    return None


def _read(files: DiskFiles, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Read files, on every core where there are many; yield the outline of each as a line."""
    if len(paths) <= _FEW or cores() == 1:
        yield from ((path, dump(outline(files, path))) for path in paths)
        return
    prepare(kinds())  # once, before the processes part
    chunks = [paths[at : at + _CHUNK] for at in range(0, len(paths), _CHUNK)]
    with forked(_inherit, files) as pool:
        for chunk, lines in zip(chunks, pool.imap(_lines, chunks), strict=True):
            yield from zip(chunk, lines, strict=True)


_FILES: list[DiskFiles] = []  # what a forked process reads from; set once, when it begins


def _inherit(files: DiskFiles) -> None:
    _FILES.append(files)


def _lines(paths: Sequence[str]) -> list[str]:
    return [dump(outline(_FILES[0], path)) for path in paths]


def _between(outlines: Iterable[Outline], *, one_workspace: bool) -> Iterator[Diagnostic]:
    """Yield what is wrong between files: addresses that are declared twice, references that name nothing."""
    declared: dict[Address, Outline] = {}
    for each in outlines:
        if each.address is not None and declared.setdefault(each.address, each) is not each and one_workspace:
            yield twice(Span(each.path), each.address, declared[each.address].path)
    suggested = 0
    for each in outlines:
        for mention in each.mentions:
            if mention.address not in declared:
                suggested += 1
                names = declared if suggested <= _SUGGESTIONS else ()
                yield unknown(mention.text, mention.address, mention.span, names)
