"""The repair of a live state that is damaged or gone: find what is unreadable, restore the newest good copies.

Nothing is ever removed from the history: a repair is one more commit on top.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.diagnostics import UserError, user_error
from reconciler.git.refs import NewCommit, RefUpdate, create_commits
from reconciler.git.trees import (
    FOLDER_MODE,
    MissingObjectError,
    changed_paths,
    list_files,
    list_folder,
    read_blobs,
    read_file_at,
)
from reconciler.state import codec, paths
from reconciler.state.refs import RefStore
from reconciler.state.store import LIVE_REF, StateStore

_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    paths.META_PATH: codec.decode_meta,
    paths.UNFINISHED_PREFIX: codec.decode_unfinished,
    paths.BUILDS_PREFIX: codec.decode_builds,
    paths.PINS_PREFIX: codec.decode_pin,
    paths.DOWNLOADS_PREFIX: codec.decode_download,
    paths.STEPS_PREFIX: codec.decode_steps,
}
_MAX_COMMITS = 10_000
_OBJECT_ID_PATTERN = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class StateDamage:
    """A file or a folder of the state that cannot be read, and the newest commit that has a good copy of it.

    A folder's path ends in a slash; ``good_commit`` is "" if no commit has one; ``is_missing`` if Git lacks its bytes.
    """

    path: str
    good_commit: str
    is_missing: bool

    @property
    def display_name(self) -> str:
        """The address that the file is the record of, or else its path."""
        return str(paths.current_record_address(self.path) or self.path)


def find_damage(state: StateStore) -> list[StateDamage]:
    """Read every file of the live state and return the damaged ones; first refetch what a remote still has.

    Raises UserError ``state-older``.
    """
    state.check_format()
    damages = _scan_for_damage(state)
    if any(damage.is_missing for damage in damages):
        state.ref_store.refetch()
        damages = _scan_for_damage(state)
    return damages


def repair_state(state: StateStore, damages: list[StateDamage], by: str) -> str:
    """Replace what is damaged by its newest good copy, remove what has none; return the commit."""
    files: dict[str, bytes | None] = {}
    for damage in damages:
        files |= _deletion(damage) | (_read_good_copies(state, damage) if damage.good_commit else {})
    if files.get(paths.META_PATH, b"") is None:
        files[paths.META_PATH] = state.initial_meta_bytes()
    lines = "".join(
        f"\n{damage.path} {f'as of {damage.good_commit}' if damage.good_commit else 'left out'}" for damage in damages
    )
    return _write_commit(
        state, NewCommit(state.head_commit(), files, f"state repair: {len(damages)} files\n{lines}\n\nby: {by}\n")
    )


def restore_state(state: StateStore, commit: str, by: str) -> str:
    """Make the live state what it was at one of its commits; return the new commit."""
    head, restored = state.head_commit(), _resolve_state_commit(state, commit)
    state.read(restored)  # raises if it is of another lineage, or unreadable
    changed = changed_paths(state.repository, head, restored)
    files = {path: read_file_at(state.repository, restored, path) for path in changed}
    return _write_commit(state, NewCommit(head, files, f"state restore: as of {restored}\n\nby: {by}\n"))


def restore_remote_state(ref_store: RefStore) -> str:
    """Push the newest live state known here to a remote that has lost it; return its commit, "" if none is lost.

    What the remote has is replaced only if it is older. Raises UserError ``state-rewound`` if it is another history.
    """
    try:
        ref_store.fetch()
    except UserError as error:
        if error.diagnostics[0].code not in _LOST_CODES:
            raise
        newest, present = ref_store.newest_known_commit(), ref_store.fetch_remote_commit()
        if present and not ref_store.repository.is_ancestor(present, newest):
            raise
        return newest if ref_store.compare_and_swap(RefUpdate(LIVE_REF, newest, present)) else ""
    return ""


_LOST_CODES = frozenset({"state-vanished", "state-rewound"})


def _write_commit(state: StateStore, new_commit: NewCommit) -> str:
    (commit,) = create_commits(state.repository, [new_commit])
    if not state.ref_store.compare_and_swap(RefUpdate(LIVE_REF, commit, new_commit.parent)):
        raise user_error("state-busy", "the live state was changed by another command", "run the command again")
    return commit


def _resolve_state_commit(state: StateStore, commit: str) -> str:
    full = state.repository.resolve(commit) if _OBJECT_ID_PATTERN.fullmatch(commit) else ""
    if not full or not state.repository.is_ancestor(full, state.head_commit()):
        message = f"{commit} is not a commit of the live state"
        raise user_error("revision-unknown", message, "run `mlgit log` to list its commits")
    return full


def _scan_for_damage(state: StateStore) -> list[StateDamage]:
    commit = state.head_commit()
    unreadable = _find_unreadable(state, commit) if commit else ()
    return [StateDamage(path, _newest_good_commit(state, commit, path), is_missing) for path, is_missing in unreadable]


def _find_unreadable(state: StateStore, commit: str, folder: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the paths below a folder that cannot be read, and whether Git lacks their bytes."""
    try:
        entries = list_folder(state.repository, f"{commit}:{folder}")
    except MissingObjectError:
        yield folder, True
        return
    for name, entry in entries.items():
        if entry.mode == FOLDER_MODE:
            yield from _find_unreadable(state, commit, f"{folder}{name}/")
        elif not _is_file_valid(state, commit, folder + name):
            yield folder + name, read_file_at(state.repository, commit, folder + name) is None


