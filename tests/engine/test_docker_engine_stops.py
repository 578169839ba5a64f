"""An engine that is stopped while a job runs or an image is built: what is lost is said, done again and cleaned up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from services import docker
from services.fixtures import need
from workspaces import APPLY, commit, edit, until

pytestmark = [pytest.mark.slow, pytest.mark.services]

AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")
CONTAINERS = ("ps", "--all", "--quiet", "--filter", "label=dev.mlgit.run")
LONG = "import pathlib, sys, time\nprint('up', flush=True)\ntime.sleep(600)\n"
STOPPED = "its container was stopped, and not by mlgit: by hand, or because the Docker engine was stopped"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.DockerEngine]:
    """An engine that no other test uses."""
    need(docker.MISSING)
    with docker.DockerEngine(tmp_path_factory.mktemp("stops") / "engine") as engine:
        docker.import_base(engine)
        yield engine


@pytest.fixture
def folder(small, engine):
    """The small workspace, whose job waits for minutes at its first attempt, in a container."""
    address = f"engine: {engine.url}"
    backends = f"builders: {{docker: {{type: docker, {address}}}}}\nbackends: {{docker: {{type: docker, {address}}}}}"
    edit(small, "mlgit.yml", "backends: {local: {type: local}}", backends)
    edit(small, "mlgit.yml", '"*": local', '"*": docker')
    edit(small, "environments/plain.yml", "image: python\n", f"image: {docker.BASE}\n")
    edit(small, "environments/plain.yml", 'conda_file: {dependencies: ["python>=3.11"]}\n', "")
    commit(small)
    return small


def wait_for_container(engine: docker.DockerEngine) -> None:
    until(lambda: engine.run("ps", "--quiet", "--filter", "label=dev.mlgit.run"), 120)


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_run_whose_engine_was_stopped_is_lost_and_done_again(  # noqa: PLR0913, PLR0917 - fixtures
    folder, engine, mlgit, mlgit_process, run_json, signal
):
    edit(
        folder,
        "src/sum.py",
        "import pathlib, sys\n",
        "import pathlib, sys, time\nprint('up', flush=True); time.sleep(600)\n",
    )
    commit(folder)
    process = mlgit_process(*APPLY, cwd=folder)
    wait_for_container(engine)
    until(lambda: "up" in mlgit("job", "logs", "sum", cwd=folder).out)
    engine.halt(signal)
    assert mlgit("status", cwd=folder).code == 0
    shown = ""
    if signal == "TERM":  # the containers are stopped as well: the run is lost, and cannot be repeated now
        out, err = process.communicate(timeout=180)
        shown = out + err
        assert process.returncode == 1
        assert "[backend-unreachable]" in shown
        assert "systemctl start docker" in shown
    engine.resume()
    if signal == "TERM":
        process = mlgit_process(*APPLY, cwd=folder)
    until(lambda: len(run_json(folder, "job", "list")) == 2)
    wait_for_container(engine)
    first, second = run_json(folder, "job", "list")
    assert (first["status"], second["attempt"]) == ("lost", 2)
    assert first["message"] == STOPPED
    until(lambda: len(engine.run(*CONTAINERS).split()) == 1)
    assert mlgit("job", "cancel", "sum", cwd=folder).code == 0
    shown += "".join(process.communicate(timeout=180))
    assert "Traceback" not in shown
    assert "attempt 1 was lost (attempt 2 of 3)" in shown
    assert run_json(folder, "job", "list")[-1]["status"] == "canceled"
    until(lambda: not engine.run(*CONTAINERS))


def test_a_build_whose_engine_was_stopped_fails_and_is_made_again(folder, engine, mlgit, mlgit_process):
    edit(folder, "environments/plain.yml", f"image: {docker.BASE}\n", "build: {path: ../image}\n")
    commit(folder, files={"image/Dockerfile": f"FROM {docker.BASE}\nRUN echo going on && sleep 5 && touch /made\n"})
    apply = ("apply", "--auto-approve", "--select", "environment")
    process = mlgit_process(*apply, cwd=folder)
    assert process.stdout
    until(lambda: "RUN echo" in process.stdout.readline())
    engine.halt("KILL")
    out, err = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "stopped to answer during the build" in out + err
    assert "[docker-unreachable]" in out + err
    assert "Traceback" not in out + err
    engine.resume()
    assert engine.run("images", "--quiet", "mlgit/environment") == ""
    assert mlgit("env", "prune", "--days", "0", "--remove", cwd=folder).code == 0
    ended = mlgit(*apply, cwd=folder)
    assert ended.code == 0, ended.out + ended.err
    assert len(engine.run("images", "--quiet", "mlgit/environment").split()) == 1


def test_prune_during_a_build_removes_nothing_that_the_build_needs(folder, engine, mlgit, mlgit_process):
    edit(folder, "environments/plain.yml", f"image: {docker.BASE}\n", "build: {path: ../image}\n")
    commit(folder, files={"image/Dockerfile": f"FROM {docker.BASE}\nRUN echo going on && sleep 6 && touch /made\n"})
    process = mlgit_process("apply", "--auto-approve", "--select", "environment", cwd=folder)
    assert process.stdout
    until(lambda: "RUN echo" in process.stdout.readline())
    pruned = mlgit("env", "prune", "--days", "0", "--remove", cwd=folder)
    assert "it is in use, and stays" in pruned.out or "No built environment" in pruned.out, pruned.out
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, out + err
    assert mlgit("env", "shell", "plain", "--", "ls", "/made", cwd=folder).code == 0


def test_a_full_disk_with_the_cache_fails_a_build_and_leaves_nothing_that_is_taken_for_finished(
    folder, engine, mlgit, tmp_path, monkeypatch
):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "none", str(disk)], check=True)
    try:
        monkeypatch.setenv("MLGIT_CACHE_DIR", str(disk / "cache"))
        edit(folder, "environments/plain.yml", f"image: {docker.BASE}\n", "build: {path: ../image}\n")
        (folder / "image").mkdir()
        (folder / "image/big").write_bytes(os.urandom(4 << 20))
        commit(folder, files={"image/Dockerfile": f"FROM {docker.BASE}\nCOPY big /big\n"})
        apply = ("apply", "--auto-approve", "--select", "environment")
        ended = mlgit(*apply, cwd=folder)
        assert ended.code == 1
        assert f"environment/plain: the disk with {disk}" in ended.out + ended.err
        assert "[disk-full]" in ended.out + ended.err
        assert "Traceback" not in ended.out + ended.err
        assert not any((disk / "cache/environments/docker/staging").iterdir())
        assert mlgit("list", "environment", cwd=folder).out.count("plain") == 0
        subprocess.run([*AS_ROOT, "mount", "-o", "remount,size=64m", str(disk)], check=True)
        ended = mlgit(*apply, cwd=folder)
        assert ended.code == 0, ended.out + ended.err
    finally:
        subprocess.run([*AS_ROOT, "umount", "--lazy", str(disk)], check=True)
