"""A live state that was damaged, or is gone: what is wrong with it, and the newest good copy put back.

Nothing is ever taken out of the history: a repair is one more commit on top.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from reconciler.diagnostics import UserError, user_error
from reconciler.git import refs, trees
from reconciler.git.refs import NewCommit, RefUpdate
from reconciler.state import codec, paths
from reconciler.state.refs import RefStore
from reconciler.state.store import LIVE_REF, STATE_FORMAT, StateStore

_MAX_COMMITS = 10_000
_OBJECT_ID_PATTERN = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of the state, or a whole folder, that cannot be read; and the newest commit that has a good copy of it.

    A folder's path ends in a slash; ``good`` is "" where no commit has one. ``lost`` says that Git lacks its bytes.
    """

    path: str
    good_commit: str
    is_missing: bool

    @property
    def display_name(self) -> str:
        """The address that the file is the record of, or else its path."""
        return str(paths.current_record_address(self.path) or self.path)


def find_damage(state: StateStore) -> list[Damage]:
    """Read every file of the live state and return what is damaged; what a remote still has is brought back first."""
    found = _scan_for_damage(state)
    if any(damage.is_missing for damage in found):
        state.ref_store.refetch()
        found = _scan_for_damage(state)
    return found


def repair_state(state: StateStore, found: list[Damage], by: str) -> str:
    """Put the newest good copies in place of what is damaged, leave out what never was good; return the commit."""
    files: dict[str, bytes | None] = {}
    for each in found:
        files |= _deletion(each) | (_read_good_copies(state, each) if each.good_commit else {})
    if files.get(paths.META_PATH, b"") is None:
        files[paths.META_PATH] = state.initial_meta_bytes()
    lines = "".join(
        f"\n{damage.path} {f'as of {damage.good_commit}' if damage.good_commit else 'left out'}" for damage in found
    )
    return _write_commit(
        state, NewCommit(state.head_commit(), files, f"state repair: {len(found)} files\n{lines}\n\nby: {by}\n")
    )


def restore_state(state: StateStore, commit: str, by: str) -> str:
    """Make the live state what it was at one of its commits; return the new commit."""
    now, then = state.head_commit(), _resolve_state_commit(state, commit)
    state.read(then)  # of this lineage, and readable
    changed = trees.changed_paths(state.repository, now, then)
    files = {path: trees.read_file_at(state.repository, then, path) for path in changed}
    return _write_commit(state, NewCommit(now, files, f"state restore: as of {then}\n\nby: {by}\n"))


def restore_remote_state(home: RefStore) -> str:
    """Give a remote that has lost the live state the newest copy that is known here; "" where it has lost none."""
    try:
        home.fetch()
    except UserError as error:
        if error.diagnostics[0].code != "state-vanished":
            raise
        known = home.newest_known_commit()
        return known if home.compare_and_swap(RefUpdate(LIVE_REF, known, "")) else ""
    return ""


def read_state_format(state: StateStore) -> int:
    """Return the format in which the state is written; this mlgit reads all up to its own."""
    return int(state.read_meta().get("format", STATE_FORMAT))


def _write_commit(state: StateStore, draft: NewCommit) -> str:
    commit = refs.create_commits(state.repository, [draft])[0]
    if not state.ref_store.compare_and_swap(RefUpdate(LIVE_REF, commit, draft.parent)):
        raise user_error("state-busy", "another wrote to the live state meanwhile", "run the command again")
    return commit


def _resolve_state_commit(state: StateStore, commit: str) -> str:
    full = state.repository.resolve(commit) if _OBJECT_ID_PATTERN.fullmatch(commit) else ""
    if not full or not state.repository.is_ancestor(full, state.head_commit()):
        message = f"{commit} is no commit of the live state"
        raise user_error("revision-unknown", message, "`mlgit log` lists them")
    return full


def _scan_for_damage(state: StateStore) -> list[Damage]:
    commit = state.head_commit()
    broken = _find_unreadable(state, commit) if commit else ()
    return [Damage(path, _newest_good_commit(state, commit, path), lost) for path, lost in broken]


def _find_unreadable(state: StateStore, commit: str, folder: str = "") -> Iterator[tuple[str, bool]]:
    """Yield what cannot be read below a folder, and whether that is because Git lacks it."""
    try:
        entries = trees.list_folder(state.repository, f"{commit}:{folder}")
    except trees.MissingObjectError:
        yield folder, True
        return
    for name, entry in entries.items():
        if entry.mode == trees.FOLDER_MODE:
            yield from _find_unreadable(state, commit, f"{folder}{name}/")
        elif not _is_file_valid(state, commit, folder + name):
            yield folder + name, trees.read_file_at(state.repository, commit, folder + name) is None


def _newest_good_commit(state: StateStore, commit: str, path: str) -> str:
    """Return the newest commit that has all of a file or a folder, "" for none.

    Git is not asked which commits changed it: to tell that it would read what is missing.
    """
    steps = state.repository.git("rev-list", f"--max-count={_MAX_COMMITS}", commit).split()
    return next((step for step in steps if _is_path_valid(state, step, path)), "")


def _is_path_valid(state: StateStore, commit: str, path: str) -> bool:
    if not path.endswith("/"):
        return _is_file_valid(state, commit, path)
    return next(_find_unreadable(state, commit, path), None) is None


def _deletion(damage: Damage) -> dict[str, bytes | None]:
    return {damage.path.removesuffix("/"): None}


def _read_good_copies(state: StateStore, damage: Damage) -> dict[str, bytes | None]:
    """Return the files as they were in the newest good copy."""
    if not damage.path.endswith("/"):
        return {damage.path: trees.read_file_at(state.repository, damage.good_commit, damage.path)}
    entries = trees.list_files(state.repository, damage.good_commit, damage.path)
    raws = trees.read_blobs(state.repository, [entry.oid for entry in entries.values()])
    return {path: raws[entry.oid] for path, entry in entries.items()}


def _is_file_valid(state: StateStore, commit: str, path: str) -> bool:
    """Tell whether a file can be read, and is what belongs in its place."""
    raw = trees.read_file_at(state.repository, commit, path)
    return raw is not None and any(_can_decode(read, raw, path) for read in _decoders(path))


def _decoders(path: str) -> Iterator[Callable[[bytes], Any]]:
    """Yield what may read a file: the history keeps both versions and runs."""
    if path == paths.META_PATH:
        yield codec.decode_meta
        return
    yield codec.decode_record
    if not path.startswith(paths.CURRENT_PREFIX):
        yield codec.decode_run


def _can_decode(read: Callable[[bytes], Any], raw: bytes, path: str) -> bool:
    try:
        found = read(raw)
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
    return not path.startswith(paths.CURRENT_PREFIX) or paths.current_record_path(found.address) == path
