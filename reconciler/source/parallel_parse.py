"""Parse many asset files in several processes, which are forked once the schemas are compiled."""

from __future__ import annotations

import copyreg
import gc
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from reconciler.diagnostics import Span
from reconciler.format.kinds import kinds
from reconciler.format.schemas import compile_schemas
from reconciler.model import Address
from reconciler.source.dependencies import SourceFiles
from reconciler.source.parse import Candidates, ForkableFiles, Share, parse_file
from reconciler.source.parsed_file import ParsedFile
from reconciler.source.workers import fork_pool, worker_count

_CHUNK_SIZE = 100  # neighbours often read the same files, which one process reads once


def parse_in_parallel(candidates: Candidates, rules: Mapping[str, str], share: Share) -> list[ParsedFile] | None:
    """Return the parsed files, in the given order; None if there is one core, or if the files cannot be shared."""
    shared = share(path for path, _ in candidates) if worker_count() > 1 else None
    if shared is None:
        return None
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


for _cls in (Address, Span):  # those that are dataclasses
    _pickle_by_fields(_cls)
copyreg.pickle(MappingProxyType, lambda mapping: (MappingProxyType, (dict(mapping),)))  # of fields by default
