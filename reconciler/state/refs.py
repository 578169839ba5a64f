"""The refs of a live state, in this repository or at a remote that all clones share.

Of a remote's refs this repository has a copy, as of the last fetch. A write is a commit on top of the copy, pushed by
compare-and-swap: a writer that lost the race fetches and writes again.
"""

from __future__ import annotations

import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from reconciler.abbreviation import abbreviate_id
from reconciler.diagnostics import UserError, user_error
from reconciler.git import refs, remotes
from reconciler.git.refs import RefUpdate
from reconciler.git.repository import Repository
from reconciler.private_files import make_private_folder, touch_private_file

_LIVE_REF = "live"
_RETRY_DELAYS = (0.0, 0.2, 1.0, 3.0)  # seconds before each attempt


class RefStore(Protocol):
    """The refs of one live state, by name without their common prefix: ``live``, ``locks``, ``heartbeat/HOLDER``."""

    @property
    def repository(self) -> Repository:
        """The repository that has the objects."""
        ...

    def fetch(self) -> None:
        """Fetch what others wrote. Raises UserError if the remote cannot be read."""
        ...

    def refetch(self) -> None:
        """Fetch all objects again, in case some are lost here. Raises UserError if the remote cannot be read."""
        ...

    def seconds_since_fetch(self) -> float:
        """Return how many seconds ago the last fetch was."""
        ...

    def ref_name(self, name: str) -> str:
        """Return the name of the ref in this repository."""
        ...

    def read_ref(self, name: str) -> str:
        """Return the commit that a ref pointed to at the last fetch; "" for none."""
        ...

    def refs_below(self, folder: str) -> Mapping[str, str]:
        """Return the refs below a folder such as ``heartbeat/``, by name without the folder."""
        ...

    def commit_before_sharing(self) -> str:
        """Return the live state that this repository had before it was shared, "" for none."""
        ...

    def newest_known_commit(self) -> str:
        """Return the newest live state ever seen here, also if the remote has lost it."""
        ...

    def fetch_remote_commit(self) -> str:
        """Return the live state that the remote has now, "" for none, whatever is known here."""
        ...

    def accept_remote(self) -> tuple[str, str]:
        """Go on from the live state of the remote; return the newest known here, which is kept, and the remote's."""
        ...

    def compare_and_swap(self, *updates: RefUpdate) -> bool:
        """Update refs, all or none; return False if another writer was first."""
        ...

    def discard_commands(self) -> tuple[str, ...]:
        """Return the Git commands with which a user deletes the live state."""
        ...


def _delete_refs_command(*prefixes: str) -> str:
    names = " ".join(map(shlex.quote, prefixes))
    return f"git for-each-ref --format='delete %(refname)' {names} | git update-ref --stdin"


@dataclass(frozen=True, slots=True)
class _BaseRefStore(ABC):
    """The refs of a live state as this repository has them."""

    repository: Repository
    name: str  # of the state and the target: my-workspace/default

    @abstractmethod
    def ref_name(self, name: str) -> str: ...

    def read_ref(self, name: str) -> str:
        return refs.resolve_ref(self.repository, self.ref_name(name))

    def refs_below(self, folder: str) -> Mapping[str, str]:
        prefix = self.ref_name(folder)
        return {ref.removeprefix(prefix): commit for ref, commit in refs.list_refs(self.repository, prefix).items()}


@dataclass(frozen=True, slots=True)
class LocalRefStore(_BaseRefStore):
    """A live state that only this repository and its work trees have."""

    def fetch(self) -> None:
        """Do nothing: there is no other writer."""

    def refetch(self) -> None:
        """Do nothing: there is no other copy."""

    def seconds_since_fetch(self) -> float:
        return 0

    def ref_name(self, name: str) -> str:
        return f"refs/mlgit/{self.name}/{name}"

    def commit_before_sharing(self) -> str:
        return ""

    def newest_known_commit(self) -> str:
        return self.read_ref(_LIVE_REF)

    def fetch_remote_commit(self) -> str:
        return self.read_ref(_LIVE_REF)

    def accept_remote(self) -> tuple[str, str]:
        return self.read_ref(_LIVE_REF), self.read_ref(_LIVE_REF)

    def compare_and_swap(self, *updates: RefUpdate) -> bool:
        return refs.update_refs(
            self.repository, *(RefUpdate(self.ref_name(update.ref), update.new, update.old) for update in updates)
        )

    def discard_commands(self) -> tuple[str, ...]:
        return (_delete_refs_command(f"refs/mlgit/{self.name}"),)


