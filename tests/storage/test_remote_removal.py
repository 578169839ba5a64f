"""Removal on a service, in every order of requests: a scheduler lets one request of several users happen at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_files import put_files

from reconciler.storage import _remote_removal
from reconciler.storage._remote_file import RemoteFile
from reconciler.storage._url_store import UrlStore
from reconciler.storage.folder_store import FolderStore
from reconciler.storage.transfers import TransferPool

FILES = [("a", 0o100644, b"a"), ("b", 0o100755, b"b")]
_DAY = 86400.0
SCHEDULES = st.lists(st.integers(0, 2), max_size=60)


class Killed(BaseException):
    """The process was killed: no request follows."""


@dataclass
class Clock:
    """The time of the service and of all machines; waiting lets it pass."""

    now: float = 100 * _DAY
    turn: Callable[[], None] = lambda: None

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.turn()


@dataclass
class Turns:
    """Lets one of several threads go on until its next request, as a schedule says; then the others in turn."""

    schedule: list[int]
    waiting: list[int] = field(default_factory=list)
    current: int = -1
    changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self, works: Mapping[int, Callable[[], None]]) -> None:
        self.waiting = list(works)
        threads = [threading.Thread(target=self._work, args=item, daemon=True) for item in works.items()]
        with self.changed:
            self._choose()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(180)
            assert not thread.is_alive()

    def _work(self, number: int, work: Callable[[], None]) -> None:
        _THREAD.number = number
        self._await(number)
        try:
            work()
        finally:
            with self.changed:
                self.waiting.remove(number)
                self._choose()

    def pause(self) -> None:
        """Let the next one go on."""
        number = getattr(_THREAD, "number", None)
        if number is None:
            return
        with self.changed:
            self._choose()
        self._await(number)

    def _await(self, number: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.current == number, 180)

    def _choose(self) -> None:
        if self.waiting:
            wanted = self.schedule.pop(0) if self.schedule else self.current + 1
            later = [number for number in sorted(self.waiting) if number >= wanted]
            self.current = later[0] if later else min(self.waiting)
        self.changed.notify_all()


_THREAD = threading.local()


class TakenTurns:
    """The files of a service in memory, as ``RemoteFiles`` has them: each request is one step, for all users."""

    location = "memory"

    def __init__(self, files: dict[str, tuple[bytes, float]], clock: Clock, turns: Turns, steps: int = 10**9) -> None:
        self.files, self.clock, self.turns, self.steps = files, clock, turns, steps

    def _request(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise Killed
        self.turns.pause()

    def _describe(self, path: str) -> RemoteFile:
        data, modified = self.files[path]
        return RemoteFile(len(data), (hash(data), len(data), int(modified), 0), "", modified)

    def find(self, path: str) -> RemoteFile | None:
        self._request()
        return self._describe(path) if path in self.files else None

    def list(self, folder: str) -> Mapping[str, RemoteFile | None]:
        self._request()
        below = [path for path in self.files if path.startswith(f"{folder}/")]
        names = {path[len(folder) + 1 :].partition("/")[0]: path for path in below}
        return {name: self._describe(path) if path == f"{folder}/{name}" else None for name, path in names.items()}

    def read(self, path: str) -> bytes | None:
        self._request()
        return self.files.get(path, (None, 0.0))[0]

    def replace(self, path: str, data: bytes) -> None:
        self._request()
        self.files[path] = (data, self.clock.now)

    def upload(self, source: Path, path: str, _concurrency: int, _on_bytes: Callable[[int], None]) -> None:
        self.replace(path, source.read_bytes())

    def download(self, path: str, target: Path, *_: int | Callable[[int], None]) -> bool:
        self._request()
        if path not in self.files:
            return False
        target.write_bytes(self.files[path][0])
        return True

    @contextmanager
    def open(self, path: str):
        self._request()
        if path not in self.files:
            raise FileNotFoundError(path)
        yield BytesIO(self.files[path][0])

    def remove_abandoned(self, before: float) -> None:
        """Do nothing: no upload is killed between two requests."""

    def delete(self, path: str) -> None:
        self._request()
        self.files.pop(path, None)


class Machines:
    """One service, and the machines that use it, each with a cache of its own."""

    def __init__(self, folder: Path, schedule: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.files, self.clock = folder, {}, Clock()
        self.turns = Turns([])
        self.schedule = schedule
        self.clock.turn = self.turns.pause
        monkeypatch.setattr(_remote_removal, "time", self.clock)
        monkeypatch.setattr(TransferPool, "map", lambda _self, call, values: [call(value) for value in values])
        self.count = 0

    def open(self, steps: int = 10**9) -> UrlStore:
        self.count += 1
        remote = TakenTurns(self.files, self.clock, self.turns, steps)
        return UrlStore(remote, FolderStore(self.folder / str(self.count)), jobs=1)

    def run(self, *works: Callable[[], None]) -> None:
        self.turns.schedule = list(self.schedule)
        self.turns.run(dict(enumerate(works)))


def remove_old(machines: Machines, store: UrlStore) -> None:
    try:
        old = machines.clock.now - _DAY
        store.remove([item.digest for item in store.objects()], old)
    except Killed:
        return


ON_SCHEDULES = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ON_SCHEDULES
@given(schedule=SCHEDULES, steps=st.none() | st.integers(0, 40), is_put=st.booleans(), has_list=st.booleans())
def test_what_is_used_or_stored_while_old_objects_are_removed_is_whole(schedule, steps, is_put, has_list, monkeypatch):
    """Two users and a removal, which may be killed; afterwards another one removes what is old by then."""
    with TemporaryDirectory() as folder, monkeypatch.context() as patch:
        machines = Machines(Path(folder), schedule, patch)
        content = put_files(machines.open(), FILES)
        if not has_list:
            del machines.files[f"files/md5/{content.digest[:2]}/{content.digest[2:]}"]
        machines.clock.now += 30 * _DAY
        whole = []

        def use() -> None:
            store = machines.open()
            assert (not is_put and store.keep(content)) or put_files(store, FILES) == content
            whole.append(store)

        remover = machines.open(10**9 if steps is None else steps)
        machines.run(lambda: remove_old(machines, remover), use, use)
        remove_old(machines, machines.open())
        assert len(whole) == 2
        assert machines.open().verify(content, deep=True) == ()
        machines.clock.now += 30 * _DAY
        remove_old(machines, machines.open())
        assert [path for path in machines.files if path.startswith(("files/", "modes/"))] == []


def is_lost(folder: Path, turn: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let a removal make so many requests before a content is kept, and return True if it is lost then."""
    machines = Machines(folder, [0] * turn + [1] * 40, monkeypatch)
    content = put_files(machines.open(), FILES)
    machines.clock.now += 30 * _DAY
    store, remover, kept = machines.open(), machines.open(), []
    machines.run(lambda: remove_old(machines, remover), lambda: kept.append(store.keep(content)))
    return kept == [True] and machines.open().verify(content) != ()


@pytest.mark.parametrize("name", ["mark", "wait", ""])
def test_without_marks_or_waiting_it_would_be_lost(name, tmp_path, monkeypatch):
    """The test above can fail."""
    if name:
        owner = _remote_removal.UseMarks if name == "mark" else _remote_removal.RemovalNotices
        monkeypatch.setattr(owner, name, lambda *_: False)
    lost = [is_lost(tmp_path / str(turn), turn, monkeypatch) for turn in range(24)]
    assert any(lost) is bool(name)
