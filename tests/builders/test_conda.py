"""The builder conda with rattler and a channel that packages a real Python."""

from __future__ import annotations

import errno
import functools
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from services import conda_channel as conda_channels

from reconciler.builders import _rattler, load_builder
from reconciler.builders._finished import MARKER
from reconciler.diagnostics import Diagnostic, UserError
from reconciler.model.builder import Builder, Built, LockFile
from reconciler.model.tasks import Prefix
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.services

ADDRESS = "environment/x"
FINGERPRINT = "f" * 64
STORE = FolderStore(Path("unused"))
TIMEOUT_SECONDS = 120


def spec_of(*dependencies: Any, channels: tuple[str, ...] = ("own",)) -> dict[str, Any]:
    return {"name": "x", "image": "ubuntu", "conda_file": {"channels": [*channels], "dependencies": [*dependencies]}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the environments of all tests, which share the downloaded packages."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def builder(root: Path, conda_channel: Path) -> Builder:
    return open_builder(root, conda_channel)


def open_builder(root: Path, channel: Path | str, **settings: Any) -> Builder:
    url = channel.as_uri() if isinstance(channel, Path) else channel
    return load_builder({"type": "conda", "mirrors": {"own": url}, **settings}, root)


def build(builder: Builder, spec: Mapping[str, Any], lock: str = "", fingerprint: str = "") -> tuple[Built, list[str]]:
    messages: list[str] = []
    plan = builder.plan(ADDRESS, fingerprint or str(hash(json.dumps(spec))), spec, lock)
    return builder.build(plan, STORE, messages.append), messages


def build_error(builder: Builder, spec: Mapping[str, Any], lock: str = "") -> Diagnostic:
    with pytest.raises(UserError) as caught:
        build(builder, spec, lock, "e" * 64)
    return caught.value.diagnostics[0]


def prefix_of(built: Built) -> Path:
    assert isinstance(built.environment, Prefix)
    return Path(built.environment.path)


def run(built: Built, *command: str) -> str:
    """Return what a program of an environment prints."""
    program, *arguments = command
    path = str(prefix_of(built) / "bin")
    return subprocess.run(
        [shutil.which(program, path=path) or program, *arguments],
        env={"PATH": f"{path}:/usr/bin:/bin"},
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def unfinished(root: Path) -> list[Path]:
    """Return the prefixes without a marker, and temporary ones."""
    return [path.parent for path in root.glob("conda/*/conda-meta") if not (path.parent / MARKER).exists()]


def test_packages_of_conda_and_of_pip_are_in_one_prefix(builder: Builder) -> None:
    built, messages = build(builder, spec_of("python", "tinyapp", "own::pymod", {"pip": ["six==1.17.0"]}))
    assert messages == [
        "resolving 3 packages of own",
        "resolving 1 package of pip",
        f"installing 5 packages with Python {conda_channels.PYTHON_VERSION}",
    ]
    assert run(built, "tinyapp") == "1.0"
    code = "import six, pymod, ssl, sys; print(six.__version__, pymod.X, sys.prefix)"
    assert run(built, "python", "-c", code) == f"1.17.0 1 {prefix_of(built)}"
    assert run(built, "python", "-m", "pip", "--version").startswith("pip ")
    assert [line.split(" ")[0] for line in built.lock.splitlines() if line[0] != " "] == [
        *("#", "pymod==0.1", f"python=={conda_channels.PYTHON_VERSION}", "tinyapp==2.0", "tinylib==1.0"),
        *("#", "six==1.17.0"),
    ]
    assert "own/noarch/tinylib-1.0-0.tar.bz2" in built.lock
    assert built.lock.count("--hash=md5:") == 4


def test_a_package_of_pip_is_locked_beside_what_conda_has_installed(
    tmp_path: Path, root: Path, conda_channel: Path
) -> None:
    channel = tmp_path / "channel"
    shutil.copytree(conda_channel, channel, copy_function=os.link, ignore=shutil.ignore_patterns("repodata*", "shards"))
    metadata = "Metadata-Version: 2.1\nName: iniconfig\nVersion: 1.1.1\n"
    files = {
        "site-packages/iniconfig-1.1.1.dist-info/METADATA": metadata,
        "site-packages/iniconfig.py": "WHO = 'conda'",
    }
    package = conda_channels.Package("iniconfig", "1.1.1", files, ["python"], noarch="python")
    conda_channels.write_package(channel, package)
    builder = open_builder(root, conda_channels.index(channel))
    built, _ = build(builder, spec_of("python", "iniconfig", {"pip": ["pytest<8"]}))
    assert built.lock.count("iniconfig==") == 1
    assert run(built, "python", "-c", "import iniconfig, pluggy; print(iniconfig.WHO)") == "conda"


def test_the_scripts_of_packages_run_once_and_what_activation_sets_is_set_for_every_run(
    builder: Builder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_OWN_PASSWORD", "hush")
    spec = spec_of("python", "scripted", "pymod")
    spec["conda_file"]["variables"] = {"OWN": "file"}
    built, messages = build(builder, spec, fingerprint="5" * 64)
    assert messages[2:] == ["running the link script of scripted", "scripted: linked"]
    prefix = prefix_of(built)
    assert (prefix / "share" / "linked-1.0").read_text() == "1.1\n"
    assert "hush" not in (prefix / "share" / "link-variables").read_text()
    assert isinstance(built.environment, Prefix)
    assert built.environment.variables == {
        "CONDA_PREFIX": str(prefix),
        "CONDA_SHLVL": "1",
        "SCRIPTED_HOME": f"{prefix}/share",
        "GREETING": "good\nday",
        "LIBRARIES": f"{prefix}/lib:",
        "OWN": "file",
    }
    assert built.environment.program_folders == (f"{prefix}/share/programs", f"{prefix}/bin")
    assert open_builder(root, "http://127.0.0.1:9/own").find("5" * 64) == built


def test_a_link_script_that_fails_fails_the_build_with_what_it_printed(builder: Builder, root: Path) -> None:
    diagnostic = build_error(builder, spec_of("python", "unlinked"))
    assert (diagnostic.code, diagnostic.message) == (
        "environment-build-failed",
        "environment/x: the link script of unlinked 1.0 has failed with exit code 3: there is no display",
    )
    assert unfinished(root) == []


def test_an_activation_that_ends_the_shell_is_an_error(tmp_path: Path, builder: Builder) -> None:
    script = {"etc/conda/activate.d/leave.sh": "echo no license\nexit 4\n"}
    conda_channels.write_package(tmp_path / "more", conda_channels.Package("leaving", "1.0", script))
    more = conda_channels.index(tmp_path / "more").as_uri()
    other = open_builder(
        tmp_path, builder._settings.mirrors["own"], mirrors={**builder._settings.mirrors, "more": more}
    )
    diagnostic = build_error(other, spec_of("python", "leaving", channels=("own", "more")))
    assert diagnostic.message == (
        "environment/x: the activation of the environment has failed with exit code 4: no license"
    )


def test_a_conflict_has_the_explanation_of_the_solver(builder: Builder, root: Path) -> None:
    diagnostic = build_error(builder, spec_of("tinyapp", "tinylib==1.1"))
    assert diagnostic.code == "packages-conflict"
    assert "tinyapp 2.0 would require tinylib >=1.0,<1.1" in diagnostic.message
    assert unfinished(root) == []


def test_a_missing_package_is_an_error(builder: Builder) -> None:
    diagnostic = build_error(builder, spec_of("no-such-package"))
    assert (diagnostic.code, diagnostic.message) == (
        "package-not-found",
        "environment/x: no channel has the package 'no-such-package'",
    )


def test_a_virtual_package_is_that_of_the_machine_or_of_mlgit_yml(
    builder: Builder, root: Path, conda_channel: Path
) -> None:
    diagnostic = build_error(builder, spec_of("gpuapp"))
    assert "__cuda >=12" in diagnostic.message
    assert "virtual_packages: {__cuda: '12.4'}" in diagnostic.hint
    with_cuda = open_builder(root, conda_channel, virtual_packages={"__cuda": "12.4"})
    built, _ = build(with_cuda, spec_of("gpuapp"), fingerprint=FINGERPRINT)
    assert (built.variant, with_cuda.find(FINGERPRINT)) == ("__cuda 12.4", built)
    assert builder.find(FINGERPRINT) is None
    without_glibc = open_builder(root, conda_channel, virtual_packages={"__cuda": ""})
    assert build_error(without_glibc, spec_of("gpuapp")).code == "packages-conflict"


def test_a_channel_that_does_not_exist_is_an_error(root: Path, tmp_path: Path) -> None:
    diagnostic = build_error(open_builder(root, tmp_path / "nowhere"), spec_of("python"))
    assert diagnostic.code == "channel-not-found"
    assert diagnostic.message == f"environment/x: there is no channel at {(tmp_path / 'nowhere').as_uri()}"


def test_a_channel_that_cannot_be_reached_is_an_error_that_names_mirrors(root: Path) -> None:
    diagnostic = build_error(open_builder(root, "http://127.0.0.1:9/own"), spec_of("python"))
    assert diagnostic.code == "network-unreachable"
    assert "mirrors" in diagnostic.hint


@pytest.fixture
def served_channel(conda_channel: Path) -> Iterator[str]:
    """The channel over HTTP."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(conda_channel))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_lock_is_of_use_with_any_mirror_of_its_channels(
    builder: Builder, tmp_path: Path, served_channel: str
) -> None:
    built, _ = build(builder, spec_of("python", "tinyapp"))
    mirrored, _ = build(open_builder(tmp_path, served_channel), spec_of("python", "tinyapp"), built.lock)
    assert (mirrored.identity, mirrored.lock) == (built.identity, built.lock)
    assert run(mirrored, "tinyapp") == "1.0"


@pytest.mark.parametrize("is_served", [False, True], ids=["in a folder", "over HTTP"])
def test_a_package_that_is_not_the_one_of_the_lock_is_an_error(
    builder: Builder, tmp_path: Path, conda_channel: Path, served_channel: str, *, is_served: bool
) -> None:
    built, _ = build(builder, spec_of("python", "tinyapp"))
    digest = built.lock.partition("--hash=sha256:")[2][:64]
    other = open_builder(tmp_path, served_channel if is_served else conda_channel)
    diagnostic = build_error(other, spec_of("python", "tinyapp"), built.lock.replace(digest, "0" * 64))
    assert diagnostic.code == "package-changed"
    assert f"'python-{conda_channels.PYTHON_VERSION}-0.tar.bz2'" in diagnostic.message
    assert list(tmp_path.glob(f"conda/*/{MARKER}")) == []


def test_a_locked_package_that_was_removed_from_its_channel_is_an_error(builder: Builder) -> None:
    built, _ = build(builder, spec_of("python", "tinyapp"))
    lock = built.lock.replace("tinylib-1.0-0", "tinylib-1.0-1")
    diagnostic = build_error(builder, spec_of("python", "tinyapp"), lock)
    assert (diagnostic.code, "tinylib-1.0-1.tar.bz2 is no longer" in diagnostic.message) == ("package-not-found", True)


def test_a_lock_for_another_platform_is_an_error(builder: Builder) -> None:
    built, _ = build(builder, spec_of("python", "tinyapp"))
    lock = built.lock.replace(f"# conda {built.platform}", "# conda osx-arm64")
    diagnostic = build_error(builder, spec_of("python", "tinyapp"), lock)
    assert (diagnostic.code, "osx-arm64" in diagnostic.message) == ("lock-invalid", True)


LOCK_BY_RATTLER = """
import asyncio, os, sys
import rattler
from rattler import lock
async def write(channel, subdir, path):
    specs = [rattler.MatchSpec(spec) for spec in ("python", "tinyapp", "pymod")]
    records = await rattler.solve(sources=[channel], specs=specs, platforms=[subdir, "noarch"])
    platform = lock.LockPlatform(subdir)
    file = lock.LockFile([platform])
    file.set_channels("default", [lock.LockChannel(channel)])
    for record in records:
        file.add_conda_package("default", platform, record)
    file.to_path(path)
asyncio.run(write(*sys.argv[1:]))
os._exit(0)
"""


def test_a_pixi_lock_that_rattler_writes_is_built_as_it_says(
    tmp_path: Path, builder: Builder, conda_channel: Path
) -> None:
    path = tmp_path / "pixi.lock"
    command = [sys.executable, "-c", LOCK_BY_RATTLER, conda_channel.as_uri(), conda_channels.SUBDIR, str(path)]
    subprocess.run(command, check=True)
    spec = spec_of("python", "tinyapp", "own::pymod", channels=(conda_channel.as_uri(),))
    own = open_builder(tmp_path, conda_channel, channels=[conda_channel.as_uri()])
    plan = own.plan(ADDRESS, FINGERPRINT, spec)
    lock = own.accept_lock(plan, LockFile("pixi.lock", "", yaml.safe_load(path.read_text("utf-8"))))
    built = own.build(own.plan(ADDRESS, FINGERPRINT, spec, lock), STORE, lambda _: None)
    assert run(built, "tinyapp") == "1.0"
    by_solver, _ = build(builder, spec_of("python", "tinyapp", "pymod"))
    hashes = re.compile(r"--hash=sha256:(\w+)")
    assert sorted(hashes.findall(built.lock)) == sorted(hashes.findall(by_solver.lock))


def test_two_concurrent_builds_install_once(tmp_path: Path, conda_channel: Path) -> None:
    barrier = threading.Barrier(2)

    def build_one() -> tuple[Built, list[str]]:
        barrier.wait(TIMEOUT_SECONDS)
        return build(open_builder(tmp_path, conda_channel), spec_of("python"), fingerprint=FINGERPRINT)

    with ThreadPoolExecutor() as pool:
        results = [future.result(TIMEOUT_SECONDS) for future in [pool.submit(build_one), pool.submit(build_one)]]
    assert results[0][0] == results[1][0]
    assert sum(message.startswith("installing") for _, messages in results for message in messages) == 1


SCRIPT = """
import sys
from pathlib import Path
from reconciler.builders import load_builder
root, channel = sys.argv[1:]
builder = load_builder({"type": "conda", "mirrors": {"own": channel}}, Path(root))
spec = {"name": "x", "conda_file": {"channels": ["own"], "dependencies": ["python", "tinyapp"]}}
builder.build(builder.plan("environment/x", "f" * 64, spec), None, lambda message: print(message, flush=True))
"""


def test_a_build_that_was_killed_is_no_build_and_the_next_one_is_whole(tmp_path: Path, conda_channel: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), conda_channel.as_uri()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        while not child.stdout.readline().startswith("installing"):
            pass
        while not list(tmp_path.glob("conda/*/lib")) and child.poll() is None:
            pass  # until its prefix has files
        os.kill(child.pid, signal.SIGKILL)
    builder = open_builder(tmp_path, conda_channel)
    assert builder.find(FINGERPRINT) is None
    spec = {"name": "x", "conda_file": {"channels": ["own"], "dependencies": ["python", "tinyapp"]}}
    built, _ = build(builder, spec, fingerprint=FINGERPRINT)
    assert run(built, "tinyapp") == "1.0"
    assert unfinished(tmp_path) == []


def test_stopping_the_builder_ends_rattler(tmp_path: Path, conda_channel: Path) -> None:
    builder = open_builder(tmp_path, conda_channel)
    timer = threading.Timer(0.3, builder.stop)
    plan = builder.plan(ADDRESS, FINGERPRINT, spec_of("python"))
    with pytest.raises(UserError) as caught:
        builder.build(plan, STORE, lambda message: timer.start() if message.startswith("installing") else None)
    assert caught.value.diagnostics[0].code == "build-stopped"
    assert unfinished(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "mlgit", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here ({os.strerror(errno.EPERM)})")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_an_error_and_leaves_no_prefix(small_disk: Path, conda_channel: Path) -> None:
    diagnostic = build_error(open_builder(small_disk, conda_channel), spec_of("python"))
    assert (diagnostic.code, diagnostic.message) == ("disk-full", "environment/x: the disk is full")
    assert list(small_disk.glob("conda/*/bin")) == []


def test_rattler_is_named_where_it_is_not_installed(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rattler, "find_spec", lambda _: None)
    assert build_error(builder, spec_of("python")).hint == "run `pip install 'mlgit[conda]'`"
