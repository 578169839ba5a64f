"""Claims as the ref ``claims`` keeps them: one file for each holder; no ref at all while nobody holds anything.

How a claim is taken, kept and given back is in `state.lease`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator

from reconciler.diagnostics import user_error
from reconciler.git import trees
from reconciler.git.repository import Repository
from reconciler.model import Address, Json, Lock
from reconciler.state import codec

LOCKS_REF = "claims"
_SUFFIX = ".json"
_HOLDER_PATTERN = re.compile(r"[0-9a-zA-Z-]{1,64}")


def read_locks(repository: Repository, commit: str) -> dict[str, Lock]:
    """Return all claims, by their holder; none where there is no commit. A damaged one is an error that names it."""
    entries = trees.list_files(repository, commit) if commit else {}
    raws = trees.read_blobs(repository, [entry.oid for entry in entries.values()]) if entries else {}
    found = (_parse_lock(path, raws[entry.oid]) for path, entry in entries.items())
    return {lock.holder: lock for lock in found}


def list_lock_holders(repository: Repository, commit: str) -> frozenset[str]:
    """Name all who hold a claim, also one that cannot be read; none where there is no commit."""
    paths = trees.list_files(repository, commit) if commit else {}
    return frozenset(path.removesuffix(_SUFFIX) for path in paths)


def lock_file_changes(gone: Iterable[str], new: Lock | None = None) -> dict[str, bytes | None]:
    """Return what is to be written where holders give up their claims and a new one comes."""
    without: dict[str, bytes | None] = {f"{each}{_SUFFIX}": None for each in gone}
    return without | ({f"{new.holder}{_SUFFIX}": codec.encode_json(lock_to_json(new))} if new else {})


def lock_to_json(claim: Lock) -> Json:
    """Return a claim as JSON."""
    return {
        "holder": claim.holder,
        "user": claim.user,
        "host": claim.host,
        "since": claim.since,
        "commit": claim.commit,
        "ci": claim.ci,
        "process": dict(claim.process),
        "exclusive": sorted(map(str, claim.exclusive)),
        "shared": sorted(map(str, claim.shared)),
        "intents": [dict(intent) for intent in claim.intents],
    }


def _parse_lock(path: str, raw: bytes) -> Lock:
    try:
        found = json.loads(raw)
        if not _HOLDER_PATTERN.fullmatch(found["holder"]) or path != f"{found['holder']}{_SUFFIX}":
            raise ValueError(path)  # noqa: TRY301 - what is said of it is the same
        return Lock(
            **{name: str(found[name]) for name in ("holder", "user", "host", "since", "commit", "ci")},
            process=dict(found["process"]),
            exclusive=frozenset(_parse_addresses(found["exclusive"])),
            shared=frozenset(_parse_addresses(found["shared"])),
            intents=tuple(dict(each) for each in found["intents"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        hint = f"`mlgit unlock {shlex.quote(path.removesuffix(_SUFFIX))}` takes it away"
        raise user_error("claim-corrupt", f"the claim {path} cannot be read", hint) from error


def _parse_addresses(texts: Iterable[str]) -> Iterator[Address]:
    return (codec.decode_address(text) for text in texts)