def _newest_good_commit(state: StateStore, commit: str, path: str) -> str:
    """Return the newest commit that has all of a file or a folder, "" for none.

    Git is not asked which commits changed it: it would have to read what is missing.
    """
    ancestors = state.repository.git("rev-list", f"--max-count={_MAX_COMMITS}", commit).split()
    return next((ancestor for ancestor in ancestors if _is_path_valid(state, ancestor, path)), "")


def _is_path_valid(state: StateStore, commit: str, path: str) -> bool:
    if not path.endswith("/"):
        return _is_file_valid(state, commit, path)
    return next(_find_unreadable(state, commit, path), None) is None


def _deletion(damage: StateDamage) -> dict[str, bytes | None]:
    return {damage.path.removesuffix("/"): None}


def _read_good_copies(state: StateStore, damage: StateDamage) -> dict[str, bytes | None]:
    """Return the files of the newest good copy."""
    if not damage.path.endswith("/"):
        return {damage.path: read_file_at(state.repository, damage.good_commit, damage.path)}
    entries = list_files(state.repository, damage.good_commit, damage.path)
    raws = read_blobs(state.repository, [entry.oid for entry in entries.values()])
    return {path: raws[entry.oid] for path, entry in entries.items()}


def _is_file_valid(state: StateStore, commit: str, path: str) -> bool:
    """Return True if a file can be read, and is the record that belongs at its path."""
    raw = read_file_at(state.repository, commit, path)
    return raw is not None and any(_can_decode(decode, raw, path) for decode in _decoders(path))


def _decoders(path: str) -> Iterator[Callable[[bytes], Any]]:
    """Yield the decoders for a file, by what its path begins with; the history has both versions and runs."""
    if decode := next((_DECODERS[prefix] for prefix in _DECODERS if path.startswith(prefix)), None):
        yield decode
        return
    if not path.startswith(paths.EXPERIMENTS_PREFIX):
        yield codec.decode_record
    if not path.startswith(paths.CURRENT_PREFIX):
        yield codec.decode_run


def _can_decode(decode: Callable[[bytes], Any], raw: bytes, path: str) -> bool:
    try:
        record = decode(raw)
    except codec.DECODE_ERRORS:
        return False
    return not path.startswith(paths.CURRENT_PREFIX) or paths.current_record_path(record.address) == path
