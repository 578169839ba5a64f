"""Plans remembered as they were shown: where nothing changed, nothing is read again but the names of Git's trees.

Nothing in here is ever out of date: a key names all that its value depends on. Deleting the file costs only time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from reconciler.data import code
from reconciler.git.glance import Glance, look

_T = TypeVar("_T")

_FILE = "mlgit.yml"
_KEPT = 30  # plans


@dataclass(frozen=True, slots=True)
class Shown:
    """A plan as it was shown: its text, what was said of the files, how to go on, and whether something is done now."""

    text: str
    said: str
    then: str
    now: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What must be known of mlgit.yml to tell whether a plan is known: the ref of the live state, the stores."""

    ref: str
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """What a plan follows from: this code, the place of the workspace, its files, the live state, the history."""

    place: str
    tree: str
    state: str
    head: str
    surroundings: str

    def __str__(self) -> str:
        whole = json.dumps([code(), self.place, self.tree, self.state, self.head, self.surroundings])
        return hashlib.sha256(whole.encode()).hexdigest()


@dataclass(slots=True)
class Recall:
    """What is remembered of one workspace; where it cannot be read or written, nothing is remembered."""

    repository: Glance
    root: str
    around: str
    key: Key | None = None

    def shown(self) -> Shown | None:
        """Return the plan of the work tree, if it was shown before."""
        settings = self._settings()
        if settings is None:
            return None
        with suppress(subprocess.CalledProcessError):
            tree = self.repository.work_tree(settings.stores)
            state, head = self.repository.resolve([f"{settings.ref}^{{tree}}", "HEAD^{commit}"])
            self.key = Key(self.root, tree, state, head, self.around)
            found = self._load("plans", str(self.key)) if state else None
            return _made(Shown, found)
        return None

    def keep(self, key: Key, settings: Settings, shown: Shown) -> None:
        """Remember a plan as it was shown."""
        path = self._path
        with suppress(sqlite3.Error, OSError, UnicodeError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=1)) as database, database:
                database.executescript(_TABLES)
                rows = (("settings", self._mlgit(), asdict(settings)), ("plans", str(key), asdict(shown)))
                for table, name, value in rows:
                    database.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", [name, json.dumps(value)])  # noqa: S608
                    database.execute(f"DELETE FROM {table} WHERE rowid <= (SELECT max(rowid) FROM {table}) - {_KEPT}")  # noqa: S608

    @property
    def _path(self) -> Path:
        return self.repository.common / "mlgit" / "shown.sqlite"

    def _settings(self) -> Settings | None:
        found = self._load("settings", self._mlgit())
        return _made(Settings, found)

    def _mlgit(self) -> str:
        raw = (self.repository.top / self.root / _FILE).read_bytes()
        return hashlib.sha256(f"{code()}\0{self.root}\0".encode() + raw).hexdigest()

    def _load(self, table: str, key: str) -> str | None:
        if self._path.exists():
            with suppress(sqlite3.Error), closing(sqlite3.connect(self._path)) as database:
                for (found,) in database.execute(f"SELECT value FROM {table} WHERE key = ?", [key]):  # noqa: S608
                    return str(found)
        return None


def _made(kind: Callable[..., _T], found: str | None) -> _T | None:
    """Read what `keep` wrote; what is no such thing is not remembered."""
    with suppress(ValueError, TypeError):
        return kind(**json.loads(found)) if found else None
    return None


_TABLES = """
CREATE TABLE IF NOT EXISTS settings (key TEXT UNIQUE, value TEXT);
CREATE TABLE IF NOT EXISTS plans (key TEXT UNIQUE, value TEXT);
"""


def recall(start: Path, packages: Path) -> Recall | None:
    """Find what is remembered of the workspace that a folder is in; None where there is none.

    ``packages`` is the folder of what is installed: a plug-in more or less may change what a plan says.
    """
    with suppress(subprocess.CalledProcessError, OSError, ValueError):
        repository = look(start)
        folder = start.resolve()
        while not (folder / _FILE).is_file() and folder not in {repository.top, folder.parent}:
            folder = folder.parent
        if not (folder / _FILE).is_file():
            return None
        inside = folder.relative_to(repository.top.resolve()).as_posix()
        root = "" if inside == "." else f"{inside}/"
        return Recall(repository, root, f"{packages.stat().st_mtime_ns} {_cut_off(repository)}")
    return None


def _cut_off(repository: Glance) -> str:
    """Return where the history of a shallow clone ends: what was there before may be known some day."""
    shallow = repository.common / "shallow"
    return hashlib.sha256(shallow.read_bytes()).hexdigest() if shallow.exists() else ""
