"""The keys of the object store that live states name, found in the raw text of their files.

So no kind of record can be forgotten, also one that a later mlgit has added. All live states of a repository are read:
of every name and target, its own and those that it has copies of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.diagnostics import user_error
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.git.command import GitError
from reconciler.git.history import commit_times, list_file_blobs
from reconciler.git.refs import list_refs
from reconciler.git.repository import Repository
from reconciler.git.trees import MissingObjectError, list_files, read_blobs
from reconciler.state import codec, paths

_KEY = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?:\.dir)?(?![0-9a-f])")
_TOKEN = re.compile(rb'"token"\s*:\s*"([^"\\]+)"')
_REFS = ("refs/mlgit/", "refs/mlgit-remote/", "refs/mlgit-known/")
_LIVE = re.compile(r"/live(-before/[0-9a-f]+)?$")
_BATCH = 2000  # files that are in memory at once
_FILE_SUFFIX = ".json"


class UnfinishedRun(NamedTuple):
    """A run whose end is not recorded, when it was submitted, and the tokens in its record."""

    id: str
    submitted_at: str
    tokens: frozenset[str] = frozenset()


class Forgotten(NamedTuple):
    """The keys and the tokens of runs that live states once had."""

    keys: frozenset[str]
    tokens: frozenset[str]


@dataclass(slots=True)
class RecordedKeys:
    """What live states name: keys by the folder and kind of the record, those of earlier commits apart.

    ``tokens`` are those of all runs, ``lineages`` those of the states that were read.
    """

    current: dict[str, set[str]] = field(default_factory=dict)
    earlier: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    unfinished: list[UnfinishedRun] = field(default_factory=list)
    lineages: set[str] = field(default_factory=set)

    def add_current(self, path: str, raw: bytes) -> None:
        """Add a file of a live state as it is now."""
        self.current.setdefault(_kind_of(path), set()).update(find_keys(raw))
        self.tokens |= find_tokens(raw)

    def add_earlier(self, raw: bytes) -> None:
        """Add a file that an earlier commit has."""
        self.earlier |= find_keys(raw)
        self.tokens |= find_tokens(raw)


def find_keys(raw: bytes) -> frozenset[str]:
    """Return everything in a text that has the form of a key of a store."""
    return frozenset(match.decode() for match in _KEY.findall(raw))


def find_tokens(raw: bytes) -> frozenset[str]:
    """Return the tokens of runs in a text."""
    return frozenset(match.decode("utf-8", "replace") for match in _TOKEN.findall(raw))


def read_recorded_keys(repository: Repository, since: float) -> RecordedKeys:
    """Return what all live states of a repository name, and their commits since a time, in seconds since 1970.

    The commit that was the newest at that time counts, too. Raises UserError ``state-corrupt`` for a run or meta data
    that cannot be read, and ``state-incomplete`` for what the repository lacks.
    """
    keys, read = RecordedKeys(), set[str]()
    refs = _live_refs(repository)
    for ref, commit in refs.items():
        with _translate_errors(ref):
            files = list_files(repository, commit)
            for path, raw in _read_files(repository, {path: entry.oid for path, entry in files.items()}):
                keys.add_current(path, raw)
                _add_run_or_meta(keys, ref, path, raw)
            read |= {entry.oid for entry in files.values()}
    for ref, commit in refs.items():
        with _translate_errors(ref):
            oids = _earlier_files(repository, commit, since) - read
            for _, raw in _read_files(repository, {oid: oid for oid in oids}):
                keys.add_earlier(raw)
            read |= oids
    return keys


def read_forgotten(repository: Repository, since: float) -> Forgotten:
    """Return what commits of live states from before a time name. Raises UserError as `read_recorded_keys`."""
    oids: set[str] = set()
    for ref, commit in _live_refs(repository).items():
        with _translate_errors(ref):
            boundary = _newest_commit_before(repository, commit, since)
            oids |= list_file_blobs(repository, boundary, _FILE_SUFFIX) if boundary else set()
    keys: set[str] = set()
    tokens: set[str] = set()
    for _, raw in _read_files(repository, {oid: oid for oid in oids}):
        keys |= find_keys(raw)
        tokens |= find_tokens(raw)
    return Forgotten(frozenset(keys), frozenset(tokens))


def _live_refs(repository: Repository) -> Mapping[str, str]:
    """Return the refs of all live states, and of copies that were kept of one; each commit once."""
    commits = {
        commit: ref
        for prefix in _REFS
        for ref, commit in list_refs(repository, prefix).items()
        if _LIVE.search(ref) is not None
    }
    return {ref: commit for commit, ref in commits.items()}


def _earlier_files(repository: Repository, commit: str, since: float) -> set[str]:
    """Return the files of the commits since a time, and of the one before them."""
    boundary = _newest_commit_before(repository, commit, since)
    older = {entry.oid for entry in list_files(repository, boundary).values()} if boundary else set()
    return older | list_file_blobs(repository, commit, _FILE_SUFFIX, without=boundary)


def _newest_commit_before(repository: Repository, commit: str, since: float) -> str:
    """Return the first commit, from the newest on, such that it and all before it are from before a time; "" for none.

    So a clock that went wrong once makes the window longer, never shorter.
    """
    times = commit_times(repository, commit)
    count = max((index + 1 for index, (_, seconds) in enumerate(times) if seconds >= since), default=0)
    return times[count][0] if count < len(times) else ""


def _read_files(repository: Repository, oids: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield the content of files by name; of many, not all are in memory."""
    names = list(oids)
    for start in range(0, len(names), _BATCH):
        batch = names[start : start + _BATCH]
        raws = read_blobs(repository, [oids[name] for name in batch])
        yield from ((name, raws[oids[name]]) for name in batch)


def _kind_of(path: str) -> str:
    """Return the kind of the asset that a file is about, else the folder that it is in."""
    folder, _, rest = path.partition("/")
    address = paths.record_address(path)
    return address.kind if address else folder if rest else ""


def _add_run_or_meta(keys: RecordedKeys, ref: str, path: str, raw: bytes) -> None:
    """Note the lineage of a state, and a run that has not ended."""
    try:
        if path == paths.META_PATH:
            keys.lineages.add(codec.decode_meta(raw)["lineage"])
        elif not path.startswith(paths.CURRENT_PREFIX) and _is_runnable(_kind_of(path)):
            run = codec.decode_run_summary(raw)
            if run.is_unfinished:
                keys.unfinished.append(UnfinishedRun(run.id, run.submitted_at, find_tokens(raw)))
    except codec.DECODE_ERRORS as error:
        message = f"{path} of {ref} cannot be read, so what it needs is not known"
        raise user_error("state-corrupt", message, "run `mlgit state repair` to restore a good copy") from error


def _is_runnable(kind: str) -> bool:
    return kind in kinds() and kind_by_name(kind).is_runnable


@contextmanager
def _translate_errors(ref: str) -> Iterator[None]:
    try:
        yield
    except (GitError, MissingObjectError) as error:
        message = f"{ref} cannot be read as a whole: {error}"
        raise user_error(
            "state-incomplete", message, "run `mlgit state repair`, or use a clone that is complete"
        ) from error
