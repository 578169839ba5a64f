"""Where the refs of a live state are: in this repository, or at a remote that all clones share.

At a remote, this repository has a copy of them, as they were when they were fetched last. A write is a commit on the
copy, pushed by compare-and-swap: whoever comes second learns of it, fetches, and writes again.
"""

from __future__ import annotations

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

_LIVE_REF = "live"
_RETRY_DELAYS = (0.0, 0.2, 1.0, 3.0)  # seconds before each try where a moment later may do


class RefStore(Protocol):
    """The refs of one live state, by what stands after their common prefix: ``live``, ``claims``, ``beat/HOLDER``."""

    @property
    def repository(self) -> Repository:
        """The repository that has the objects."""
        ...

    def fetch(self) -> None:
        """Learn what others wrote. Raises UserError where that cannot be."""
        ...

    def refetch(self) -> None:
        """Bring all objects anew, should some of them have been lost here. Raises UserError where that cannot be."""
        ...

    def seconds_since_fetch(self) -> float:
        """Return how many seconds ago what others wrote was learnt."""
        ...

    def ref_name(self, what: str) -> str:
        """Return the name of the ref in this repository."""
        ...

    def read_ref(self, what: str) -> str:
        """Return the commit that a ref points to, as far as is known here; "" for none."""
        ...

    def refs_below(self, folder: str) -> Mapping[str, str]:
        """Return the refs below a folder such as ``beat/``, by what stands after it."""
        ...

    def commit_before_sharing(self) -> str:
        """Return the live state that this repository had before it shared one, "" for none."""
        ...

    def newest_known_commit(self) -> str:
        """Return the newest live state that was ever seen here, whatever became of it."""
        ...

    def compare_and_swap(self, *moves: RefUpdate) -> bool:
        """Move refs, all or none; False where another was quicker."""
        ...


@dataclass(frozen=True, slots=True)
class _BaseRefStore(ABC):
    """The refs of a live state as this repository has them."""

    repository: Repository
    name: str  # of the state and the target: my-workspace/default

    @abstractmethod
    def ref_name(self, what: str) -> str: ...

    def read_ref(self, what: str) -> str:
        return refs.resolve_ref(self.repository, self.ref_name(what))

    def refs_below(self, folder: str) -> Mapping[str, str]:
        prefix = self.ref_name(folder)
        return {ref.removeprefix(prefix): commit for ref, commit in refs.list_refs(self.repository, prefix).items()}


@dataclass(frozen=True, slots=True)
class LocalRefStore(_BaseRefStore):
    """A live state that only this repository and its work trees have."""

    def fetch(self) -> None:
        """Do nothing: what is here is all there is."""

    def refetch(self) -> None:
        """Do nothing: there is no other place to have them from."""

    def seconds_since_fetch(self) -> float:
        return 0

    def ref_name(self, what: str) -> str:
        return f"refs/mlgit/{self.name}/{what}"

    def commit_before_sharing(self) -> str:
        return ""

    def newest_known_commit(self) -> str:
        return self.read_ref(_LIVE_REF)

    def compare_and_swap(self, *moves: RefUpdate) -> bool:
        return refs.update_refs(
            self.repository, *(RefUpdate(self.ref_name(update.ref), update.new, update.old) for update in moves)
        )


