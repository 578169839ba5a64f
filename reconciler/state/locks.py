"""Locks as the ref ``locks`` keeps them: one file for each holder; no ref while no lock is held.

How a lock is acquired, renewed and released is in `state.lease`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable

from reconciler.diagnostics import user_error
from reconciler.git.repository import Repository
from reconciler.git.trees import list_files, read_blobs
from reconciler.model import Json, Lock, parse_address
from reconciler.state import codec

LOCKS_REF = "locks"
_SUFFIX = ".json"
_HOLDER_PATTERN = re.compile(r"[0-9a-zA-Z-]{1,64}")


def read_locks(repository: Repository, commit: str) -> dict[str, Lock]:
    """Return all locks by holder; none without a commit. Raises UserError ``lock-corrupt``."""
    entries = list_files(repository, commit) if commit else {}
    raws = read_blobs(repository, [entry.oid for entry in entries.values()]) if entries else {}
    locks = (_parse_lock(path, raws[entry.oid]) for path, entry in entries.items())
    return {lock.holder: lock for lock in locks}


def list_lock_holders(repository: Repository, commit: str) -> frozenset[str]:
    """Return the holders of all locks, also of one that cannot be read; none without a commit."""
    paths = list_files(repository, commit) if commit else {}
    return frozenset(path.removesuffix(_SUFFIX) for path in paths)


def lock_file_changes(removed: Iterable[str], new: Lock | None = None) -> dict[str, bytes | None]:
    """Return the files to write when locks are removed and a new one is added."""
    removals: dict[str, bytes | None] = {f"{holder}{_SUFFIX}": None for holder in removed}
    return removals | ({f"{new.holder}{_SUFFIX}": codec.encode_json(lock_to_json(new))} if new else {})


def lock_to_json(lock: Lock) -> Json:
    """Return a lock as JSON."""
    return {
        "holder": lock.holder,
        "user": lock.user,
        "host": lock.host,
        "since": lock.since,
        "commit": lock.commit,
        "ci": lock.ci,
        "process": dict(lock.process),
        "exclusive": sorted(map(str, lock.exclusive)),
        "shared": sorted(map(str, lock.shared)),
        "intents": [dict(intent) for intent in lock.intents],
    }


def _parse_lock(path: str, raw: bytes) -> Lock:
    try:
        content = json.loads(raw)
        if not _HOLDER_PATTERN.fullmatch(content["holder"]) or path != f"{content['holder']}{_SUFFIX}":
            raise ValueError(path)  # noqa: TRY301 - it is reported like the others
        return Lock(
            **{name: str(content[name]) for name in ("holder", "user", "host", "since", "commit", "ci")},
            process=dict(content["process"]),
            exclusive=frozenset(map(parse_address, content["exclusive"])),
            shared=frozenset(map(parse_address, content["shared"])),
            intents=tuple(dict(intent) for intent in content["intents"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        hint = f"`mlgit unlock {shlex.quote(path.removesuffix(_SUFFIX))}` removes it"
        raise user_error("lock-corrupt", f"the lock {path} cannot be read", hint) from error
