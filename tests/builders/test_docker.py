"""The builder `docker` on a real engine: what it builds, what it pulls and pushes, and how its builds fail."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from services.docker import BASE, READ_ONLY, REGISTRY, DockerEngine
from workspaces import until

from reconciler.builders import load_builder
from reconciler.builders._prefix_files import lock_path
from reconciler.diagnostics import UserError
from reconciler.model.builder import Builder, Built
from reconciler.model.content import Content, UploadFile
from reconciler.model.tasks import Image
from reconciler.storage.folder_store import FolderStore

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.usefixtures("docker_host")]

ADDRESS = "environment/tiny"
FINGERPRINT = "f" * 64
PACKAGES = {"image": BASE, "conda_file": {"dependencies": ["python>=3.11", {"pip": ["six==1.17.0"]}]}}
CONTEXT = {"build": {"path": "context"}}
FILES = {
    "Dockerfile": f"FROM {BASE} AS made\nCOPY . /files\n",
    ".dockerignore": "# notes\n*.md\nlogs\n",
    "train.py": "print('hello')",
    "README.md": "first",
    "logs/1": "",
}
LONG = "RUN seq 1 40 | sed 's/^/line /' && exit 3\n"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def builder(folder: Path, **settings: str) -> Builder:
    return load_builder({"type": "docker", **settings}, folder)


def put(store: FolderStore, files: Mapping[str, str]) -> Content:
    def opener(text: str) -> Callable[[], BytesIO]:
        return lambda: BytesIO(text.encode())

    return store.put(UploadFile(name, 0o100644, opener(text)) for name, text in files.items())


def build(  # noqa: PLR0913 - a build has all of these
    builder: Builder,
    store: FolderStore,
    spec: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
    *,
    lock: str = "",
    progress: Callable[[str], None] = lambda _: None,
    fingerprint: str = FINGERPRINT,
) -> tuple[Built, list[str]]:
    messages: list[str] = []

    def note(text: str) -> None:
        messages.append(text)
        progress(text)

    plan = builder.plan(ADDRESS, fingerprint, spec, lock)
    if files is not None:
        plan = replace(plan, context=put(store, files))
    return builder.build(plan, store, note), messages


def image_of(built: Built) -> Image:
    assert isinstance(built.environment, Image)
    return built.environment


def failure(run: Callable[[], object]) -> tuple[str, str, str]:
    """Return code, message and hint of the error that a call raises."""
    with pytest.raises(UserError) as raised:
        run()
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint


def test_an_image_is_the_digest_that_its_tag_had_at_first(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    name = f"{REGISTRY}/python:3"
    docker_host.run("tag", BASE, name)
    docker_host.run("push", "--quiet", name)
    docker_host.run("rmi", name)
    built, messages = build(builder(tmp_path / "one"), store, {"image": name})
    image = image_of(built)
    assert messages == [f"pulling {name}"]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", image.digest)
    assert image.reference == built.base == f"{REGISTRY}/python@{image.digest}"
    assert built.python_version.startswith("3.")
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nLABEL other=1\n", encoding="utf-8")
    docker_host.run("build", "--quiet", "--tag", name, str(tmp_path))
    assert image_of(build(builder(tmp_path / "two"), store, {"image": name}, lock=built.lock)[0]) == image
    assert image_of(build(builder(tmp_path / "three"), store, {"image": name})[0]) != image


def test_a_base_is_what_the_registry_has_now_and_not_what_was_built(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    name = f"{REGISTRY}/moving:1"
    docker_host.run("tag", BASE, name)
    docker_host.run("push", "--quiet", name)
    made = builder(tmp_path / "builder")
    built, _ = build(made, store, {"image": name})
    assert made.find_base({"image": name}) == built.base
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nLABEL moved=1\n", encoding="utf-8")
    docker_host.run("build", "--quiet", "--tag", f"{REGISTRY}/moving:1", str(tmp_path))
    docker_host.run("push", "--quiet", name)
    docker_host.run("rmi", name)
    assert made.find_base({"image": name}) not in {"", built.base}
    assert made.find_base({"image": f"{REGISTRY}/none:1"}) == ""


def test_a_lock_on_an_image_of_another_engine_is_an_error_that_says_so(store: FolderStore, tmp_path: Path) -> None:
    lock = f"# base {BASE} is mlgit/base:{'0' * 64}\n"
    code, message, hint = failure(lambda: build(builder(tmp_path / "builder"), store, {"image": BASE}, lock=lock))
    assert (code, message) == (
        "image-not-found",
        f"{ADDRESS}: the image that it was built on is in no registry, and not on this Docker engine",
    )
    assert "registry:" in hint


def test_packages_are_installed_on_an_image_with_a_user_who_is_not_root(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nUSER 1000:1000\n", encoding="utf-8")
    docker_host.run("build", "--quiet", "--tag", "with-user:1", str(tmp_path))
    spec = {"image": "with-user:1", "conda_file": {"dependencies": ["python>=3.11"], "variables": {"A": "$x\ny"}}}
    built, _ = build(builder(tmp_path / "builder"), store, spec)
    reference = image_of(built).reference
    assert docker_host.run("run", "--rm", reference, "id", "-u") == "1000"
    assert docker_host.run("run", "--rm", reference, "python", "-c", "import sys; print(sys.prefix)") == (
        "/opt/mlgit/environment"
    )
    assert "# user 1000:1000\n" in built.lock
    docker_host.run("rmi", "with-user:1")


def test_what_was_pushed_is_pulled_by_digest_where_it_is_missing(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    built, messages = build(builder(tmp_path / "one", registry=REGISTRY), store, PACKAGES)
    image = image_of(built)
    assert image.reference == f"{REGISTRY}/environment@{image.digest}"
    assert f"pushing the image to {REGISTRY}" in messages
    docker_host.run("tag", image.reference, f"{REGISTRY}/other:1")
    (listed,) = builder(tmp_path / "one").list_builds()
    assert builder(tmp_path / "one").remove(listed)
    assert builder(tmp_path / "one").list_builds() == ()
    other, messages = build(builder(tmp_path / "two", registry=REGISTRY), store, PACKAGES, lock=built.lock)
    assert messages == [f"pulling {image.reference}"]
    assert other == built
    assert docker_host.run("run", "--rm", image.reference, "python", "-c", "import six; print(six.__version__)") == (
        "1.17.0"
    )


def test_an_image_that_a_registry_refuses_is_not_recorded_and_not_built_again(
    store: FolderStore, tmp_path: Path
) -> None:
    refused = builder(tmp_path / "builder", registry=READ_ONLY)
    code, message, hint = failure(lambda: build(refused, store, PACKAGES))
    assert code == "registry-refused"
    assert READ_ONLY in message
    assert f"docker login {READ_ONLY}" in hint
    assert refused.find(FINGERPRINT) is None
    _, messages = build(builder(tmp_path / "builder", registry=REGISTRY), store, PACKAGES)
    assert not any(message.startswith("building") for message in messages)


def test_the_lock_for_pip_is_that_of_the_builder_venv(store: FolderStore, tmp_path: Path) -> None:
    spec = {"image": BASE, "conda_file": {"dependencies": [{"pip": ["six==1.17.0", "iniconfig>=2", "packaging"]}]}}
    venv = load_builder({"type": "venv"}, tmp_path / "venv")
    built = venv.build(venv.plan(ADDRESS, FINGERPRINT, spec), store, lambda _: None)
    image, _ = build(builder(tmp_path / "docker"), store, spec)
    assert image.lock == f"# base {BASE} is {image.base}\n{built.lock}"
    assert image.python_version == built.python_version


def test_a_context_is_built_without_what_its_ignore_file_names(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")
    built, _ = build(made, store, CONTEXT, FILES)
    listed = docker_host.run("run", "--rm", image_of(built).reference, "find", "/files", "-type", "f")
    assert sorted(listed.split()) == ["/files/.dockerignore", "/files/Dockerfile", "/files/train.py"]
    same, messages = build(made, store, CONTEXT, {**FILES, "README.md": "second"}, fingerprint="e" * 64)
    assert (same.identity, messages) == (built.identity, [])
    other, _ = build(made, store, CONTEXT, {**FILES, "train.py": ""}, fingerprint="d" * 64)
    assert other.identity != built.identity


def test_a_file_that_changes_during_the_build_fails_it(store: FolderStore, tmp_path: Path) -> None:
    def change(text: str) -> None:
        if text.startswith("building"):
            for folder in Path(tempfile.gettempdir()).glob("mlgit-context-*"):
                (folder / "train.py").write_text("changed", encoding="utf-8")

    made = builder(tmp_path / "builder")
    code, message, _ = failure(lambda: build(made, store, CONTEXT, FILES, progress=change))
    assert (code, message) == ("file-changed", f"{ADDRESS}: a file of the build context changed during the build")
    assert made.find(FINGERPRINT) is None


def test_a_failed_build_shows_its_last_lines_and_keeps_the_whole_log(store: FolderStore, tmp_path: Path) -> None:
    made = builder(tmp_path / "builder")
    files = {"Dockerfile": f"FROM {BASE}\n{LONG}"}
    code, message, hint = failure(lambda: build(made, store, CONTEXT, files))
    assert code == "environment-build-failed"
    assert "line 40" in message
    assert len(message.splitlines()) == 21
    log = Path(hint.removeprefix("the whole log is in ")).read_text("utf-8")
    assert all(f"line {number}\n" in log for number in range(1, 41))
    assert made.find(FINGERPRINT) is None


@pytest.mark.parametrize("path", ["gpu.Dockerfile", "Dockerfile.d"])
def test_a_context_without_its_dockerfile_is_an_error(path: str, store: FolderStore, tmp_path: Path) -> None:
    spec = {"build": {"path": "context", "dockerfile_path": path}}
    files = {**FILES, "Dockerfile.d/a": ""}
    code, message, _ = failure(lambda: build(builder(tmp_path / "builder"), store, spec, files))
    assert (code, message) == (
        "dockerfile-missing",
        f"{ADDRESS}: the build context has no Dockerfile {path}, or it is no text",
    )


def test_an_engine_that_does_not_run_is_an_error_that_says_how_to_go_on(store: FolderStore, tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/none.sock"
    code, message, hint = failure(lambda: build(builder(tmp_path, engine=address), store, PACKAGES))
    assert (code, message) == (
        "docker-unreachable",
        f"the Docker engine at {address} does not answer: No such file or directory",
    )
    assert "DOCKER_HOST" in hint


@pytest.mark.parametrize("files", [None, {"Dockerfile": "FROM mlgit-tests/none:1\n"}])
def test_an_image_that_cannot_be_pulled_is_named_with_the_setting_for_mirrors(
    files: Mapping[str, str] | None, store: FolderStore, tmp_path: Path
) -> None:
    spec = {"image": "mlgit-tests/none:1"} if files is None else CONTEXT
    code, message, hint = failure(lambda: build(builder(tmp_path / "builder"), store, spec, files))
    assert code == "image-not-found"
    assert "the image mlgit-tests/none:1 is not on the Docker engine" in message
    assert "registry-mirrors" in hint


def test_an_image_without_the_python_of_the_conda_file_is_refused(store: FolderStore, tmp_path: Path) -> None:
    spec = {"image": BASE, "conda_file": {"dependencies": ["python=3.9", {"pip": ["six"]}]}}
    code, message, _ = failure(lambda: build(builder(tmp_path / "builder"), store, spec))
    assert code == "python-not-found"
    assert "the conda file requires 3.9" in message


def test_packages_that_contradict_each_other_never_reach_the_engine(store: FolderStore, tmp_path: Path) -> None:
    spec = {"image": BASE, "conda_file": {"dependencies": [{"pip": ["pytest==8.3.0", "pluggy==0.13"]}]}}
    code, message, _ = failure(lambda: build(builder(tmp_path / "builder"), store, spec))
    assert code == "packages-conflict"
    assert "pluggy" in message


def test_a_locked_package_that_the_index_no_longer_has_is_an_error(store: FolderStore, tmp_path: Path) -> None:
    lock = f"six==1.17.99 \\\n    --hash=sha256:{'0' * 64}\n"
    code, message, _ = failure(lambda: build(builder(tmp_path / "builder"), store, PACKAGES, lock=lock))
    assert (code, message) == (
        "package-not-found",
        f"{ADDRESS}: the package index no longer has six==1.17.99, which is in the lock",
    )


def test_a_locked_package_with_other_bytes_is_an_error(store: FolderStore, tmp_path: Path) -> None:
    lock = f"six==1.17.0 \\\n    --hash=sha256:{'0' * 64}\n"
    code, message, _ = failure(lambda: build(builder(tmp_path / "builder"), store, PACKAGES, lock=lock))
    assert code == "package-changed"
    assert "six==1.17.0" in message


def test_the_password_of_the_package_index_is_in_no_layer_and_no_log(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://someone:s3cr3t-pass@pypi.org/simple")
    spec = {"image": BASE, "conda_file": {"dependencies": [{"pip": ["iniconfig==2.0.0"]}]}}  # in no cache of the engine
    built, messages = build(builder(tmp_path / "builder"), store, spec)
    assert any("Looking in indexes: https://someone:***" in message for message in messages)
    reference = image_of(built).reference
    archive = tmp_path / "image.tar"
    docker_host.run("save", "--output", str(archive), reference)
    found = subprocess.run(["grep", "-c", "s3cr3t-pass", archive], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "0"
    assert "s3cr3t-pass" not in docker_host.run("history", "--no-trunc", reference) + "".join(messages)
    logs = [path.read_text("utf-8") for path in (tmp_path / "builder/docker/logs").iterdir()]
    assert logs
    assert not any("s3cr3t-pass" in log for log in logs)


def test_builds_of_the_same_environment_at_once_build_it_once(store: FolderStore, tmp_path: Path) -> None:
    results: list[tuple[Built, list[str]]] = []
    files = {"Dockerfile": f"FROM {BASE}\nRUN sleep 1\n"}
    threads = [
        threading.Thread(target=lambda: results.append(build(builder(tmp_path / "builder"), store, CONTEXT, files)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (one, first), (other, second) = results
    assert one == other
    assert len([text for text in first + second if text.startswith("building the image")]) == 1


SLEEPS = {"Dockerfile": f"FROM {BASE}\nRUN sleep 4 && touch /made\n"}
OLD_DOCKER = "#!/bin/sh\necho 'ERROR: BuildKit is enabled but the buildx component is missing'\nexit 1\n"
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


def test_a_build_that_was_killed_is_not_taken_for_a_finished_one(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    tests = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(tests)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        until(lambda: "RUN sleep" in process.stdout.readline(), 60)
        process.kill()
    made = builder(tmp_path / "builder")
    assert made.find(FINGERPRINT) is None
    assert docker_host.run("images", "--quiet", "mlgit/environment") == ""
    built, _ = build(made, store, CONTEXT, SLEEPS)
    assert docker_host.run("run", "--rm", image_of(built).reference, "ls", "/made") == "/made"


def test_a_build_that_is_stopped_ends_at_once_and_leaves_nothing(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")

    def stop(text: str) -> None:
        if "RUN sleep" in text:
            threading.Thread(target=made.stop).start()

    files = {"Dockerfile": f"FROM {BASE}\nRUN sleep 60\n"}
    code, _, _ = failure(lambda: build(made, store, CONTEXT, files, progress=stop))
    assert code == "build-stopped"
    assert made.find(FINGERPRINT) is None
    assert docker_host.run("images", "--quiet", "mlgit/environment") == ""


@pytest.mark.parametrize("program", ["", OLD_DOCKER])
def test_a_machine_whose_docker_cannot_build_is_told_what_to_install(
    program: str, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    if program:
        (tmp_path / "bin/docker").write_text(program, encoding="utf-8")
        (tmp_path / "bin/docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    code, _, hint = failure(lambda: build(builder(tmp_path / "builder"), store, CONTEXT, FILES))
    assert code == "docker-not-found"
    assert hint.startswith("install ")


def test_an_image_that_a_container_uses_is_not_removed(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")
    built, _ = build(made, store, CONTEXT, FILES)
    container = docker_host.run("create", image_of(built).reference)
    (listed,) = made.list_builds()
    assert not made.remove(listed)
    assert made.find(FINGERPRINT) == built
    docker_host.run("rm", container)
    with FileLock(lock_path(tmp_path / "builder/docker", built.identity)):
        assert not made.remove(listed)
    docker_host.run("tag", image_of(built).reference, f"{REGISTRY}/other:1")
    assert made.remove(listed)
    assert made.find(FINGERPRINT) is None


def test_a_full_disk_of_the_engine_is_said(
    store: FolderStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DockerEngine(tmp_path_factory.mktemp("disk") / "engine", disk="40m") as engine:
        for name, value in engine.environment.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "busybox").mkdir()
        subprocess.run(["cp", "/bin/busybox", tmp_path / "busybox/sh"], check=True)
        archive = subprocess.run(["tar", "-C", tmp_path / "busybox", "-c", "."], capture_output=True, check=True).stdout
        with engine.client() as client:
            client.api.import_image_from_data(archive, repository="small", tag="1")
        files = {"Dockerfile": 'FROM small:1\nRUN ["/sh", "-c", "exec dd if=/dev/zero of=/big bs=1M"]\n'}
        code, _, hint = failure(lambda: build(builder(tmp_path / "builder"), store, CONTEXT, files))
    assert code == "disk-full"
    assert "mlgit env prune" in hint
