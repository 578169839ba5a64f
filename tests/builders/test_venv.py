"""The venv builder with a real uv: errors are reported as diagnostics, and leave no unfinished prefix."""

from __future__ import annotations

import json
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

from reconciler.builders._finished import MARKER
from reconciler.builders._uv import error_from_stderr, run_program
from reconciler.builders._venv import VenvBuilder
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.builder import BuildPlan, Built
from reconciler.model.tasks import Prefix
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow

TIMEOUT_SECONDS = 60
LOCK_WITH_WRONG_HASH = f"six==1.17.0 \\\n    --hash=sha256:{'0' * 64}\n"
ABSENT = "no-such-package-of-mlgit"


def build_request(*packages: str, python: str = "", lock: str = "") -> BuildPlan:
    return BuildPlan("environment/x", "f" * 64, requires_python=python, packages=packages, lock=lock)


# The builder `venv` stores nothing.
STORE = FolderStore(Path("unused"))


def prefix_of(built: Built) -> str:
    assert isinstance(built.environment, Prefix)
    return built.environment.path


def ignore(_: str) -> None:
    pass


def build_error(root: Path, request: BuildPlan) -> Diagnostic:
    with pytest.raises(UserError) as caught:
        VenvBuilder(root).build(request, STORE, ignore)
    assert prefixes(root) == []
    return caught.value.diagnostics[0]


def prefixes(root: Path) -> list[Path]:
    return [path.parent for path in root.glob("venv/*/pyvenv.cfg")]


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[socket.socket]:
    """The package index of uv: it accepts connections and never answers; the cache of uv is empty."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TIMEOUT_SECONDS)
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


def test_a_package_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    diagnostic = build_error(tmp_path, build_request("six", ABSENT))
    assert diagnostic.code == "package-not-found"
    assert diagnostic.message == f"environment/x: the package '{ABSENT}' does not exist in the package index"
    assert diagnostic.hint == "check the spelling in the conda file"


def test_a_version_that_does_not_exist_is_no_conflict(tmp_path: Path) -> None:
    diagnostic = build_error(tmp_path, build_request("six==99.0"))
    assert diagnostic.code == "package-not-found"
    assert diagnostic.message == "environment/x: the package index has no version six==99.0"


def test_conflicting_versions_are_an_error(tmp_path: Path) -> None:
    diagnostic = build_error(tmp_path, build_request("six>=1.17", "six<1.10"))
    assert diagnostic.code == "packages-conflict"
    assert "six>=1.17 and six<1.10" in diagnostic.message


def test_a_package_without_a_wheel_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    index = tmp_path_factory.mktemp("index")
    project = index / "wheelless-1.0"
    project.mkdir()
    marker = index / "code-was-run"
    (project / "setup.py").write_text(f"open({str(marker)!r}, 'w')")
    (project / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: wheelless\nVersion: 1.0\n")
    with tarfile.open(index / "wheelless-1.0.tar.gz", "w:gz") as archive:
        archive.add(project, project.name)
    monkeypatch.setenv("UV_FIND_LINKS", str(index))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    diagnostic = build_error(tmp_path, build_request("wheelless"))
    assert diagnostic.code == "package-without-wheel"
    assert "'wheelless==1.0' has no wheel" in diagnostic.message
    assert not marker.exists()


def test_an_unreachable_index_is_an_error_about_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # closed at the end of the block
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:hunter2@127.0.0.1:{port}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    diagnostic = build_error(tmp_path, build_request("six"))
    assert diagnostic.code == "network-unreachable"
    assert "hunter2" not in str(diagnostic)


def test_a_missing_python_version_is_an_error(tmp_path: Path) -> None:
    diagnostic = build_error(tmp_path, build_request("six", python=">=9.9"))
    assert diagnostic.code == "python-not-found"
    assert "no Python >=9.9 on this machine" in diagnostic.message


def test_a_package_that_does_not_match_the_lock_is_an_error(tmp_path: Path) -> None:
    diagnostic = build_error(tmp_path, build_request("six", lock=LOCK_WITH_WRONG_HASH))
    assert diagnostic.code == "package-changed"
    assert "six==1.17.0" in diagnostic.message


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "venv").write_text("not a folder")
    diagnostic = build_error(tmp_path, build_request("six"))
    assert diagnostic.code == "cache-not-writable"


def test_an_unknown_error_of_uv_is_reported_with_credentials_redacted() -> None:
    diagnostic = error_from_stderr(
        "environment/x", "error: something failed\n  cause: https://me:hunter2@host/\n"
    ).diagnostics[0]
    assert (diagnostic.code, diagnostic.message) == (
        "environment-build-failed",
        "environment/x: something failed https://***@host/",
    )


def test_the_lock_has_no_url_of_an_index(tmp_path: Path) -> None:
    environment = VenvBuilder(tmp_path).build(build_request("six"), STORE, ignore)
    assert "://" not in environment.lock
    assert environment.lock.startswith("six==")
    assert "--hash=sha256:" in environment.lock


def test_an_environment_without_packages_needs_no_index(tmp_path: Path, silent_index: socket.socket) -> None:
    environment = VenvBuilder(tmp_path).build(build_request(), STORE, ignore)
    assert environment.lock == ""
    assert VenvBuilder(tmp_path).find("f" * 64) == environment


def test_two_concurrent_builds_install_once(tmp_path: Path) -> None:
    messages: list[str] = []
    request = build_request("six", "iniconfig")
    barrier = threading.Barrier(2)

    def build() -> object:
        barrier.wait(TIMEOUT_SECONDS)
        return VenvBuilder(tmp_path).build(request, STORE, messages.append)

    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(build), pool.submit(build)]
        environments = [future.result(TIMEOUT_SECONDS) for future in futures]
    assert environments[0] == environments[1]
    assert len([message for message in messages if message.startswith("installing")]) == 1
    assert len(prefixes(tmp_path)) == 1


def test_a_prefix_without_its_python_is_built_again(tmp_path: Path) -> None:
    builder = VenvBuilder(tmp_path)
    environment = builder.build(build_request("six"), STORE, ignore)
    program = Path(prefix_of(environment), "bin", "python")
    program.unlink()
    assert builder.find("f" * 64) is None
    assert builder.build(build_request("six"), STORE, ignore) == environment
    assert program.exists()


def test_an_index_file_that_lacks_something_is_as_good_as_none(tmp_path: Path) -> None:
    builder = VenvBuilder(tmp_path)
    environment = builder.build(build_request(), STORE, ignore)
    (file,) = tmp_path.glob("**/by-fingerprint/*.json")
    index = json.loads(file.read_text())
    for missing in index:
        file.write_text(json.dumps({key: value for key, value in index.items() if key != missing}))
        assert builder.find("f" * 64) is None, missing
    assert builder.build(build_request(), STORE, ignore) == environment


def test_a_failed_build_does_not_replace_the_finished_one(tmp_path: Path) -> None:
    builder = VenvBuilder(tmp_path)
    environment = builder.build(build_request("six"), STORE, ignore)
    with pytest.raises(UserError):
        builder.build(build_request("six", lock=LOCK_WITH_WRONG_HASH), STORE, ignore)
    assert builder.find("f" * 64) == environment


def test_uv_gets_no_secrets_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "UV_PUBLISH_TOKEN", "PYTHONPATH", "VIRTUAL_ENV", "UV_PYTHON"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("UV_INDEX_URL", "kept")
    result = run_program([sys.executable, "-I", "-c", "import os; print(dict(os.environ))"])
    assert "hunter2" not in result.stdout
    assert "'UV_INDEX_URL': 'kept'" in result.stdout


SCRIPT = """
import sys
from pathlib import Path
from reconciler.model.builder import BuildPlan
from reconciler.builders._venv import VenvBuilder
root, lock = sys.argv[1:]
try:
    VenvBuilder(Path(root)).build(BuildPlan("environment/x", "f" * 64, packages=("six",), lock=lock), None, print)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("lock", ["", LOCK_WITH_WRONG_HASH], ids=["while resolving", "while installing"])