@dataclass(frozen=True, slots=True)
class RemoteRefStore(_BaseRefStore):
    """A live state that clones share through a remote."""

    remote: str
    local_folder: Path  # for the note of when it was fetched

    def fetch(self) -> None:
        """Fetch. A live state that was there before and is no more is an error, never an empty workspace."""
        self._fetch_refs()
        self._fetch_time_file.parent.mkdir(parents=True, exist_ok=True)
        self._fetch_time_file.touch()
        found, known = self.read_ref(_LIVE_REF), self.newest_known_commit()
        if known and not found:
            raise self._vanished_error(known)
        if found != known:
            refs.update_refs(self.repository, RefUpdate(self._newest_known_ref, found, None))

    def refetch(self) -> None:
        self._fetch_refs("--refetch")

    def _fetch_refs(self, *options: str) -> None:
        if self.remote not in remotes.remote_names(self.repository):
            message = f"state: remote: is {self.remote}, and this clone has no remote of that name"
            raise user_error("remote-unknown", message, f"add it with `git remote add {self.remote} URL`")
        # What keeps applied commits is for Git to keep, not for every clone to have.
        everything = f"+refs/mlgit/{self.name}/*:refs/mlgit-remote/{self.remote}/{self.name}/*"
        remotes.fetch_refs(self.repository, self.remote, [everything, f"^refs/mlgit/{self.name}/sources/*"], *options)

    def _vanished_error(self, known: str) -> UserError:
        message = f"the remote {self.remote} has no live state {self.name} any more"
        hint = f"the newest copy known here is {abbreviate_id(known)}: `mlgit state restore` puts it back"
        return user_error("state-vanished", message, hint)

    def seconds_since_fetch(self) -> float:
        return (
            max(0.0, time.time() - self._fetch_time_file.stat().st_mtime)
            if self._fetch_time_file.exists()
            else float("inf")
        )

    def ref_name(self, what: str) -> str:
        return f"refs/mlgit-remote/{self.remote}/{self.name}/{what}"

    def commit_before_sharing(self) -> str:
        return refs.resolve_ref(self.repository, f"refs/mlgit/{self.name}/{_LIVE_REF}")

    def compare_and_swap(self, *moves: RefUpdate) -> bool:
        """Push; a push that broke off may have arrived, which is looked up before it counts as failed."""
        known = self.newest_known_commit()
        if known and any(update.ref == _LIVE_REF and not update.old and update.new != known for update in moves):
            raise self._vanished_error(known)  # and whoever saw it first has forgotten what was there
        pushed = [RefUpdate(f"refs/mlgit/{self.name}/{update.ref}", update.new, update.old) for update in moves]
        try:
            done = remotes.push_refs(self.repository, self.remote, pushed)
        except UserError:
            if not self._has_arrived(moves):
                raise
            done = True
        if done:
            self._record_pushed_updates(moves)
        return done

    def _has_arrived(self, moves: tuple[RefUpdate, ...]) -> bool:
        """Tell whether the remote has what was pushed; all of it if it has any, be it under what came after."""
        for pause in _RETRY_DELAYS:
            time.sleep(pause)
            try:
                self._fetch_refs()
            except UserError:
                continue
            return any(
                self._has_commit(update.ref, update.new) for update in moves if update.new and update.old is not None
            )
        return False

    def _has_commit(self, what: str, commit: str) -> bool:
        found = self.read_ref(what)
        return found == commit or bool(found and self.repository.is_ancestor(commit, found))

    def _record_pushed_updates(self, moves: tuple[RefUpdate, ...]) -> None:
        """Move what is known here as the remote's refs were moved, except where more is known already."""
        for update in moves:
            if update.old is not None:
                self._update_local_ref(RefUpdate(self.ref_name(update.ref), update.new, update.old))
            if update.ref == _LIVE_REF:
                self._update_local_ref(RefUpdate(self._newest_known_ref, update.new, update.old))

    def _update_local_ref(self, move: RefUpdate) -> None:
        for pause in _RETRY_DELAYS:
            if refs.update_refs(self.repository, move) or refs.resolve_ref(self.repository, move.ref) != move.old:
                return
            time.sleep(pause)  # another process is at the same ref

    def newest_known_commit(self) -> str:
        return refs.resolve_ref(self.repository, self._newest_known_ref)

    @property
    def _newest_known_ref(self) -> str:
        """The ref that keeps the newest live state seen, whatever becomes of the remote's."""
        return f"refs/mlgit-known/{self.remote}/{self.name}/{_LIVE_REF}"

    @property
    def _fetch_time_file(self) -> Path:
        return self.local_folder / f"fetched-{quote(f'{self.remote}/{self.name}', safe='')}"
