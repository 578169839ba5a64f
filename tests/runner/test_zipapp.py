"""The zipapp of the runner."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import reconciler.runner
from reconciler.runner.zipapp import add_bytecode, build_zipapp

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


def _run(zipapp: bytes, folder: Path) -> str:
    """Return what a zipapp prints that is started without arguments."""
    (folder / "runner.pyz").write_bytes(zipapp)
    command = [sys.executable, "-I", "-S", str(folder / "runner.pyz")]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder).stderr


def _without(zipapp: bytes, suffix: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(zipapp)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            if not name.endswith(suffix):
                target.writestr(name, source.read(name))
    return buffer.getvalue()


def test_a_zipapp_with_bytecode_compiles_nothing(tmp_path: Path) -> None:
    zipapp = _without(add_bytecode(build_zipapp()), ".py")
    assert _run(zipapp, tmp_path) == "usage: runner.pyz SPEC.JSON\n"


def test_another_version_of_python_runs_the_sources_of_a_zipapp_with_bytecode(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(add_bytecode(build_zipapp()))) as source,
        zipfile.ZipFile(buffer, "w") as target,
    ):
        assert "runner/main.pyc" in source.namelist()
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, b"\0\0\r\n" + content[4:] if name.endswith(".pyc") else content)
    assert _run(buffer.getvalue(), tmp_path) == "usage: runner.pyz SPEC.JSON\n"


def test_a_run_of_a_command_loads_only_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "runner.pyz").write_bytes(build_zipapp())
    code = "import sys; sys.path.insert(0, 'runner.pyz'); import runner.main; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", code]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.split())
    own = {"container", "instances", "leader", "mpi", "parallel_step", "queue", "ray_driver", "zipapp"}
    others = {"asyncio", "email", "hashlib", "http", "logging", "multiprocessing", "ssl", "urllib.request", "zipfile"}
    assert loaded & (others | {f"runner.{name}" for name in own}) == set()
    assert "runner.process" in loaded


def test_a_runner_that_ends_has_told_its_exit_code_and_all_that_it_has_to_say(tmp_path: Path) -> None:
    (tmp_path / "runner.pyz").write_bytes(build_zipapp())
    command = [sys.executable, "-I", "-S", str(tmp_path / "runner.pyz"), "--apart", "none.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the spec none.json cannot be read: ")
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], check=False, cwd=tmp_path)
    assert closed.returncode == 1
