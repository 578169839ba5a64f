"""A bench that starts the runner as a backend does: with a store, the folder of a run, and the zipapp."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from reconciler.runner.zipapp import build_zipapp

REGULAR, EXECUTABLE, SYMLINK = 0o100644, 0o100755, 0o120000
SCRIPTS = Path(__file__).with_name("scripts")


@dataclass
class Bench:
    """One run under test; ``spec`` can be changed until the run is started."""

    root: Path
    spec: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=lambda: {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]})

    def __post_init__(self) -> None:
        self.folder = self.root / "store" / "runs" / "train-1a2b3c4d"
        self.folder.mkdir(parents=True)
        (self.root / "runner.pyz").write_bytes(build_zipapp())
        self.spec = {
            "format": 2,
            "token": "c0ffee",
            "run": "train-1a2b3c4d",
            "address": "job/train",
            "command": "true",
            "token_file": str(self.root / "store" / "tokens" / "c0ffee"),
            "folder": str(self.folder),
            "code": [],
            "inputs": {},
            "outputs": {},
            "environment": {"path": [str(Path(sys.executable).parent)], "variables": {}},
            "variables": {},
            "timeout": None,
            "tracking": None,
        }

    def row(self, path: str, content: str, mode: int = REGULAR) -> list[Any]:
        """Put a file into the store and return its row in a spec."""
        objects = self.root / "store" / "files"
        objects.mkdir(exist_ok=True)
        stored = objects / f"{len(list(objects.iterdir())):04d}"
        stored.write_text(content)
        stored.chmod(0o444)
        return [path, str(stored), mode]

    def files(self, type_: str, mode: str, *rows: list[Any]) -> dict[str, Any]:
        return {"kind": "files", "type": type_, "mode": mode, "files": list(rows)}

    def script(self, text: str) -> None:
        """Make a Python script the command of the run."""
        self.spec["code"] = [self.row("script.py", text)]
        self.spec["command"] = "python script.py"

    def start(self, **changes: Any) -> subprocess.Popen[str]:
        """Start the runner as a backend does."""
        (self.root / "spec.json").write_text(json.dumps({**self.spec, **changes}))
        return self.launch(*(changes[name] for name in ("child_lock_fd", "alive_fd") if name in changes))

    def launch(self, *files: int) -> subprocess.Popen[str]:
        """Start the runner with the current spec.json; it inherits the open files."""
        return subprocess.Popen(
            [sys.executable, "-I", str(self.root / "runner.pyz"), str(self.root / "spec.json")],
            env=self.variables,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=files,
        )

    def run(self, **changes: Any) -> dict[str, Any]:
        """Return the result of a run that is executed to its end; the exit code of the runner must match it."""
        process = self.start(**changes)
        _, stderr = process.communicate(timeout=120)
        assert stderr == ""
        result = self.result()
        assert process.returncode == (0 if result["status"] == "completed" else 1)
        return result

    def result(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return document

    def log(self) -> str:
        return (self.folder / "user_logs" / "std_log.txt").read_text()

    def metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]

    def wait_for_log(self, text: str) -> None:
        self.wait_until(lambda: (self.folder / "user_logs" / "std_log.txt").exists() and text in self.log())

    @staticmethod
    def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition was not met in time"
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def scripts() -> Path:
    return SCRIPTS


@pytest.fixture(scope="session")
def environment_with() -> Callable[..., Path]:
    """Return a function that installs an environment of real packages, kept for the next test session."""
    cache = user_cache_path("mlgit-tests", ensure_exists=True)
    uv = Path(sys.executable).with_name("uv")

    def make(name: str, *packages: str) -> Path:
        folder = cache / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
        with FileLock(f"{folder}.lock"):
            if not (folder / "complete").exists():
                python = folder / "bin" / "python"
                subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
                subprocess.run([uv, "pip", "install", "-q", "--python", python, *packages], check=True)
                (folder / "complete").touch()
        return folder / "bin"

    return make
