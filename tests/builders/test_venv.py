"""The venv builder against a real uv: what goes wrong is said in the user's words, and nothing half-made is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.builders import BuildRequest, _uv
from reconciler.builders.venv import MARKER, VenvBuilder
from reconciler.diagnostics import Diagnostic, UserError

pytestmark = pytest.mark.slow

PATIENCE = 60  # seconds after which something hangs
SIX_OF_NOBODY = f"six==1.17.0 \\\n    --hash=sha256:{'0' * 64}\n"
ABSENT = "no-such-package-of-mlgit"


def wanting(*packages: str, python: str = "", lock: str = "") -> BuildRequest:
    return BuildRequest("environment/x", "f" * 64, python, packages, lock)


def ignore(_: str) -> None:
    pass


def refusal(root: Path, request: BuildRequest) -> Diagnostic:
    with pytest.raises(UserError) as caught:
        VenvBuilder(root).build(request, ignore)
    assert prefixes(root) == []
    return caught.value.diagnostics[0]


def prefixes(root: Path) -> list[Path]:
    return [path.parent for path in root.glob("venv/*/pyvenv.cfg")]


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[socket.socket]:
    """A package index that takes connections and never answers; uv is pointed at it, with an empty cache."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def test_a_package_that_does_not_exist_is_named(tmp_path: Path) -> None:
    said = refusal(tmp_path, wanting("six", ABSENT))
    assert said.code == "package-not-found"
    assert said.message == f"environment/x: the package '{ABSENT}' does not exist in the package index"
    assert said.hint == "check the spelling in the conda file"


def test_versions_that_exclude_each_other_are_said_so(tmp_path: Path) -> None:
    said = refusal(tmp_path, wanting("six>=1.17", "six<1.10"))
    assert said.code == "packages-conflict"
    assert "six>=1.17 and six<1.10" in said.message


def test_a_package_without_a_wheel_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shelf = tmp_path_factory.mktemp("shelf")
    project = shelf / "wheelless-1.0"
    project.mkdir()
    evidence = shelf / "code-was-run"
    (project / "setup.py").write_text(f"open({str(evidence)!r}, 'w')")
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: wheelless\nVersion: 1.0\n")
    with tarfile.open(shelf / "wheelless-1.0.tar.gz", "w:gz") as archive:
        archive.add(project, project.name)
    monkeypatch.setenv("UV_FIND_LINKS", str(shelf))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    said = refusal(tmp_path, wanting("wheelless"))
    assert said.code == "package-without-wheel"
    assert "'wheelless==1.0' has no wheel" in said.message
    assert not evidence.exists()


def test_without_a_network_the_message_is_about_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # nobody listens there any more
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:hunter2@127.0.0.1:{port}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    said = refusal(tmp_path, wanting("six"))
    assert said.code == "network-unreachable"
    assert "hunter2" not in str(said)


def test_a_python_that_is_not_here_is_said_so(tmp_path: Path) -> None:
    said = refusal(tmp_path, wanting("six", python=">=9.9"))
    assert said.code == "python-not-found"
    assert "no Python >=9.9 on this machine" in said.message


def test_a_file_that_is_not_the_locked_one_is_not_installed(tmp_path: Path) -> None:
    said = refusal(tmp_path, wanting("six", lock=SIX_OF_NOBODY))
    assert said.code == "package-changed"
    assert "six==1.17.0" in said.message


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "venv").write_text("in the way")
    said = refusal(tmp_path, wanting("six"))
    assert said.code == "cache-not-writable"


def test_an_error_that_nobody_foresaw_is_passed_on() -> None:
    said = _uv.error_from_stderr(
        "environment/x", "error: the dog ate it\n  cause: https://me:hunter2@host/\n"
    ).diagnostics[0]
    assert (said.code, said.message) == ("environment-build-failed", "environment/x: the dog ate it https://***@host/")


def test_the_lock_names_no_index(tmp_path: Path) -> None:
    made = VenvBuilder(tmp_path).build(wanting("six"), ignore)
    assert "://" not in made.lock
    assert made.lock.startswith("six==")
    assert "--hash=sha256:" in made.lock


def test_a_bare_python_needs_no_index(tmp_path: Path, silent_index: socket.socket) -> None:
    made = VenvBuilder(tmp_path).build(wanting(), ignore)
    assert made.lock == ""
    assert VenvBuilder(tmp_path).find("f" * 64) == made


def test_two_builds_at_once_are_one(tmp_path: Path) -> None:
    said: list[str] = []
    request = wanting("six", "iniconfig")
    barrier = threading.Barrier(2)

    def build() -> object:
        barrier.wait(PATIENCE)
        return VenvBuilder(tmp_path).build(request, said.append)

    with ThreadPoolExecutor() as pool:
        one, other = [each.result(PATIENCE) for each in [pool.submit(build), pool.submit(build)]]
    assert one == other
    assert len([line for line in said if line.startswith("installing")]) == 1
    assert len(prefixes(tmp_path)) == 1


def test_a_prefix_whose_python_is_gone_is_built_again(tmp_path: Path) -> None:
    builder = VenvBuilder(tmp_path)
    made = builder.build(wanting("six"), ignore)
    program = Path(made.path_entries[0]) / "python"
    program.unlink()
    assert builder.find(made.fingerprint) is None
    assert builder.build(wanting("six"), ignore) == made
    assert program.exists()


def test_a_failed_build_does_not_hide_the_one_before(tmp_path: Path) -> None:
    builder = VenvBuilder(tmp_path)
    made = builder.build(wanting("six"), ignore)
    with pytest.raises(UserError):
        builder.build(wanting("six", lock=SIX_OF_NOBODY), ignore)
    assert builder.find(made.fingerprint) == made


def test_secrets_stay_out_of_what_uv_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "UV_PUBLISH_TOKEN", "PYTHONPATH", "VIRTUAL_ENV", "UV_PYTHON"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("UV_INDEX_URL", "kept")
    answer = _uv.run_program([sys.executable, "-I", "-c", "import os; print(dict(os.environ))"])
    assert "hunter2" not in answer.stdout
    assert "'UV_INDEX_URL': 'kept'" in answer.stdout


SCRIPT = """
import sys
from pathlib import Path
from reconciler.builders import BuildRequest
from reconciler.builders.venv import VenvBuilder
root, lock = sys.argv[1:]
try:
    VenvBuilder(Path(root)).build(BuildRequest("environment/x", "f" * 64, "", ("six",), lock), print)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("lock", ["", SIX_OF_NOBODY], ids=["while resolving", "while installing"])
def test_an_interrupt_ends_uv_and_leaves_no_prefix(tmp_path: Path, silent_index: socket.socket, lock: str) -> None:
    root = tmp_path / "root"
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), lock]) as child:
        connection, _ = silent_index.accept()  # uv is at work, and waits for an answer
        with connection:
            connection.settimeout(PATIENCE)
            assert connection.recv(65536)
            assert len(prefixes(root)) == (1 if lock else 0)
            os.kill(child.pid, signal.SIGINT)
            assert child.wait(PATIENCE) == 130
            assert connection.recv(65536) == b""  # uv has gone: its end of the connection is closed
    assert prefixes(root) == []
    assert list(root.glob(f"venv/*/{MARKER}")) == []
    assert VenvBuilder(root).find("f" * 64) is None
