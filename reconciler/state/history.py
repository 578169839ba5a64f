"""The history of the live state: its entries, the commit that a revision names, and the changes between two commits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import user_error
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.git.history import changed_blobs, log_commits
from reconciler.git.refs import Commit
from reconciler.git.repository import Repository
from reconciler.git.trees import read_blobs
from reconciler.model import Address, HistoryEntry, Record, ResourceDiff, Run, State, parse_address
from reconciler.state import codec
from reconciler.state.paths import (
    CURRENT_PREFIX,
    UNFINISHED_PREFIX,
    current_record_address,
    current_record_path,
    experiments_folder,
    history_folder,
    is_merged,
)
from reconciler.state.snapshot import Snapshot
from reconciler.state.store import StateStore
from reconciler.timestamps import format_timestamp, parse_timestamp

_FIRST_BATCH_SIZE = 64  # commits that are read first to count steps
_MAX_SEARCHED_COMMITS = 10_000  # in which the nearest applied commit is looked for
_TILDE_REVISION = re.compile(r"~(\d*)")
_COMMIT_PREFIX = re.compile(r"[0-9a-f]{4,64}")
_TRAILER = re.compile(r"([a-z][a-z -]*): (.*)")
_DIRTY_SUFFIX = " with changes"


def format_trailers(by: str, source: str = "", *, changed: bool = False, plan: str = "") -> str:
    """Return the trailers of a commit message of the live state: source commit, author and plan."""
    lines = {"source": f"{source}{_DIRTY_SUFFIX if changed else ''}" if source else "", "by": by, "plan": plan}
    return "\n".join(f"{name}: {value}" for name, value in lines.items() if value)


def history_entries(store: StateStore, state: State, limit: int, address: Address | None = None) -> list[HistoryEntry]:
    """Return the entries, newest first; with an address those that changed it, also under its former names."""
    if not state.commit:
        return []
    names = _current_and_former_addresses(state, address) if address else ()
    paths = [
        path for name in names for path in (current_record_path(name), history_folder(name), experiments_folder(name))
    ]
    entries = [_parse_entry(commit) for commit in log_commits(store.repository, state.commit, limit, paths)]
    oldest = entries[-1].commit if entries else state.commit
    steps = _count_steps(store.repository, state.commit, lambda steps: oldest in steps)
    return [_filter_entry_lines(entry, names)._replace(step=steps[entry.commit]) for entry in entries]


def _current_and_former_addresses(state: State, address: Address) -> tuple[Address, ...]:
    record = state.current.get(address)
    return (address, *map(parse_address, record.formerly if record else ()))


def _filter_entry_lines(entry: HistoryEntry, names: tuple[Address, ...]) -> HistoryEntry:
    """Keep the lines of an entry that name one of the addresses, or all if none does."""
    mentioned = [re.compile(rf"(?<!\S){re.escape(str(address))}(?![^\s@])") for address in names]
    lines = tuple(line for line in entry.summary_lines if any(pattern.search(line) for pattern in mentioned))
    return entry._replace(summary_lines=lines or entry.summary_lines)


def _parse_entry(commit: Commit) -> HistoryEntry:
    first, *rest = commit.message.split("\n\n")
    command, _, summary = first.partition(": ")
    trailers = _parse_trailers(rest[-1]) if rest else {}
    body = rest[:-1] if trailers else rest
    source = trailers.get("source", "")
    return HistoryEntry(
        commit.oid,
        commit.author,
        format_timestamp(parse_timestamp(commit.authored_at)),
        commit.message,
        command,
        first,
        tuple(line for paragraph in body for line in paragraph.split("\n")) or (summary or first,),
        source.removesuffix(_DIRTY_SUFFIX),
        source.endswith(_DIRTY_SUFFIX),
        trailers.get("by", ""),
        trailers.get("plan", ""),
    )


def _parse_trailers(paragraph: str) -> Mapping[str, str]:
    matches = [_TRAILER.fullmatch(line) for line in paragraph.split("\n")]
    return {match[1]: match[2] for match in matches if match} if all(matches) else {}


def read_state_at(store: StateStore, state: State, revision: str) -> State:
    """Return the live state at a revision: ``~N`` applies ago, a commit of its history, or a source commit.

    An apply is one step, however many commits it made, and so is a change by hand. Before the first apply the state is
    empty. A source commit stands for the last time that it was applied. Raises UserError ``revision-unknown``.
    """
    commit = _find_commit(store.repository, state.commit, revision)
    return store.read(commit) if commit else State(state.lineage, {}, lambda *_: None, lambda *_: None)


def resolve_state_commit(repository: Repository, tip: str, revision: str) -> str:
    """Return the commit of the live state that a revision names. Raises UserError ``revision-unknown``."""
    commit = _find_commit(repository, tip, revision)
    if not commit:
        message = f"{revision} is before the first apply: there is no commit"
        raise user_error("revision-unknown", message, _REVISION_HINT)
    return commit


_REVISION_HINT = "run `mlgit log` to list the commits with their sources; ~1 is the state before the last apply"


def _find_commit(repository: Repository, tip: str, revision: str) -> str:
    """Return the commit that a revision names, "" if it is the moment before the first apply."""
    tilde = _TILDE_REVISION.fullmatch(revision)
    if tilde and tip:
        return _commit_steps_back(repository, tip, int(tilde[1] or 1))
    commit = _commit_by_name(repository, tip, revision) if tip and not tilde else ""
    if not commit:
        message = f"{revision} is not a commit of the live state, and not a commit that was applied"
        hint = (not tilde and tip and _nearest_applied_hint(repository, tip, revision)) or _REVISION_HINT
        raise user_error("revision-unknown", message, hint)
    return commit


def _commit_steps_back(repository: Repository, tip: str, count: int) -> str:
    """Return the newest commit that is a number of steps back, "" before the first. Raises UserError."""
    steps = _count_steps(repository, tip, lambda steps: count in steps.values())
    commit = next((commit for commit, step in steps.items() if step == count), "")
    if not commit and count > (first := max(steps.values()) + 1):
        raise user_error(
            "revision-unknown", f"~{count} does not exist: ~{first} is before the first apply", _REVISION_HINT
        )
    return commit


def _count_steps(repository: Repository, tip: str, is_enough: Callable[[Mapping[str, int]], bool]) -> Mapping[str, int]:
    """Return how many steps back each commit is, newest first; of a long history only as many as are enough."""
    limit = _FIRST_BATCH_SIZE
    while True:
        commits = list(log_commits(repository, tip, limit))
        keys = [_apply_key(_parse_entry(commit)) for commit in commits]
        changes = accumulate(int(key != last) for last, key in pairwise([keys[0], *keys]))
        steps = {commit.oid: step for commit, step in zip(commits, changes, strict=True)}
        if is_enough(steps) or len(commits) < limit:
            return steps
        limit *= 4


def _apply_key(entry: HistoryEntry) -> str:
    """Return what the entries of one apply have in common; a change by hand is a step of its own."""
    return f"{entry.source_commit} {entry.dirty} {entry.plan_digest}" if entry.plan_digest else entry.commit


def last_step_of_another_source(store: StateStore, state: State) -> str:
    """Return the newest ``~N`` at which another source commit was applied than is now, "" for none."""
    entries = map(_parse_entry, log_commits(store.repository, state.commit, _MAX_SEARCHED_COMMITS))
    others = (entry.commit for entry in entries if entry.source_commit not in {"", state.applied_commit})
    other = next(others, "")
    return f"~{_count_steps(store.repository, state.commit, lambda steps: other in steps)[other]}" if other else ""


def _commit_by_name(repository: Repository, tip: str, revision: str) -> str:
    named = repository.resolve(revision)
    if _COMMIT_PREFIX.fullmatch(revision) and named and repository.is_ancestor(named, tip):
        return named
    return next((commit.oid for commit in _commits_with_line(repository, tip, f"source: {named}")), "") if named else ""


def _nearest_applied_hint(repository: Repository, tip: str, revision: str) -> str:
    """Return a hint with the nearest ancestor of a commit that was applied; "" for none."""
    named = repository.resolve(revision)
    if not named:
        return ""
    applied = {_parse_entry(commit).source_commit for commit in log_commits(repository, tip, _MAX_SEARCHED_COMMITS)}
    nearest = next((ancestor for ancestor in repository.list_ancestors(named) if ancestor in applied), "")
    return f"the nearest ancestor that was applied is {abbreviate_id(nearest)}" if nearest else ""


def _commits_with_line(repository: Repository, tip: str, line: str) -> Iterator[Commit]:
    return log_commits(repository, tip, 1, line=line)


def applied_source_commit(store: StateStore, state: State) -> str:
    """Return the source commit of a state.

    Raises UserError ``revision-unknown`` if it has none, ``revision-changed`` if no commit has exactly its files,
    ``source-missing``.
    """
    last = (
        next((_parse_entry(commit) for commit in _commits_with_line(store.repository, state.commit, "source: ")), None)
        if state.commit
        else None
    )
    if not state.applied_commit or last is None:
        moment = abbreviate_id(state.commit) or "the first apply"
        raise user_error("revision-unknown", f"nothing was applied before {moment}", "see `mlgit log`")
    if last.dirty:
        message = f"the state at {abbreviate_id(state.commit)} was applied from a work tree with uncommitted changes"
        hint = "choose another commit of `mlgit log`; `mlgit show ADDRESS` names the commit that keeps those files"
        raise user_error("revision-changed", message, hint)
    if not store.repository.resolve(state.applied_commit):
        message = f"commit {abbreviate_id(state.applied_commit)}, which was applied, is not in this clone"
        raise user_error("source-missing", message, "run `git fetch --all` or `git fetch --unshallow`")
    return state.applied_commit


@dataclass(frozen=True, slots=True)
class _DiffSide:
    """The files that differ, as one of the two states has them."""

    snapshot: Snapshot
    raw_by_path: Mapping[str, bytes]

    def record(self, path: str) -> Record | None:
        raw = self.raw_by_path.get(path)
        return self.snapshot.parse_file(path, raw, codec.decode_record) if raw is not None else None

    def run(self, path: str) -> Run | None:
        raw = self.raw_by_path.get(path)
        return self.snapshot.parse_file(path, raw, codec.decode_run) if raw is not None else None


def compare_states(store: StateStore, before: State, after: State) -> tuple[ResourceDiff, ...]:
    """Return what differs between two states, by address; the cost is that of the differences."""
    changed = changed_blobs(store.repository, before.commit, after.commit)
    raws = read_blobs(store.repository, {oid for pair in changed.values() for oid in pair if oid})
    sides = tuple(
        _DiffSide(
            Snapshot(store.repository, store.live_ref, state.commit),
            {path: raws[pair[side]] for path, pair in changed.items() if pair[side]},
        )
        for side, state in enumerate((before, after))
    )
    addresses: dict[Address, list[str]] = {}
    for path in changed:
        if (
            not is_merged(path)
            and not path.startswith(UNFINISHED_PREFIX)
            and (address := _address_of_path(path, sides))
        ):
            addresses.setdefault(address, []).append(path)
    return tuple(_resource_diff(address, paths, before, after, sides) for address, paths in sorted(addresses.items()))


def _address_of_path(path: str, sides: tuple[_DiffSide, ...]) -> Address | None:
    address = current_record_address(path)
    if address is not None or path.startswith(CURRENT_PREFIX):
        return address
    decode = _DiffSide.run if _is_run_path(path) else _DiffSide.record
    return next((record.address for side in sides if (record := decode(side, path))), None)


def _is_run_path(path: str) -> bool:
    kind = path.split("/")[1]
    return kind in kinds() and kind_by_name(kind).is_runnable


def _resource_diff(
    address: Address, paths: list[str], before: State, after: State, sides: tuple[_DiffSide, ...]
) -> ResourceDiff:
    older = [path for path in paths if not path.startswith(CURRENT_PREFIX)]
    old, new = sides
    runs = [(old.run(path), new.run(path)) for path in older if _is_run_path(path)]
    versions = [(old.record(path), new.record(path)) for path in older if not _is_run_path(path)]
    return ResourceDiff(
        address,
        before.current.get(address),
        after.current.get(address),
        tuple(sorted(versions, key=lambda pair: max(record.seq for record in pair if record))),
        tuple(sorted(runs, key=lambda pair: max((run.submitted_at, run.attempt) for run in pair if run))),
    )
