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

from reconciler.diagnostics import UserError, failure
from reconciler.git import refs, remotes
from reconciler.git.refs import Move
from reconciler.git.repository import Repository

_LIVE = "live"
_PAUSES = (0.0, 0.2, 1.0, 3.0)  # seconds before each try where a moment later may do


class Home(Protocol):
    """The refs of one live state, by what stands after their common prefix: ``live``, ``claims``, ``beat/HOLDER``."""

    @property
    def repository(self) -> Repository:
        """The repository that has the objects."""
        ...

    def refresh(self) -> None:
        """Learn what others wrote. Raises UserError where that cannot be."""
        ...

    def restock(self) -> None:
        """Bring all objects anew, should some of them have been lost here. Raises UserError where that cannot be."""
        ...

    def age(self) -> float:
        """Return how many seconds ago what others wrote was learnt."""
        ...

    def ref(self, what: str) -> str:
        """Return the name of the ref in this repository."""
        ...

    def read(self, what: str) -> str:
        """Return the commit that a ref points to, as far as is known here; "" for none."""
        ...

    def below(self, folder: str) -> Mapping[str, str]:
        """Return the refs below a folder such as ``beat/``, by what stands after it."""
        ...

    def before(self) -> str:
        """Return the live state that this repository had before it shared one, "" for none."""
        ...

    def newest(self) -> str:
        """Return the newest live state that was ever seen here, whatever became of it."""
        ...

    def swap(self, *moves: Move) -> bool:
        """Move refs, all or none; False where another was quicker."""
        ...


@dataclass(frozen=True, slots=True)
class _Refs(ABC):
    """The refs of a live state as this repository has them."""

    repository: Repository
    name: str  # of the state and the target: my-workspace/default

    @abstractmethod
    def ref(self, what: str) -> str: ...

    def read(self, what: str) -> str:
        return refs.read(self.repository, self.ref(what))

    def below(self, folder: str) -> Mapping[str, str]:
        prefix = self.ref(folder)
        return {ref.removeprefix(prefix): commit for ref, commit in refs.below(self.repository, prefix).items()}


@dataclass(frozen=True, slots=True)
class Here(_Refs):
    """A live state that only this repository and its work trees have."""

    def refresh(self) -> None:
        """Do nothing: what is here is all there is."""

    def restock(self) -> None:
        """Do nothing: there is no other place to have them from."""

    def age(self) -> float:
        return 0

    def ref(self, what: str) -> str:
        return f"refs/mlgit/{self.name}/{what}"

    def before(self) -> str:
        return ""

    def newest(self) -> str:
        return self.read(_LIVE)

    def swap(self, *moves: Move) -> bool:
        return refs.swap(self.repository, *(Move(self.ref(each.ref), each.new, each.old) for each in moves))


@dataclass(frozen=True, slots=True)
class There(_Refs):
    """A live state that clones share through a remote."""

    remote: str
    local: Path  # for the note of when it was fetched

    def refresh(self) -> None:
        """Fetch. A live state that was there before and is no more is an error, never an empty workspace."""
        self._fetch()
        self._fetched.parent.mkdir(parents=True, exist_ok=True)
        self._fetched.touch()
        found, known = self.read(_LIVE), self.newest()
        if known and not found:
            raise self._vanished(known)
        if found != known:
            refs.swap(self.repository, Move(self._newest, found, None))

    def restock(self) -> None:
        self._fetch("--refetch")

    def _fetch(self, *options: str) -> None:
        if self.remote not in remotes.names(self.repository):
            message = f"state: remote: is {self.remote}, and this clone has no remote of that name"
            raise failure("remote-unknown", message, f"add it with `git remote add {self.remote} URL`")
        # What keeps applied commits is for Git to keep, not for every clone to have.
        everything = f"+refs/mlgit/{self.name}/*:refs/mlgit-remote/{self.remote}/{self.name}/*"
        remotes.fetch(self.repository, self.remote, [everything, f"^refs/mlgit/{self.name}/sources/*"], *options)

    def _vanished(self, known: str) -> UserError:
        message = f"the remote {self.remote} has no live state {self.name} any more"
        hint = f"the newest copy known here is {known[:10]}: `mlgit state restore` puts it back"
        return failure("state-vanished", message, hint)

    def age(self) -> float:
        return max(0.0, time.time() - self._fetched.stat().st_mtime) if self._fetched.exists() else float("inf")

    def ref(self, what: str) -> str:
        return f"refs/mlgit-remote/{self.remote}/{self.name}/{what}"

    def before(self) -> str:
        return refs.read(self.repository, f"refs/mlgit/{self.name}/{_LIVE}")

    def swap(self, *moves: Move) -> bool:
        """Push; a push that broke off may have arrived, which is looked up before it counts as failed."""
        known = self.newest()
        if known and any(each.ref == _LIVE and not each.old and each.new != known for each in moves):
            raise self._vanished(known)  # and whoever saw it first has forgotten what was there
        pushed = [Move(f"refs/mlgit/{self.name}/{each.ref}", each.new, each.old) for each in moves]
        try:
            done = remotes.push(self.repository, self.remote, pushed)
        except UserError:
            if not self._arrived(moves):
                raise
            done = True
        if done:
            self._note(moves)
        return done

    def _arrived(self, moves: tuple[Move, ...]) -> bool:
        """Tell whether the remote has what was pushed; all of it if it has any, be it under what came after."""
        for pause in _PAUSES:
            time.sleep(pause)
            try:
                self._fetch()
            except UserError:
                continue
            return any(self._has(each.ref, each.new) for each in moves if each.new and each.old is not None)
        return False

    def _has(self, what: str, commit: str) -> bool:
        found = self.read(what)
        return found == commit or bool(found and self.repository.is_ancestor(commit, found))

    def _note(self, moves: tuple[Move, ...]) -> None:
        """Move what is known here as the remote's refs were moved, except where more is known already."""
        for each in moves:
            if each.old is not None:
                self._move_here(Move(self.ref(each.ref), each.new, each.old))
            if each.ref == _LIVE:
                self._move_here(Move(self._newest, each.new, each.old))

    def _move_here(self, move: Move) -> None:
        for pause in _PAUSES:
            if refs.swap(self.repository, move) or refs.read(self.repository, move.ref) != move.old:
                return
            time.sleep(pause)  # another process is at the same ref

    def newest(self) -> str:
        return refs.read(self.repository, self._newest)

    @property
    def _newest(self) -> str:
        """The ref that keeps the newest live state seen, whatever becomes of the remote's."""
        return f"refs/mlgit-known/{self.remote}/{self.name}/{_LIVE}"

    @property
    def _fetched(self) -> Path:
        return self.local / f"fetched-{quote(f'{self.remote}/{self.name}', safe='')}"
