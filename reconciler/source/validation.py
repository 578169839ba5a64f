"""Many files checked at once: on every core, and with what earlier runs found out.

The files themselves are judged in `format`; here is only who reads which, and what is remembered.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format.kinds import kinds
from reconciler.format.rules.workspace import twice, unknown
from reconciler.format.schemas import prepare
from reconciler.model import Address, Files
from reconciler.source.memo import Memo
from reconciler.source.outline import Outline, digest, dump, load, outline, still_holds

_FEW = 64  # files that one process reads in less time than a second one takes to start
_CHUNK = 50
_SUGGESTIONS = 20  # how many dangling references are worth a search among all names


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking files: how many were ours, and everything that is wrong in them."""

    files: int
    diagnostics: tuple[Diagnostic, ...]


def check_files(files: Files, paths: Sequence[str], memo: Memo | None, *, one_workspace: bool) -> Checked:
    """Check files, each by itself and then together.

    ``one_workspace`` says that they belong together, so that none may declare what another does.
    """
    outlines = _outlines(files, paths, memo)
    claimed = [each for each in outlines if each.claimed]
    problems = [problem for each in claimed for problem in each.diagnostics]
    problems += _between(claimed, one_workspace=one_workspace)
    return Checked(len(claimed), tuple(dict.fromkeys(problems)))  # a file may be read for another one too


def _outlines(files: Files, paths: Sequence[str], memo: Memo | None) -> list[Outline]:
    if memo is None:
        return list(_read(files, paths))
    known = memo.load()
    digests = {path: digest(files.file(path)) for path in paths}
    found = dict(_remembered(files, digests, known))
    missing = [path for path in paths if path not in found]
    new = {each.path: each for each in _read(files, missing)}
    if new:
        memo.save((path, digests[path], dump(each)) for path, each in new.items())
    return [found.get(path) or new[path] for path in paths]


def _remembered(
    files: Files, digests: dict[str, str], known: Mapping[str, tuple[str, str]]
) -> Iterator[tuple[str, Outline]]:
    for path, seen in digests.items():
        if path in known and known[path][0] == seen:
            found = load(path, files.shown(path), known[path][1])
            if still_holds(found, files):
                yield path, found


def _read(files: Files, paths: Sequence[str]) -> Iterator[Outline]:
    """Read files, on every core where there are many."""
    if len(paths) <= _FEW or (cores := len(os.sched_getaffinity(0))) == 1:
        yield from (outline(files, path) for path in paths)
        return
    prepare(kinds())  # once, before the processes part
    gc.freeze()
    with multiprocessing.get_context("fork").Pool(cores, _inherit, [files]) as pool:
        yield from pool.imap(_outline, paths, chunksize=_CHUNK)


_FILES: list[Files] = []  # what a forked process reads from; set once, when it begins


def _inherit(files: Files) -> None:
    gc.disable()  # the process lives for a moment, and what it makes refers to nothing in a circle
    _FILES.append(files)


def _outline(path: str) -> Outline:
    return outline(_FILES[0], path)


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