def test_an_interrupt_terminates_uv_and_leaves_no_prefix(
    tmp_path: Path, silent_index: socket.socket, lock: str
) -> None:
    root = tmp_path / "root"
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), lock]) as child:
        connection, _ = silent_index.accept()  # uv is running and waits for a response
        with connection:
            connection.settimeout(TIMEOUT_SECONDS)
            assert connection.recv(65536)
            assert len(prefixes(root)) == (1 if lock else 0)
            os.kill(child.pid, signal.SIGINT)
            assert child.wait(TIMEOUT_SECONDS) == 130
            assert connection.recv(65536) == b""  # uv has exited, so its end of the connection is closed
    assert prefixes(root) == []
    assert list(root.glob(f"venv/*/{MARKER}")) == []
    assert VenvBuilder(root).find("f" * 64) is None


@pytest.mark.parametrize(
    "damage", ["{}", "[]", "{", '{"format": 2}', '{"format": 2, "identity": "x", "variables": {}}']
)
def test_an_environment_whose_index_file_is_damaged_is_built_again(tmp_path: Path, damage: str) -> None:
    builder, request = VenvBuilder(tmp_path), build_request()
    built = builder.build(request, STORE, ignore)
    (index,) = tmp_path.glob("venv/by-fingerprint/*.json")
    index.write_text(damage, encoding="utf-8")
    assert builder.find(request.fingerprint) is None
    assert builder.build(request, STORE, ignore) == built
