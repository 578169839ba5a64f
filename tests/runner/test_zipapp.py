"""The zipapp of the runner."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import reconciler.runner
from reconciler.runner.zipapp import build_zipapp

_PACKAGE = Path(reconciler.runner.__file__).parent


def test_equal_sources_give_equal_bytes() -> None:
    code = "import sys; from reconciler.runner.zipapp import build_zipapp; sys.stdout.buffer.write(build_zipapp())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=_PACKAGE.parents[1])
    assert done.stdout == build_zipapp()


def test_the_zipapp_has_the_modules_of_the_package_only() -> None:
    with zipfile.ZipFile(io.BytesIO(build_zipapp())) as archive:
        names = set(archive.namelist())
    sources = {f"runner/{path.relative_to(_PACKAGE).as_posix()}" for path in _PACKAGE.rglob("*.py")}
    assert names == sources | {"__main__.py"}


def test_the_zipapp_needs_the_standard_library_only(tmp_path: Path) -> None:
    (tmp_path / "runner.pyz").write_bytes(build_zipapp())
    command = [sys.executable, "-I", "-S", str(tmp_path / "runner.pyz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "usage: runner.pyz SPEC.JSON\n")
