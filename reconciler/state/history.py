"""The history of the live state, read: what was done, which moment is meant, and what differs between two moments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import user_error
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.git import history
from reconciler.git.refs import Commit
from reconciler.git.repository import Repository
from reconciler.git.trees import read_blobs
from reconciler.model import Address, HistoryEntry, Record, ResourceDiff, Run, State, parse_address
from reconciler.state import codec
from reconciler.state import paths as layout
from reconciler.state.snapshot import Snapshot
from reconciler.state.store import StateStore
from reconciler.timestamps import format_timestamp, parse_timestamp

_FIRST_BATCH_SIZE = 64  # commits that are read at first to go steps back
_MAX_SEARCHED_COMMITS = 10_000  # commits among which the nearest one that was applied is looked for
_TILDE_REVISION = re.compile(r"~(\d*)")
_COMMIT_PREFIX = re.compile(r"[0-9a-f]{4,64}")
_TRAILER = re.compile(r"([a-z][a-z -]*): (.*)")
_DIRTY_SUFFIX = " with changes"


def format_trailers(by: str, source: str = "", *, changed: bool = False, plan: str = "") -> str:
    """Write what ends the message of a commit of the live state: whose it is, and what it follows from."""
    lines = {"source": f"{source}{_DIRTY_SUFFIX if changed else ''}" if source else "", "by": by, "plan": plan}
    return "\n".join(f"{name}: {value}" for name, value in lines.items() if value)


def history_entries(state: StateStore, live: State, limit: int, address: Address | None = None) -> list[HistoryEntry]:
    """Return what was done, newest first; with an address, what touched it, under its former names too."""
    if not live.commit:
        return []
    names = _current_and_former_addresses(live, address) if address else ()
    paths = [path for name in names for path in (layout.current_record_path(name), layout.history_folder(name))]
    found = (_parse_entry(commit) for commit in history.log_commits(state.repository, live.commit, limit, paths))
    return [_filter_entry_lines(entry, names) for entry in found]


def _current_and_former_addresses(live: State, address: Address) -> tuple[Address, ...]:
    record = live.current.get(address)
    return (address, *(parse_address(each) for each in (record.formerly if record else ())))


def _filter_entry_lines(deed: HistoryEntry, names: tuple[Address, ...]) -> HistoryEntry:
    """Leave out of a deed what it did to others; all of it stays where it names none of them."""
    mentioned = [re.compile(rf"(?<!\S){re.escape(str(address))}(?![^\s@])") for address in names]
    lines = tuple(line for line in deed.summary_lines if any(each.search(line) for each in mentioned))
    return HistoryEntry(
        **{name: getattr(deed, name) for name in HistoryEntry.__slots__}
        | {"summary_lines": lines or deed.summary_lines}
    )


def _parse_entry(commit: Commit) -> HistoryEntry:
    first, *rest = commit.message.split("\n\n")
    command, _, said = first.partition(": ")
    ends = _parse_trailers(rest[-1]) if rest else {}
    body = rest[:-1] if ends else rest
    source = ends.get("source", "")
    return HistoryEntry(
        commit.oid,
        commit.author,
        format_timestamp(parse_timestamp(commit.authored_at)),
        commit.message,
        command,
        first,
        tuple(line for each in body for line in each.splitlines()) or (said or first,),
        source.removesuffix(_DIRTY_SUFFIX),
        source.endswith(_DIRTY_SUFFIX),
        ends.get("by", ""),
        ends.get("plan", ""),
    )


def _parse_trailers(paragraph: str) -> Mapping[str, str]:
    found = [_TRAILER.fullmatch(line) for line in paragraph.splitlines()]
    return {each[1]: each[2] for each in found if each} if all(found) else {}


def apply_group_key(deed: HistoryEntry) -> str:
    """Return what the commits of one apply have in common; what was done by hand is a step of its own."""
    return f"{deed.source_commit} {deed.dirty} {deed.plan_digest}" if deed.plan_digest else deed.commit


def source_group_key(deed: HistoryEntry) -> str:
    """Return what the commits have in common while one source is in force; "" for those that leave it so."""
    return deed.source_commit


def read_state_at(
    state: StateStore, live: State, given: str, step: Callable[[HistoryEntry], str] = apply_group_key
) -> State:
    """Return the live state at a moment: ``~N`` steps back from now, a commit of its history, or a source commit.

    A step is an apply, however many commits it made, or what ``step`` says. Of a source commit it is the last moment
    that it was applied at. A UserError where nothing is meant by it.
    """
    return state.read(resolve_state_commit(state.repository, live.commit, given, step))


def resolve_state_commit(
    repository: Repository, tip: str, given: str, step: Callable[[HistoryEntry], str] = apply_group_key
) -> str:
    """Return the commit of the live state that is meant, behind the newest one; a UserError where none is."""
    back = _TILDE_REVISION.fullmatch(given)
    found = (
        (
            _commit_steps_back(repository, tip, int(back[1] or 1), step)
            if back
            else _commit_by_name(repository, tip, given)
        )
        if tip
        else ""
    )
    if not found:
        message = f"{given} is no moment of the live state, and no commit that was applied"
        hint = (not back and tip and _nearest_applied_hint(repository, tip, given)) or _REVISION_HINT
        raise user_error("moment-unknown", message, hint)
    return found


_REVISION_HINT = "`mlgit log` lists the moments, with the source of each; ~1 is what was before the last apply"


def _commit_steps_back(repository: Repository, tip: str, steps: int, step: Callable[[HistoryEntry], str]) -> str:
    """Return the newest commit of the step that lies so many steps back, "" where there are not as many."""
    limit = _FIRST_BATCH_SIZE
    while True:
        found = list(history.log_commits(repository, tip, limit))
        heads = _group_heads(found, step)
        if steps < len(heads):
            return heads[steps]
        if len(found) < limit:
            return ""
        limit *= 4


def _group_heads(found: list[Commit], step: Callable[[HistoryEntry], str]) -> list[str]:
    """Return the newest commit of each step, newest first; what belongs to none belongs to the one before it."""
    heads: list[str] = []
    last, newest = "", ""
    for commit in found:
        newest = newest or commit.oid
        if key := step(_parse_entry(commit)):
            if key != last:
                heads.append(newest)
            last, newest = key, ""
    return heads


def _commit_by_name(repository: Repository, tip: str, given: str) -> str:
    named = repository.resolve(given)
    if _COMMIT_PREFIX.fullmatch(given) and named and repository.is_ancestor(named, tip):
        return named
    return next((commit.oid for commit in _commits_with_line(repository, tip, f"source: {named}")), "") if named else ""


def _nearest_applied_hint(repository: Repository, tip: str, given: str) -> str:
    """Name the commit that was applied and is nearest behind one that was not."""
    named = repository.resolve(given)
    applied = (
        {_parse_entry(commit).source_commit for commit in history.log_commits(repository, tip, _MAX_SEARCHED_COMMITS)}
        if named
        else set()
    )
    nearest = (
        next((ancestor for ancestor in repository.list_ancestors(named) if ancestor in applied), "") if named else ""
    )
    return f"the nearest commit before it that was applied is {abbreviate_id(nearest)}" if nearest else ""


def _commits_with_line(repository: Repository, tip: str, line: str) -> Iterator[Commit]:
    return history.log_commits(repository, tip, 1, said=line)


def applied_source_commit(state: StateStore, then: State) -> str:
    """Return the source commit in force at a moment; a UserError where none was, or no commit has exactly that tree."""
    last = (
        next((_parse_entry(commit) for commit in _commits_with_line(state.repository, then.commit, "source: ")), None)
        if then.commit
        else None
    )
    if not then.applied_commit or last is None:
        raise user_error(
            "moment-unknown", f"nothing had been applied at {abbreviate_id(then.commit)}", "see `mlgit log`"
        )
    if last.dirty:
        message = (
            f"what was in force at {abbreviate_id(then.commit)} came from a work tree with changes that no branch has"
        )
        hint = "`mlgit log` lists other moments; `mlgit show ADDRESS` names the commit that keeps those files"
        raise user_error("moment-changed", message, hint)
    if not state.repository.resolve(then.applied_commit):
        message = f"commit {abbreviate_id(then.applied_commit)}, which was in force then, is not in this clone"
        raise user_error("source-missing", message, "`git fetch --all` may bring it; so does `git fetch --unshallow`")
    return then.applied_commit


@dataclass(frozen=True, slots=True)
class _DiffSide:
    """The files that differ, as they are at one of the two moments."""

    snapshot: Snapshot
    raw_by_path: Mapping[str, bytes]

    def record(self, path: str) -> Record | None:
        raw = self.raw_by_path.get(path)
        return self.snapshot.parse_file(path, raw, codec.decode_record) if raw is not None else None

    def run(self, path: str) -> Run | None:
        raw = self.raw_by_path.get(path)
        return self.snapshot.parse_file(path, raw, codec.decode_run) if raw is not None else None


def compare_states(state: StateStore, before: State, after: State) -> tuple[ResourceDiff, ...]:
    """Return what differs between two moments, by address; costs what differs, not what there is."""
    changed = history.changed_blobs(state.repository, before.commit, after.commit)
    raws = read_blobs(state.repository, {oid for pair in changed.values() for oid in pair if oid})
    sides = tuple(
        _DiffSide(
            Snapshot(state.repository, state.live_ref, live.commit),
            {path: raws[pair[place]] for path, pair in changed.items() if pair[place]},
        )
        for place, live in enumerate((before, after))
    )
    addresses: dict[Address, list[str]] = {}
    for path in changed:
        if path != layout.META_PATH and (address := _address_of_path(path, sides)):
            addresses.setdefault(address, []).append(path)
    return tuple(_resource_diff(address, paths, before, after, sides) for address, paths in sorted(addresses.items()))


def _address_of_path(path: str, sides: tuple[_DiffSide, ...]) -> Address | None:
    found = layout.current_record_address(path)
    if found is not None or path.startswith(layout.CURRENT_PREFIX):
        return found
    read = _DiffSide.run if _is_run_path(path) else _DiffSide.record
    return next((each.address for side in sides if (each := read(side, path))), None)


def _is_run_path(path: str) -> bool:
    kind = path.split("/")[1]
    return kind in kinds() and kind_by_name(kind).is_runnable


def _resource_diff(
    address: Address, paths: list[str], before: State, after: State, sides: tuple[_DiffSide, ...]
) -> ResourceDiff:
    older = [path for path in paths if not path.startswith(layout.CURRENT_PREFIX)]
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
