"""A live state that was damaged, or is gone: what is wrong with it, and the newest good copy put back.

Nothing is ever taken out of the history: a repair is one more commit on top.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.diagnostics import UserError, failure
from reconciler.git import refs, trees
from reconciler.git.refs import Draft, Move
from reconciler.live import codec, layout
from reconciler.live.home import Home
from reconciler.live.state import FORMAT, LIVE, State

_MOST_STEPS = 10_000
_OBJECT = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of the state, or a whole folder, that cannot be read; and the newest commit that has a good copy of it.

    A folder's path ends in a slash; ``good`` is "" where no commit has one. ``lost`` says that Git lacks its bytes.
    """

    path: str
    good: str
    lost: bool

    @property
    def subject(self) -> str:
        """The address that the file is the record of, or else its path."""
        return str(layout.address_of(self.path) or self.path)


def damages(state: State) -> list[Damage]:
    """Read every file of the live state and return what is damaged; what a remote still has is brought back first."""
    found = _damages(state)
    if any(each.lost for each in found):
        state.home.restock()
        found = _damages(state)
    return found


def repair(state: State, found: list[Damage], by: str) -> str:
    """Put the newest good copies in place of what is damaged, leave out what never was good; return the commit."""
    files: dict[str, bytes | None] = {}
    for each in found:
        files |= _without(each) | (_good_copies(state, each) if each.good else {})
    if files.get(layout.META, b"") is None:
        files[layout.META] = state.fresh()
    lines = "".join(f"\n{each.path} {f'as of {each.good}' if each.good else 'left out'}" for each in found)
    return _put(state, Draft(state.commit(), files, f"state repair: {len(found)} files\n{lines}\n\nby: {by}\n"))


def restore(state: State, commit: str, by: str) -> str:
    """Make the live state what it was at one of its commits; return the new commit."""
    now, then = state.commit(), _resolved(state, commit)
    state.read(then)  # of this lineage, and readable
    changed = trees.differing(state.repository, now, then)
    files = {path: trees.file_at(state.repository, then, path) for path in changed}
    return _put(state, Draft(now, files, f"state restore: as of {then}\n\nby: {by}\n"))


def put_back(home: Home) -> str:
    """Give a remote that has lost the live state the newest copy that is known here; "" where it has lost none."""
    try:
        home.refresh()
    except UserError as error:
        if error.diagnostics[0].code != "state-vanished":
            raise
        known = home.newest()
        return known if home.swap(Move(LIVE, known, "")) else ""
    return ""


def written_format(state: State) -> int:
    """Return the format in which the state is written; this mlgit reads all up to its own."""
    return int(state.meta().get("format", FORMAT))


def _put(state: State, draft: Draft) -> str:
    commit = refs.commits(state.repository, [draft])[0]
    if not state.home.swap(Move(LIVE, commit, draft.parent)):
        raise failure("state-busy", "another wrote to the live state meanwhile", "run the command again")
    return commit


def _resolved(state: State, commit: str) -> str:
    full = state.repository.resolve(commit) if _OBJECT.fullmatch(commit) else ""
    if not full or not state.repository.is_ancestor(full, state.commit()):
        message = f"{commit} is no commit of the live state"
        raise failure("revision-unknown", message, "`mlgit log` lists them")
    return full


def _damages(state: State) -> list[Damage]:
    commit = state.commit()
    broken = _broken(state, commit) if commit else ()
    return [Damage(path, _newest_good(state, commit, path), lost) for path, lost in broken]


def _broken(state: State, commit: str, folder: str = "") -> Iterator[tuple[str, bool]]:
    """Yield what cannot be read below a folder, and whether that is because Git lacks it."""
    try:
        entries = trees.folder(state.repository, f"{commit}:{folder}")
    except trees.MissingObjectError:
        yield folder, True
        return
    for name, entry in entries.items():
        if entry.mode == trees.FOLDER:
            yield from _broken(state, commit, f"{folder}{name}/")
        elif not _is_good(state, commit, folder + name):
            yield folder + name, trees.file_at(state.repository, commit, folder + name) is None


def _newest_good(state: State, commit: str, path: str) -> str:
    """Return the newest commit that has all of a file or a folder, "" for none.

    Git is not asked which commits changed it: to tell that it would read what is missing.
    """
    steps = state.repository.git("rev-list", f"--max-count={_MOST_STEPS}", commit).split()
    return next((each for each in steps if _is_whole(state, each, path)), "")


def _is_whole(state: State, commit: str, path: str) -> bool:
    if not path.endswith("/"):
        return _is_good(state, commit, path)
    return next(_broken(state, commit, path), None) is None


def _without(damage: Damage) -> dict[str, bytes | None]:
    return {damage.path.removesuffix("/"): None}


def _good_copies(state: State, damage: Damage) -> dict[str, bytes | None]:
    """Return the files as they were in the newest good copy."""
    if not damage.path.endswith("/"):
        return {damage.path: trees.file_at(state.repository, damage.good, damage.path)}
    entries = trees.entries(state.repository, damage.good, damage.path)
    raws = trees.blobs(state.repository, [each.oid for each in entries.values()])
    return {path: raws[each.oid] for path, each in entries.items()}


def _is_good(state: State, commit: str, path: str) -> bool:
    """Tell whether a file can be read, and is what belongs in its place."""
    raw = trees.file_at(state.repository, commit, path)
    return raw is not None and any(_reads(read, raw, path) for read in _readers(path))


def _readers(path: str) -> Iterator[Callable[[bytes], Any]]:
    """Yield what may read a file: the history keeps both versions and runs."""
    if path == layout.META:
        yield codec.meta
        return
    yield codec.record
    if not path.startswith(layout.CURRENT):
        yield codec.run


def _reads(read: Callable[[bytes], Any], raw: bytes, path: str) -> bool:
    try:
        found = read(raw)
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
    return not path.startswith(layout.CURRENT) or layout.current(found.address) == path
