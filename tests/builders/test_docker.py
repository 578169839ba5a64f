"""The builder `docker` on a real engine: what it builds, what it pulls and pushes, and how its builds fail."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from filelock import FileLock, Timeout
from services.docker import BASE, READ_ONLY, REGISTRY, DockerEngine
from workspaces import until

from reconciler.builders import load_builder
from reconciler.builders._prefix_files import lock_path
from reconciler.diagnostics import UserError
from reconciler.model.builder import Builder, Built, LocalBuild
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


def staged(folder: Path) -> Path:
    """Return the folder in which builds below a folder keep what they send to the engine."""
    return folder / "builder/docker/staging"


def made_images(builder: Builder) -> tuple[LocalBuild, ...]:
    return tuple(build for build in builder.list_builds() if not build.is_base)


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
    (listed,) = made_images(builder(tmp_path / "one"))
    assert builder(tmp_path / "one").remove(listed)
    assert made_images(builder(tmp_path / "one")) == ()
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


def test_a_registry_that_does_not_answer_is_not_said_to_refuse_the_image(store: FolderStore, tmp_path: Path) -> None:
    nowhere = "127.0.0.1:5999"
    code, message, hint = failure(lambda: build(builder(tmp_path / "b", registry=nowhere), store, PACKAGES))
    assert code == "registry-unreachable"
    assert f"the registry {nowhere} does not answer the Docker engine" in message
    assert "docker login" not in hint


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


def test_the_ignore_file_of_a_dockerfile_counts_instead_of_that_of_the_context(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    files = {"gpu/Dockerfile": FILES["Dockerfile"], "gpu/Dockerfile.dockerignore": "logs\n", ".dockerignore": "*.py\n"}
    spec = {"build": {"path": "context", "dockerfile_path": "gpu/Dockerfile"}}
    built, _ = build(builder(tmp_path / "builder"), store, spec, {**files, "train.py": "", "logs/1": ""})
    assert docker_host.run("run", "--rm", image_of(built).reference, "ls", "/files").split() == [
        "gpu",
        "train.py",
    ]


def test_images_that_arguments_name_and_that_files_are_copied_from_are_pinned(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    docker_host.run("tag", BASE, "tools:1")
    repository, _, tag = BASE.rpartition(":")
    text = f"ARG TAG={tag}\nFROM {repository}:$TAG\nCOPY --from=tools:1 /etc/passwd /copied\n"
    files = {"Dockerfile": text}
    built, _ = build(builder(tmp_path / "one"), store, CONTEXT, files)
    pinned = dict(re.findall(r"^# base (\S+) is (\S+)$", built.lock, re.MULTILINE))
    assert [*pinned] == [BASE, "tools:1"]  # by a digest, if another test has pushed the image
    assert all(re.match(r"mlgit/base:\w{64}$|127\.0\.0\.1:\S+@sha256:\w{64}$", name) for name in pinned.values())
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo other > /etc/passwd\n", encoding="utf-8")
    docker_host.run("build", "--quiet", "--tag", "tools:1", str(tmp_path))
    same, _ = build(builder(tmp_path / "two"), store, CONTEXT, files, lock=built.lock)
    assert same.identity == built.identity
    other, _ = build(builder(tmp_path / "three"), store, CONTEXT, files)
    assert other.identity != built.identity
    assert docker_host.run("run", "--rm", image_of(other).reference, "cat", "/copied") == "other"
    docker_host.run("rmi", "--force", "tools:1")


def test_a_file_that_changes_during_the_build_fails_it(store: FolderStore, tmp_path: Path) -> None:
    def change(text: str) -> None:
        if text.startswith("building"):
            (staged(tmp_path) / FINGERPRINT / "context/train.py").write_text("changed", encoding="utf-8")

    made = builder(tmp_path / "builder")
    code, message, _ = failure(lambda: build(made, store, CONTEXT, FILES, progress=change))
    assert (code, message) == ("file-changed", f"{ADDRESS}: a file of the build context changed during the build")
    assert made.find(FINGERPRINT) is None


def test_a_failed_build_shows_its_last_lines_and_keeps_the_whole_log(store: FolderStore, tmp_path: Path) -> None:
    made = builder(tmp_path / "builder")
    files = {"Dockerfile": f"FROM {BASE}\n{LONG}"}
    shown: list[str] = []
    with pytest.raises(UserError) as caught:
        build(made, store, CONTEXT, files, progress=shown.append)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == (
        "environment-build-failed",
        f"{ADDRESS}: the build of its image ended with exit code 1",
    )
    assert len(diagnostic.example) == 20
    assert any(line.endswith("line 40") for line in diagnostic.example)
    assert any(line.endswith("line 1") for line in shown)
    assert not [line for line in shown if re.fullmatch(r"#\d+ sha256:\w+", line)]
    path = diagnostic.hint.removeprefix("the whole log is in ").removesuffix("; its last lines:")
    log = Path(path).read_text("utf-8")
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


def test_a_dockerfile_that_starts_from_no_name_of_an_image_is_an_error_that_says_so(
    store: FolderStore, tmp_path: Path
) -> None:
    code, message, _ = failure(
        lambda: build(builder(tmp_path / "builder"), store, CONTEXT, {"Dockerfile": "FROM Upper/Case\n"})
    )
    assert code == "image-not-found"
    assert "repository name must be lowercase" in message


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


def test_the_password_of_the_package_index_is_in_no_file_and_no_command_while_an_image_is_built(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://someone:s3cr3t-pass@pypi.org/simple")
    spec = {"image": BASE, "conda_file": {"dependencies": [{"pip": ["pluggy==1.5.0"]}]}}
    seen: set[str] = set()

    def search(text: str) -> None:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        seen.update(path.name for path in files)
        commands = Path("/proc").glob("[0-9]*/cmdline")
        for path in (*files, *commands):
            with suppress(FileNotFoundError, ProcessLookupError):
                assert b"s3cr3t-pass" not in path.read_bytes(), path

    build(builder(tmp_path / "builder"), store, spec, progress=search)
    assert "Dockerfile" in seen


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
        until(lambda: "RUN sleep" in process.stdout.readline())
        process.kill()
    made = builder(tmp_path / "builder")
    assert made.find(FINGERPRINT) is None
    assert docker_host.run("images", "--quiet", "mlgit/environment") == ""
    assert (staged(tmp_path) / FINGERPRINT / "context/Dockerfile").is_file()
    until(lambda: not _is_locked(tmp_path, FINGERPRINT))  # its `docker build` has ended
    (staged(tmp_path) / "going-on").mkdir()
    with FileLock(lock_path(tmp_path / "builder/docker", "going-on")):
        build(made, store, CONTEXT, FILES, fingerprint="a" * 64)
    assert [path.name for path in staged(tmp_path).iterdir()] == ["going-on"]
    built, _ = build(made, store, CONTEXT, SLEEPS)
    assert docker_host.run("run", "--rm", image_of(built).reference, "ls", "/made") == "/made"
    assert not any(staged(tmp_path).iterdir())


def _is_locked(folder: Path, fingerprint: str) -> bool:
    try:
        with FileLock(lock_path(folder / "builder/docker", fingerprint), timeout=0):
            return False
    except Timeout:
        return True


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


def test_an_image_that_a_container_uses_is_not_removed(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")
    built, _ = build(made, store, CONTEXT, FILES)
    container = docker_host.run("create", image_of(built).reference)
    (listed,) = made_images(made)
    assert not made.remove(listed)
    assert made.find(FINGERPRINT) == built
    docker_host.run("rm", container)
    with FileLock(lock_path(tmp_path / "builder/docker", built.identity)):
        assert not made.remove(listed)
    docker_host.run("tag", image_of(built).reference, f"{REGISTRY}/other:1")
    assert not made.remove(listed)  # somebody has given it a name
    docker_host.run("rmi", f"{REGISTRY}/other:1")
    docker_host.run("tag", image_of(built).reference, f"{REGISTRY}/environment:{built.identity[:16]}")  # as pushes do
    assert made.remove(listed)
    assert made.find(FINGERPRINT) is None


def test_only_images_that_were_built_for_this_folder_are_listed(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")
    image = image_of(build(made, store, CONTEXT, FILES)[0]).reference
    container = docker_host.run("create", image, "true")
    docker_host.run("commit", container, "users/own:1")  # which has the labels of mlgit's image
    docker_host.run("rm", container)
    (tmp_path / "Dockerfile").write_text("FROM mlgit/environment\nRUN touch /own\n", encoding="utf-8")
    docker_host.run("tag", image, "mlgit/environment:latest")
    docker_host.run("build", "--quiet", "--tag", "users/built:1", str(tmp_path))
    docker_host.run("rmi", "mlgit/environment:latest")
    assert [(listed.id, listed.environment) for listed in made_images(made)] == [(image, ADDRESS)]
    assert builder(tmp_path / "of-another-user").list_builds() == ()


def test_an_image_that_an_environment_names_is_listed_with_it_whoever_has_built_it(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    pushed = image_of(build(builder(tmp_path / "one", registry=REGISTRY), store, CONTEXT, FILES)[0]).reference
    made = builder(tmp_path / "two")
    build(made, store, {"image": pushed}, fingerprint="2" * 64)
    assert [listed.fingerprints for listed in made_images(made)] == [{"2" * 64}]


def test_a_container_that_has_tried_an_image_for_a_killed_mlgit_keeps_no_image(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")
    image = image_of(build(made, store, CONTEXT, FILES)[0]).reference
    docker_host.run("run", "--label", "dev.mlgit.probe=python", image, "true")
    assert [made.remove(listed) for listed in made_images(made)] == [True]


def import_small(engine: DockerEngine, folder: Path, repository: str) -> str:
    """Import an image with a shell alone under ``repository:1``; return its id, which no other image has."""
    (folder / "small").mkdir(exist_ok=True)
    subprocess.run(["cp", "/bin/busybox", folder / "small/sh"], check=True)
    (folder / "small/id").write_text(uuid4().hex, encoding="utf-8")
    archive = subprocess.run(["tar", "-C", folder / "small", "-c", "."], capture_output=True, check=True).stdout
    with engine.client() as client:
        client.api.import_image_from_data(archive, repository=repository, tag="1")
        return str(client.images.get(f"{repository}:1").id)


ON_SMALL = {"Dockerfile": 'FROM small:1\nRUN ["/sh", "-c", "echo made > /made"]\n'}


def bases(made: Builder) -> list[tuple[str, frozenset[str], bool]]:
    return [(build.id, build.fingerprints, build.size > 0) for build in made.list_builds() if build.is_base]


def test_the_name_of_a_base_is_removed_once_nothing_is_built_on_it_and_the_image_keeps_its_own(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made, other = builder(tmp_path / "builder"), builder(tmp_path / "of-another-user")
    image = import_small(docker_host, tmp_path, "small")  # without a Python, which is tried
    name = f"mlgit/base:{image.partition(':')[2]}"
    built, _ = build(made, store, CONTEXT, ON_SMALL)
    assert docker_host.run("ps", "--all", "--quiet") == ""
    assert bases(made) == [(name, {FINGERPRINT}, False)]
    assert bases(other) == []
    build(other, store, CONTEXT, {**ON_SMALL, "other": ""})
    assert bases(made) == []  # it is of use to another user of the engine
    assert [other.remove(listed) for listed in made_images(other)] == [True]
    (base,) = (listed for listed in made.list_builds() if listed.is_base)
    assert not made.remove(base)  # its own image is there
    assert [made.remove(listed) for listed in made_images(made)] == [True]
    with FileLock(lock_path(tmp_path / "builder/docker", FINGERPRINT)):
        assert not made.remove(base)
    assert made.remove(base)
    assert bases(made) == []
    assert docker_host.run("image", "inspect", "--format", "{{.RepoTags}}", "small:1") == "[small:1]"
    again, _ = build(made, store, CONTEXT, ON_SMALL, lock=built.lock)  # the image is found by its id
    assert again.identity == built.identity
    docker_host.run("rmi", "--force", name, "small:1")


def test_an_image_without_a_name_of_its_own_goes_with_that_of_its_base_only_if_it_once_had_one(
    docker_host: DockerEngine, store: FolderStore, tmp_path: Path
) -> None:
    made = builder(tmp_path / "builder")
    moved = import_small(docker_host, tmp_path, "small")
    build(made, store, {"image": "small:1"})
    nameless = import_small(docker_host, tmp_path, "small")
    docker_host.run("tag", moved, "small:1")  # the other one has no name now
    build(made, store, {"image": nameless.removeprefix("sha256:")}, fingerprint="e" * 64)
    docker_host.run("rmi", "small:1")
    (base,) = (listed for listed in made.list_builds() if listed.is_base)
    assert (base.id, base.size > 0) == (f"mlgit/base:{moved.partition(':')[2]}", True)
    container = docker_host.run("create", moved, "/sh")
    assert not made.remove(base)
    docker_host.run("rm", container)
    assert made.remove(base)
    assert moved not in docker_host.run("images", "--all", "--quiet", "--no-trunc")
    assert nameless in docker_host.run("images", "--all", "--quiet", "--no-trunc")
    docker_host.run("rmi", "--force", nameless)


def test_a_full_disk_of_the_engine_is_said(
    store: FolderStore, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DockerEngine(tmp_path_factory.mktemp("disk") / "engine", disk="40m") as engine:
        for name, value in engine.environment.items():
            monkeypatch.setenv(name, value)
        import_small(engine, tmp_path, "small")
        files = {"Dockerfile": 'FROM small:1\nRUN ["/sh", "-c", "exec dd if=/dev/zero of=/big bs=1M"]\n'}
        code, _, hint = failure(lambda: build(builder(tmp_path / "builder"), store, CONTEXT, files))
    assert code == "disk-full"
    assert "mlgit env prune" in hint
