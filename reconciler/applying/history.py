"""The history of the live state, read: what was done, which moment is meant, and what differs between two moments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.diagnostics import failure
from reconciler.format.kinds import kind_named, kinds
from reconciler.git import history as commits
from reconciler.git.refs import Moment
from reconciler.git.repository import Repository
from reconciler.git.trees import blobs
from reconciler.live import codec, layout
from reconciler.live.reading import Snapshot
from reconciler.live.state import State
from reconciler.model import Address, Deed, Difference, Live, Record, Run, address_of

_SHORT = 10
_FIRST_LOOK = 64  # commits that are read at first to go steps back
_MANY = 10_000  # commits among which the nearest one that was applied is looked for
_BACK = re.compile(r"~(\d*)")
_HEXADECIMAL = re.compile(r"[0-9a-f]{4,64}")
_TRAILER = re.compile(r"([a-z][a-z -]*): (.*)")
_CHANGED = " with changes"


def trailers(by: str, source: str = "", *, changed: bool = False, plan: str = "") -> str:
    """Write what ends the message of a commit of the live state: whose it is, and what it follows from."""
    lines = {"source": f"{source}{_CHANGED if changed else ''}" if source else "", "by": by, "plan": plan}
    return "\n".join(f"{name}: {value}" for name, value in lines.items() if value)


def deeds(state: State, live: Live, limit: int, address: Address | None = None) -> list[Deed]:
    """Return what was done, newest first; with an address, what touched it, under its former names too."""
    if not live.commit:
        return []
    names = _names(live, address) if address else ()
    paths = [path for each in names for path in (layout.current(each), layout.history_of(each))]
    found = (_deed(each) for each in commits.commits(state.repository, live.commit, limit, paths))
    return [_about(each, names) for each in found]


def _names(live: Live, address: Address) -> tuple[Address, ...]:
    record = live.current.get(address)
    return (address, *(address_of(each) for each in (record.formerly if record else ())))


def _about(deed: Deed, names: tuple[Address, ...]) -> Deed:
    """Leave out of a deed what it did to others; all of it stays where it names none of them."""
    mentioned = [re.compile(rf"(?<!\S){re.escape(str(each))}(?![^\s@])") for each in names]
    lines = tuple(line for line in deed.done if any(each.search(line) for each in mentioned))
    return Deed(**{name: getattr(deed, name) for name in Deed.__slots__} | {"done": lines or deed.done})


def _deed(commit: Moment) -> Deed:
    first, *rest = commit.message.split("\n\n")
    command, _, said = first.partition(": ")
    ends = _trailers(rest[-1]) if rest else {}
    body = rest[:-1] if ends else rest
    source = ends.get("source", "")
    return Deed(
        commit.commit,
        commit.author,
        _in_utc(commit.when),
        commit.message,
        command,
        first,
        tuple(line for each in body for line in each.splitlines()) or (said or first,),
        source.removesuffix(_CHANGED),
        source.endswith(_CHANGED),
        ends.get("by", ""),
        ends.get("plan", ""),
    )


def _in_utc(when: str) -> str:
    """Write a time as all others are; Git has it in the zone of whoever made the commit."""
    return datetime.fromisoformat(when).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _trailers(paragraph: str) -> Mapping[str, str]:
    found = [_TRAILER.fullmatch(line) for line in paragraph.splitlines()]
    return {each[1]: each[2] for each in found if each} if all(found) else {}


def step_of_apply(deed: Deed) -> str:
    """Return what the commits of one apply have in common; what was done by hand is a step of its own."""
    return f"{deed.source} {deed.changed} {deed.plan}" if deed.plan else deed.commit


def step_of_source(deed: Deed) -> str:
    """Return what the commits have in common while one source is in force; "" for those that leave it so."""
    return deed.source


def moment(state: State, live: Live, given: str, step: Callable[[Deed], str] = step_of_apply) -> Live:
    """Return the live state at a moment: ``~N`` steps back from now, a commit of its history, or a source commit.

    A step is an apply, however many commits it made, or what ``step`` says. Of a source commit it is the last moment
    that it was applied at. A UserError where nothing is meant by it.
    """
    return state.read(commit_at(state.repository, live.commit, given, step))


def commit_at(repository: Repository, tip: str, given: str, step: Callable[[Deed], str] = step_of_apply) -> str:
    """Return the commit of the live state that is meant, behind the newest one; a UserError where none is."""
    back = _BACK.fullmatch(given)
    found = (_back(repository, tip, int(back[1] or 1), step) if back else _named(repository, tip, given)) if tip else ""
    if not found:
        message = f"{given} is no moment of the live state, and no commit that was applied"
        hint = (not back and tip and _nearest(repository, tip, given)) or _MOMENTS
        raise failure("moment-unknown", message, hint)
    return found


_MOMENTS = "`mlgit log` lists the moments, with the source of each; ~1 is what was before the last apply"


def _back(repository: Repository, tip: str, steps: int, step: Callable[[Deed], str]) -> str:
    """Return the newest commit of the step that lies so many steps back, "" where there are not as many."""
    limit = _FIRST_LOOK
    while True:
        found = list(commits.commits(repository, tip, limit))
        heads = _heads(found, step)
        if steps < len(heads):
            return heads[steps]
        if len(found) < limit:
            return ""
        limit *= 4


def _heads(found: list[Moment], step: Callable[[Deed], str]) -> list[str]:
    """Return the newest commit of each step, newest first; what belongs to none belongs to the one before it."""
    heads: list[str] = []
    last, newest = "", ""
    for each in found:
        newest = newest or each.commit
        if key := step(_deed(each)):
            if key != last:
                heads.append(newest)
            last, newest = key, ""
    return heads


def _named(repository: Repository, tip: str, given: str) -> str:
    named = repository.resolve(given)
    if _HEXADECIMAL.fullmatch(given) and named and repository.is_ancestor(named, tip):
        return named
    return next((each.commit for each in _saying(repository, tip, f"source: {named}")), "") if named else ""


def _nearest(repository: Repository, tip: str, given: str) -> str:
    """Name the commit that was applied and is nearest behind one that was not."""
    named = repository.resolve(given)
    applied = {_deed(each).source for each in commits.commits(repository, tip, _MANY)} if named else set()
    nearest = next((each for each in repository.behind(named) if each in applied), "") if named else ""
    return f"the nearest commit before it that was applied is {nearest[:_SHORT]}" if nearest else ""


def _saying(repository: Repository, tip: str, line: str) -> Iterator[Moment]:
    return commits.commits(repository, tip, 1, said=line)


def applied_by(state: State, then: Live) -> str:
    """Return the source commit in force at a moment; a UserError where none was, or no commit has exactly that tree."""
    last = (
        next((_deed(each) for each in _saying(state.repository, then.commit, "source: ")), None)
        if then.commit
        else None
    )
    if not then.applied or last is None:
        raise failure("moment-unknown", f"nothing had been applied at {then.commit[:_SHORT]}", "see `mlgit log`")
    if last.changed:
        message = f"what was in force at {then.commit[:_SHORT]} came from a work tree with changes that no branch has"
        hint = "`mlgit log` lists other moments; `mlgit show ADDRESS` names the commit that keeps those files"
        raise failure("moment-changed", message, hint)
    if not state.repository.resolve(then.applied):
        message = f"commit {then.applied[:_SHORT]}, which was in force then, is not in this clone"
        raise failure("source-missing", message, "`git fetch --all` may bring it; so does `git fetch --unshallow`")
    return then.applied


@dataclass(frozen=True, slots=True)
class _Side:
    """The files that differ, as they are at one of the two moments."""

    snapshot: Snapshot
    raws: Mapping[str, bytes]

    def record(self, path: str) -> Record | None:
        raw = self.raws.get(path)
        return self.snapshot.parsed(path, raw, codec.record) if raw is not None else None

    def run(self, path: str) -> Run | None:
        raw = self.raws.get(path)
        return self.snapshot.parsed(path, raw, codec.run) if raw is not None else None


def compare(state: State, before: Live, after: Live) -> tuple[Difference, ...]:
    """Return what differs between two moments, by address; costs what differs, not what there is."""
    changed = commits.changed(state.repository, before.commit, after.commit)
    raws = blobs(state.repository, {oid for pair in changed.values() for oid in pair if oid})
    sides = tuple(
        _Side(
            Snapshot(state.repository, state.ref, live.commit),
            {path: raws[pair[place]] for path, pair in changed.items() if pair[place]},
        )
        for place, live in enumerate((before, after))
    )
    addresses: dict[Address, list[str]] = {}
    for path in changed:
        if path != layout.META and (address := _address(path, sides)):
            addresses.setdefault(address, []).append(path)
    return tuple(_difference(address, paths, before, after, sides) for address, paths in sorted(addresses.items()))


def _address(path: str, sides: tuple[_Side, ...]) -> Address | None:
    found = layout.address_of(path)
    if found is not None or path.startswith(layout.CURRENT):
        return found
    read = _Side.run if _is_of_a_run(path) else _Side.record
    return next((each.address for side in sides if (each := read(side, path))), None)


def _is_of_a_run(path: str) -> bool:
    kind = path.split("/")[1]
    return kind in kinds() and kind_named(kind).runnable


def _difference(address: Address, paths: list[str], before: Live, after: Live, sides: tuple[_Side, ...]) -> Difference:
    older = [path for path in paths if not path.startswith(layout.CURRENT)]
    old, new = sides
    runs = [(old.run(path), new.run(path)) for path in older if _is_of_a_run(path)]
    versions = [(old.record(path), new.record(path)) for path in older if not _is_of_a_run(path)]
    return Difference(
        address,
        before.current.get(address),
        after.current.get(address),
        tuple(sorted(versions, key=lambda pair: max(each.seq for each in pair if each))),
        tuple(sorted(runs, key=lambda pair: max((each.submitted_at, each.attempt) for each in pair if each))),
    )