@dataclass(frozen=True, slots=True)
class RemoteRefStore(_BaseRefStore):
    """A live state that clones share through a remote."""

    remote: str
    local_folder: Path  # has a file with the time of the last fetch

    def fetch(self) -> None:
        """Fetch. Raises UserError if the remote has lost a live state that was seen before.

        ``state-vanished`` if it has none, ``state-rewound`` if it has one that does not contain the one seen before.
        """
        newest_known = self.newest_known_commit()  # before the fetch: another process may push meanwhile
        self._fetch_refs()
        make_private_folder(self._fetch_time_file.parent)
        touch_private_file(self._fetch_time_file)
        fetched = self.read_ref(_LIVE_REF)
        if newest_known and not fetched:
            raise self._vanished_error(newest_known)
        if newest_known and self.repository.is_ancestor(newest_known, fetched) is False:
            # What reads without the remote goes on with the newer state.
            refs.update_refs(self.repository, RefUpdate(self.ref_name(_LIVE_REF), newest_known, fetched))
            raise self._rewound_error(newest_known, fetched)
        if fetched != newest_known:
            refs.update_refs(self.repository, RefUpdate(self._newest_known_ref, fetched, newest_known))

    def fetch_remote_commit(self) -> str:
        self._fetch_refs()
        return self.read_ref(_LIVE_REF)

    def accept_remote(self) -> tuple[str, str]:
        newest_known, fetched = self.newest_known_commit(), self.fetch_remote_commit()
        if newest_known and not fetched:
            raise self._vanished_error(newest_known)
        if newest_known != fetched:
            kept = RefUpdate(f"{self._newest_known_ref}-before/{newest_known}", newest_known, None)
            refs.update_refs(self.repository, kept, RefUpdate(self._newest_known_ref, fetched, newest_known))
        return newest_known, fetched

    def refetch(self) -> None:
        self._fetch_refs("--refetch")

    def _fetch_refs(self, *options: str) -> None:
        if self.remote not in remotes.remote_names(self.repository):
            message = f"this clone has no remote {self.remote}, which state.remote in mlgit.yml names"
            raise user_error("remote-unknown", message, f"add it with `git remote add {self.remote} URL`")
        # The applied commits are kept at the remote; not every clone needs them.
        all_refs = f"+refs/mlgit/{self.name}/*:refs/mlgit-remote/{self.remote}/{self.name}/*"
        remotes.fetch_refs(self.repository, self.remote, [all_refs, f"^refs/mlgit/{self.name}/sources/*"], *options)

    def _vanished_error(self, newest_known: str) -> UserError:
        message = f"the remote {self.remote} no longer has the live state {self.name}"
        hint = f"the newest copy known here is {abbreviate_id(newest_known)}; run `mlgit state restore` to push it"
        return user_error("state-vanished", message, hint)

    def _rewound_error(self, newest_known: str, fetched: str) -> UserError:
        known, remote = abbreviate_id(newest_known), abbreviate_id(fetched)
        accept = "`mlgit state restore --accept-remote` to go on from that of the remote; this clone keeps both"
        if self.repository.is_ancestor(fetched, newest_known):
            message = (
                f"the remote {self.remote} has the live state {self.name} at {remote}, which is older than {known}"
            )
            hint = f"it was set back: run `mlgit state restore` to push {known} again, or {accept}"
        else:
            message = (
                f"the remote {self.remote} has the live state {self.name} at {remote}, which does not follow {known}"
            )
            hint = f"its history was replaced: find out by whom, then run {accept}"
        return user_error("state-rewound", f"{message}, the newest known here", hint)

    def seconds_since_fetch(self) -> float:
        return (
            max(0.0, time.time() - self._fetch_time_file.stat().st_mtime)
            if self._fetch_time_file.exists()
            else float("inf")
        )

    def ref_name(self, name: str) -> str:
        return f"refs/mlgit-remote/{self.remote}/{self.name}/{name}"

    def commit_before_sharing(self) -> str:
        return refs.resolve_ref(self.repository, f"refs/mlgit/{self.name}/{_LIVE_REF}")

    def compare_and_swap(self, *updates: RefUpdate) -> bool:
        """Push. A push that broke off may have arrived: the remote is asked before it counts as failed."""
        newest_known = self.newest_known_commit()
        if newest_known and any(
            update.ref == _LIVE_REF and not update.old and update.new != newest_known for update in updates
        ):
            raise self._vanished_error(newest_known)  # never replace a lost state by an empty one
        pushed = [RefUpdate(f"refs/mlgit/{self.name}/{update.ref}", update.new, update.old) for update in updates]
        try:
            is_pushed = remotes.push_refs(self.repository, self.remote, pushed)
        except UserError:
            if not self._has_arrived(updates):
                raise
            is_pushed = True
        if is_pushed:
            self._record_pushed_updates(updates)
        return is_pushed

    def discard_commands(self) -> tuple[str, ...]:
        remote, shared = shlex.quote(self.remote), shlex.quote(f"refs/mlgit/{self.name}/*")
        copies = (f"refs/mlgit-{copy}/{self.remote}/{self.name}" for copy in ("remote", "known"))
        return (
            f"git ls-remote {remote} {shared} | cut -f 2 | xargs git push {remote} --delete",
            _delete_refs_command(f"refs/mlgit/{self.name}", *copies),
        )

    def _has_arrived(self, updates: tuple[RefUpdate, ...]) -> bool:
        """Return True if the remote has what was pushed, be it below newer commits: a push is atomic, so any is all."""
        for delay in _RETRY_DELAYS:
            time.sleep(delay)
            try:
                self._fetch_refs()
            except UserError as error:
                if error.diagnostics[0].code == "remote-timeout":
                    return False  # it was waited for long enough
                continue
            return any(
                self._has_commit(update.ref, update.new) for update in updates if update.new and update.old is not None
            )
        return False

    def _has_commit(self, name: str, commit: str) -> bool:
        tip = self.read_ref(name)
        return tip == commit or bool(tip and self.repository.is_ancestor(commit, tip))

    def _record_pushed_updates(self, updates: tuple[RefUpdate, ...]) -> None:
        """Update the local copy of the refs as the remote's were updated, except where it is newer already."""
        for update in updates:
            if update.old is not None:
                self._update_local_ref(RefUpdate(self.ref_name(update.ref), update.new, update.old))
            if update.ref == _LIVE_REF:
                self._update_local_ref(RefUpdate(self._newest_known_ref, update.new, update.old))

    def _update_local_ref(self, update: RefUpdate) -> None:
        for delay in _RETRY_DELAYS:
            if refs.update_refs(self.repository, update) or refs.resolve_ref(self.repository, update.ref) != update.old:
                return
            time.sleep(delay)  # another process updates the same ref

    def newest_known_commit(self) -> str:
        return refs.resolve_ref(self.repository, self._newest_known_ref)

    @property
    def _newest_known_ref(self) -> str:
        """The ref that keeps the newest live state seen, also if the remote loses its own."""
        return f"refs/mlgit-known/{self.remote}/{self.name}/{_LIVE_REF}"

    @property
    def _fetch_time_file(self) -> Path:
        return self.local_folder / f"fetched-{quote(f'{self.remote}/{self.name}', safe='')}"
