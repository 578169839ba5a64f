"""A repository that others push to, a clone in which the controller works, and the controller as a process."""

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

# Notes that it is executed; if it is to wait, until the test lets it end.
_SCRIPT = """
import pathlib, sys, time
here = pathlib.Path({here!r})
with (here / "executions").open("a") as file:
    file.write("once\\n")
deadline = time.monotonic() + 60
while (here / "wait").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
{body}
pathlib.Path(sys.argv[3], "total.txt").write_text(sys.argv[2])
"""


@dataclass(frozen=True)
class Site:
    """``author`` pushes to ``bare``; the controller works in ``clone``."""

    here: Path

    @property
    def author(self) -> Path:
        return self.here / "author"

    @property
    def bare(self) -> Path:
        return self.here / "bare.git"

    @property
    def clone(self) -> Path:
        return self.here / "clone"

    def push(self, files: Mapping[str, str] | None = None) -> str:
        """Commit everything that the author has, and push it."""
        made = commit(self.author, files=files)
        git(self.author, "push", "--quiet", "--force", "origin", "main")
        return made

    def edit(self, name: str, old: str, new: str) -> str:
        edit(self.author, name, old, new)
        return self.push()

    def script(self, body: str) -> None:
        """Make the job do this at its end."""
        write(self.author, {"src/sum.py": _SCRIPT.format(here=str(self.here), body=body)})

    def executions(self) -> int:
        noted = self.here / "executions"
        return len(noted.read_text().splitlines()) if noted.exists() else 0

    def hold(self) -> None:
        """Make runs wait until they are let go."""
        (self.here / "wait").touch()

    def let_go(self) -> None:
        (self.here / "wait").unlink(missing_ok=True)


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
    site.let_go()


@dataclass
class Controller:
    """A controller that goes on, and what it has said so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with suppress(ValueError):  # closed: the test is over
            self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def says(self, text: str, *, times: int = 1) -> str:
        """Wait until it has said something so many times; return the last of those lines."""
        deadline = time.monotonic() + 40
        while True:
            going_on = self._reader.is_alive() and time.monotonic() < deadline
            if len(found := [line for line in [*self.lines] if text in line]) >= times:
                return found[-1]
            assert going_on, "\n".join([f"never said: {text}", *self.lines])
            time.sleep(0.02)

    def counted(self, text: str) -> int:
        return sum(text in line for line in [*self.lines])

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end, and return its exit code."""
        self.tell(number)
        return self.process.wait(60)


@pytest.fixture
def controller(mlgit_process: Callable[..., subprocess.Popen[str]], site: Site) -> Iterator[Callable[..., Controller]]:
    """Start a controller in the clone: ``controller("--listen", "0")``."""
    started: list[Controller] = []

    def start(*options: str, cwd: Path = site.clone, env: Mapping[str, str] | None = None) -> Controller:
        process = mlgit_process("reconcile", "--interval", "0.3s", *options, cwd=cwd, env=env)
        started.append(Controller(process))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        for stream in (each.process.stdout, each.process.stderr):
            if stream:
                stream.close()
