"""Fixtures: a repository that an author pushes to, the clone of the controller, and the controller as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from workspaces import SMALL, commit, edit, git, write

# Records its execution; if told to wait, waits until the test lets it end.
_SCRIPT = """
import pathlib, sys, time
here = pathlib.Path({here!r})
with (here / "executions").open("a") as file:
    file.write("once\\n")
deadline = time.monotonic() + 300
while (here / "wait").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
{body}
pathlib.Path(sys.argv[3], "total.txt").write_text(sys.argv[2])
"""


@dataclass(frozen=True)
class Site:
    """``author`` pushes to ``bare``; the controller runs in ``clone``."""

    top: Path

    @property
    def author(self) -> Path:
        return self.top / "author"

    @property
    def bare(self) -> Path:
        return self.top / "bare.git"

    @property
    def clone(self) -> Path:
        return self.top / "clone"

    def push(self, files: Mapping[str, str] | None = None) -> str:
        """Commit and push the files of the author; return the commit."""
        pushed = commit(self.author, files=files)
        git(self.author, "push", "--quiet", "--force", "origin", "main")
        return pushed

    def edit(self, name: str, old: str, new: str) -> str:
        edit(self.author, name, old, new)
        return self.push()

    def script(self, body: str) -> None:
        """Make the job execute this code at its end."""
        write(self.author, {"src/sum.py": _SCRIPT.format(here=str(self.top), body=body)})

    def executions(self) -> int:
        path = self.top / "executions"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def hold_runs(self) -> None:
        """Make runs wait until they are released."""
        (self.top / "wait").touch()

    def release_runs(self) -> None:
        (self.top / "wait").unlink(missing_ok=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    write(site.author, SMALL)
    git(site.author, "init", "--quiet")
    site.script("")
    commit(site.author, "start")
    git(tmp_path, "clone", "--quiet", "--bare", "author", "bare.git")
    git(site.author, "remote", "add", "origin", str(site.bare))
    git(tmp_path, "clone", "--quiet", "bare.git", "clone")
    yield site
    site.release_runs()


@dataclass
class Controller:
    """A running controller, and the lines of its output so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with suppress(ValueError):  # the pipe is closed at the end of the test
            self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def wait_for(self, text: str, *, times: int = 1) -> str:
        """Wait until so many lines have a text; return the last of them."""
        deadline = time.monotonic() + 120
        while True:
            is_waiting = self._reader.is_alive() and time.monotonic() < deadline
            if len(matches := [line for line in [*self.lines] if text in line]) >= times:
                return matches[-1]
            assert is_waiting, "\n".join([f"not in the output: {text}", *self.lines])
            time.sleep(0.02)

    def count(self, text: str) -> int:
        return sum(text in line for line in [*self.lines])

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait until the controller ends, and return its exit code."""
        self.send_signal(number)
        return self.process.wait(120)


@pytest.fixture
def controller(mlgit_process: Callable[..., subprocess.Popen[str]], site: Site) -> Iterator[Callable[..., Controller]]:
    """Return a function that starts a controller in the clone: ``controller("--listen", "0")``."""
    started: list[Controller] = []

    def start(*options: str, cwd: Path = site.clone, env: Mapping[str, str] | None = None) -> Controller:
        process = mlgit_process("reconcile", "--interval", "0.3s", *options, cwd=cwd, env=env)
        started.append(Controller(process))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
        for stream in (running.process.stdout, running.process.stderr):
            if stream:
                stream.close()
