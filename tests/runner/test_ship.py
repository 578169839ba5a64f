"""The runner as one file."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from reconciler.runner import zipapp
from reconciler.runner.zipapp import build_zipapp

_PACKAGE = Path(zipapp.__file__).parent


def test_the_same_files_give_the_same_bytes() -> None:
    elsewhere = "import sys, reconciler.runner.zipapp as s; sys.stdout.buffer.write(s.build_zipapp())"
    other = subprocess.run([sys.executable, "-c", elsewhere], capture_output=True, check=True, cwd=_PACKAGE.parents[1])
    assert other.stdout == build_zipapp()


def test_the_archive_holds_the_package_and_nothing_else() -> None:
    with zipfile.ZipFile(io.BytesIO(build_zipapp())) as file:
        names = set(file.namelist())
    sources = {f"runner/{path.relative_to(_PACKAGE).as_posix()}" for path in _PACKAGE.rglob("*.py")}
    assert names == sources | {"__main__.py"}


def test_the_shipped_runner_needs_the_standard_library_only(tmp_path: Path) -> None:
    (tmp_path / "runner.pyz").write_bytes(build_zipapp())
    command = [sys.executable, "-I", "-S", str(tmp_path / "runner.pyz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "say which run: runner.pyz SPEC.JSON\n")
