"""The builder `docker` where there is no BuildKit, on a real engine: the same images by the API of the engine."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from builders.test_docker import CONTEXT, FILES, LONG, PACKAGES, SLEEPS, build, builder, failure, image_of, staged
from services.docker import BASE, DockerEngine
from workspaces import until

from reconciler.diagnostics import UserError
from reconciler.docker_socket import LABELS
from reconciler.storage.folder_store import FolderStore

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.usefixtures("docker_host", "no_buildkit")]

FINGERPRINT = "f" * 64
KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from builders import test_docker as tests
from reconciler.storage.folder_store import FolderStore
folder = Path(sys.argv[1])
tests.build(tests.builder(folder / "builder"), FolderStore(folder / "store"), tests.CONTEXT,
            tests.SLEEPS, progress=lambda text: print(text, flush=True))
"""


@pytest.fixture
def no_buildkit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_packages_are_installed_with_the_lock_and_the_identity_of_a_build_with_buildkit(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, messages = build(builder(tmp_path / "one"), store, PACKAGES)
    assert "building without BuildKit: DOCKER_BUILDKIT is 0" in messages
    assert any(message.startswith("Collecting six==1.17.0") for message in messages)
    reference = image_of(built).reference
    assert docker_host.run("run", "--rm", reference, "python", "-c", "import six; print(six.__version__)") == "1.17.0"
    assert docker_host.run("run", "--rm", reference, "ls", "/tmp") == ""  # noqa: S108 - of the image
    label = f'{{{{index .Config.Labels "{LABELS}identity"}}}}'
    assert docker_host.run("inspect", "--format", label, reference) == built.identity
    docker_host.remove_images()
    monkeypatch.delenv("DOCKER_BUILDKIT")
    other, _ = build(builder(tmp_path / "two"), store, PACKAGES)
    assert (other.identity, other.lock, other.base) == (built.identity, built.lock, built.base)


def test_packages_are_installed_on_an_image_with_a_user_who_is_not_root(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nUSER 1000:1000\n", encoding="utf-8")
    docker_host.run("build", "--quiet", "--tag", "with-user:1", str(tmp_path))
    spec = {"image": "with-user:1", "conda_file": {"dependencies": ["python>=3.11"], "variables": {"A": "$x"}}}
    built, _ = build(builder(tmp_path / "builder"), store, spec)
    reference = image_of(built).reference
    assert docker_host.run("run", "--rm", reference, "sh", "-c", 'id -u; echo "$A"').split() == ["1000", "$x"]
    docker_host.run("rmi", "with-user:1")


def test_a_context_is_built_without_what_its_ignore_file_names(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")
    built, _ = build(made, store, CONTEXT, FILES)
    listed = docker_host.run("run", "--rm", image_of(built).reference, "find", "/files", "-type", "f")
    assert sorted(listed.split()) == ["/files/.dockerignore", "/files/Dockerfile", "/files/train.py"]
    own = {**FILES, "a/gpu.Dockerfile": FILES["Dockerfile"], "a/gpu.Dockerfile.dockerignore": "a\n"}
    spec = {"build": {"path": "context", "dockerfile_path": "a/gpu.Dockerfile"}}
    built, _ = build(made, store, spec, own, fingerprint="e" * 64)
    listed = docker_host.run("run", "--rm", image_of(built).reference, "find", "/files", "-name", "*.*", "-type", "f")
    assert {"/files/README.md", "/files/train.py"} <= set(listed.split())


def test_a_failed_build_shows_its_last_lines_and_keeps_the_whole_log(store: FolderStore, tmp_path: Path) -> None:
    made = builder(tmp_path / "builder")
    files = {"Dockerfile": f"FROM {BASE}\n{LONG}"}
    with pytest.raises(UserError) as caught:
        build(made, store, CONTEXT, files)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "environment-build-failed"
    assert "line 40" in diagnostic.example
    assert "returned a non-zero code: 3" in diagnostic.example[-1]
    assert len(diagnostic.example) == 20
    path = diagnostic.hint.removeprefix("the whole log is in ").removesuffix("; its last lines:")
    log = Path(path).read_text("utf-8")
    assert all(f"line {number}\n" in log for number in range(1, 41))
    assert made.find(FINGERPRINT) is None


def test_a_dockerfile_that_needs_buildkit_is_refused_before_the_build(store: FolderStore, tmp_path: Path) -> None:
    text = f"FROM {BASE}\nRUN --mount=type=secret,id=token \\\n  cat /run/secrets/token\nRUN <<EOF\necho\nEOF\n"
    made = builder(tmp_path / "builder")
    code, message, hint = failure(lambda: build(made, store, CONTEXT, {"Dockerfile": text}))
    assert code == "buildkit-missing"
    assert message == (
        "environment/tiny: Dockerfile needs BuildKit for RUN --mount (line 2), RUN <<EOF (line 4), and this machine "
        "builds without: DOCKER_BUILDKIT is 0"
    )
    assert hint.startswith("install docker")


def test_the_password_of_the_package_index_is_refused_before_the_build(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://someone:s3cr3t-pass@pypi.org/simple")
    code, message, _ = failure(lambda: build(builder(tmp_path / "builder"), store, PACKAGES))
    assert code == "buildkit-missing"
    assert "the package index has a password" in message
    assert "s3cr3t-pass" not in message
    assert docker_host.run("images", "--quiet", "mlgit/environment") == ""


def test_an_index_without_a_password_is_used(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX", "own=https://pypi.org/simple/")
    _, messages = build(builder(tmp_path / "builder"), store, PACKAGES)
    assert any(message.endswith(", https://pypi.org/simple/") for message in messages if "Looking in" in message)


@pytest.mark.parametrize("program", ["none", "without buildx"])
def test_a_machine_without_a_docker_command_that_has_buildkit_builds_too(
    program: str, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_BUILDKIT")
    (tmp_path / "bin").mkdir()
    if program != "none":
        (tmp_path / "bin/docker").write_text("#!/bin/sh\necho 'BuildKit is enabled but buildx is missing'\nexit 1\n")
        (tmp_path / "bin/docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    _, messages = build(builder(tmp_path / "builder"), store, CONTEXT, FILES)
    (reason,) = (message for message in messages if message.startswith("building without BuildKit"))
    assert ("there is no command docker" in reason) == (program == "none")


def test_a_build_that_was_killed_is_not_taken_for_a_finished_one(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    tests = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(tests)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        until(lambda: "Running in" in process.stdout.readline())
        process.kill()
    made = builder(tmp_path / "builder")
    assert made.find(FINGERPRINT) is None
    assert docker_host.run("images", "--quiet", "mlgit/environment") == ""
    assert (staged(tmp_path) / FINGERPRINT / "private/context.tar").is_file()
    built, _ = build(made, store, CONTEXT, SLEEPS)
    assert docker_host.run("run", "--rm", image_of(built).reference, "ls", "/made") == "/made"
    assert not any(staged(tmp_path).iterdir())


def test_a_build_that_is_stopped_ends_at_once_and_leaves_nothing(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")

    def stop(text: str) -> None:
        if "Running in" in text:
            threading.Thread(target=made.stop).start()

    files = {"Dockerfile": f"FROM {BASE}\nRUN sleep 300\n"}
    code, _, _ = failure(lambda: build(made, store, CONTEXT, files, progress=stop))
    assert code == "build-stopped"
    assert made.find(FINGERPRINT) is None
    assert docker_host.run("images", "--quiet", "mlgit/environment") == ""
    until(lambda: docker_host.run("ps", "--quiet") == "")
