"""A Docker engine and a registry, in namespaces of their own: nothing of this machine's network or mounts is changed.

The engine listens on a Unix socket. The registry is at `REGISTRY`, as the engine sees it; another one, `READ_ONLY`,
has the same images and refuses each push. Containers and builds reach the network through a proxy that the
configuration of the client names. All processes, mounts and interfaces end with one process.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from docker import DockerClient
from docker.errors import APIError, DockerException
from services import base_image, proxy, ray_program
from workspaces import until

from reconciler.docker_socket import LABELS

_PATH = f"/usr/bin:/usr/sbin:{os.environ.get('PATH', '')}"  # a distribution's docker before any other
_PROGRAMS = ("docker", "dockerd", "iptables", "docker-registry", "busybox", "ip", "unshare", "setpriv")
_SUDO = () if os.geteuid() == 0 else ("sudo", "-n")


def _find_missing() -> str:
    missing = [program for program in _PROGRAMS if not shutil.which(program, path=_PATH)]
    if missing:
        return f"{', '.join(missing)} of docker.io, docker-registry, iptables and busybox-static not installed"
    is_root = not _SUDO or (
        shutil.which("sudo") is not None
        and subprocess.run([*_SUDO, "true"], capture_output=True, check=False).returncode == 0
    )
    return "" if is_root else "a Docker engine of the tests' own needs root or sudo"


MISSING = _find_missing()
BASE = "mlgit-tests/python:3"
REGISTRY = "127.0.0.1:5000"
READ_ONLY = "127.0.0.1:5001"
_PROXY_PORT = 3128
_HALTED = "halted"  # the file with which the engine does not start again
_GATEWAY = "172.17.0.1"  # of the engine's network, which is in a namespace of its own
_REGISTRY_CONFIG = """
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {folder}/registry}}
  delete: {{enabled: true}}
  maintenance: {{readonly: {{enabled: {read_only}}}}}
http: {{addr: {address}}}
"""


@dataclass
class DockerEngine:
    """The engine; ``disk`` limits its images and containers, as in ``300m``."""

    folder: Path
    disk: str = ""
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _proxy: proxy.Proxy | None = None

    @property
    def url(self) -> str:
        """The address of the engine, as ``DOCKER_HOST`` has it."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes the command ``docker`` and the SDK use this engine, and nothing of the user's own."""
        return {"DOCKER_HOST": self.url, "DOCKER_CONFIG": str(self.folder / "config"), "PATH": _PATH}

    @contextmanager
    def client(self) -> Iterator[DockerClient]:
        """Open a client of the SDK."""
        client = DockerClient(self.url, timeout=120)
        try:
            yield client
        finally:
            client.close()

    def run(self, *arguments: str) -> str:
        """Run the command ``docker`` and return what it prints."""
        program = shutil.which("docker", path=_PATH)
        assert program
        environment = {**os.environ, **self.environment, "DOCKER_BUILDKIT": "1"}
        return subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    def remove_images(self) -> None:
        """Remove all containers, and the images that mlgit made or that come from a registry."""
        with self.client() as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                with suppress(APIError):  # a supervisor removes it at this moment
                    container.remove(force=True)
            until(lambda: not client.containers.list(all=True, ignore_removed=True))
            for image in client.images.list():
                if f"{LABELS}identity" in image.labels or any(tag.startswith("127.0.0.1") for tag in image.tags):
                    client.images.remove(image.id, force=True)

    def start(self) -> None:
        """Start, and wait until the engine answers; the path of the folder is to be short, for containerd's sockets."""
        self.folder.mkdir(parents=True)
        self._proxy = proxy.Proxy(self.folder / "proxy.sock")
        self._proxy.start()
        address = f"http://{_GATEWAY}:{_PROXY_PORT}"
        self._write(
            "config/config.json", json.dumps({"proxies": {"default": {"httpProxy": address, "httpsProxy": address}}})
        )
        for registry, read_only in ((REGISTRY, "false"), (READ_ONLY, "true")):
            text = _REGISTRY_CONFIG.format(folder=self.folder, read_only=read_only, address=registry)
            self._write(f"{registry.partition(':')[2]}.yml", text)
        namespaces = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        command = [*_SUDO, "setpriv", "--pdeathsig", "KILL", *namespaces, "sh", "-c", self._script()]
        with (self.folder / "log").open("wb") as log:
            environment = {**os.environ, "PATH": _PATH}
            self._processes.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
            )
        until(self._answers)

    def stop(self) -> None:
        """End all containers, then all processes, and remove what they wrote."""
        with suppress(DockerException, OSError), self.client() as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                with suppress(APIError):  # it was just removed
                    container.remove(force=True)
        for process in self._processes:
            if process.poll() is None:
                subprocess.run([*_SUDO, "kill", "-KILL", str(_first_process(process.pid))], check=True)
            process.wait(120)
        self._processes.clear()
        if self._proxy:
            self._proxy.stop()
        find = ("find", "/sys/fs/cgroup", "-depth", "-type", "d", "-path", f"*/{self._cgroup}*")
        subprocess.run([*_SUDO, *find, "-exec", "rmdir", "{}", "+"], capture_output=True, check=False)
        subprocess.run([*_SUDO, "rm", "-rf", str(self.folder)], check=True)

    def halt(self, signal: str = "TERM") -> None:
        """End the engine by a signal, and wait until it has ended; the registries go on."""
        (self.folder / _HALTED).touch()
        shell = _first_process(self._processes[0].pid)
        (engine,) = (pid for pid in _children(shell) if _name_of(pid) == "dockerd")
        subprocess.run([*_SUDO, "kill", f"-{signal}", str(engine)], check=True)
        until(lambda: engine not in _children(shell))

    def resume(self) -> None:
        """Start the engine again, and wait until it answers."""
        (self.folder / _HALTED).unlink()
        until(self._answers)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _cgroup(self) -> str:
        return f"mlgit-tests-{os.getpid()}-{self.folder.name}"

    def _script(self) -> str:
        """Return what runs as the first process of the namespaces, which all others end with: it starts the engine."""
        folder = shlex.quote(str(self.folder))
        mount = f"mkdir {folder}/data && mount -t tmpfs -o size={self.disk} none {folder}/data" if self.disk else ":"
        relay = f"{shlex.quote(sys.executable)} {shlex.quote(proxy.__file__)} {_PROXY_PORT} {folder}/proxy.sock"
        group = f"-G {os.getgid()}" if _SUDO else ""
        return f"""
            ip link set lo up && {mount} || exit 1
            {relay} &
            docker-registry serve {folder}/5000.yml & docker-registry serve {folder}/5001.yml &
            while rm -f {folder}/docker.pid; do
              dockerd -H {self.url} {group} --data-root {folder}/data --exec-root {folder}/exec \\
                -p {folder}/docker.pid --cgroup-parent {self._cgroup}
              [ -e {folder}/{_HALTED} ] || exit 1
              while [ -e {folder}/{_HALTED} ]; do sleep 0.1; done
            done
        """

    def _answers(self) -> bool:
        if not self._processes:
            return False
        assert self._processes[0].poll() is None, (self.folder / "log").read_text("utf-8", "replace")[-2000:]
        with suppress(OSError, DockerException), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{self.folder}/docker.sock")  # a client that cannot connect leaves its socket open
            with self.client() as client:
                return bool(client.ping())
        return False

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _first_process(pid: int) -> int:
    """Return the first process of the namespaces, which ends all others, by that of the command that made them."""
    while _name_of(pid) in {"sudo", "setpriv", "unshare"}:
        pid = until(partial(_children, pid))[0]
    return pid


def _name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text("utf-8").strip()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def import_base(engine: DockerEngine, name: str = BASE) -> str:
    """Import the base image with this machine's Python under a name; return its id."""
    with engine.client() as client:
        repository, _, tag = name.rpartition(":")
        client.api.import_image_from_data(
            base_image.archive(), repository=repository, tag=tag, changes=list(base_image.CHANGES)
        )
        return str(client.images.get(name).id)


def build_with_ray(engine: DockerEngine, name: str) -> None:
    """Build an image with the Ray of this machine in the base image, whose Python is the same, and bash."""
    folder, environment = engine.folder / "ray-image", ray_program.FOLDER.parent
    shutil.copytree(environment / "lib", folder / "lib", symlinks=True)
    (folder / "bin").mkdir()
    shutil.copy("/bin/bash", folder / "bin")
    libraries = subprocess.run(["ldd", "/bin/bash"], capture_output=True, text=True, check=True).stdout
    shutil.copy(next(word for word in libraries.split() if "/libtinfo." in word), folder / "lib")
    script = (environment / "bin/ray").read_text(encoding="utf-8").partition("\n")[2]
    (folder / "bin/ray").write_text(f"#!/usr/local/bin/python3\n{script}", encoding="utf-8")
    (folder / "bin/ray").chmod(0o755)
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nCOPY lib /usr/local/lib\nCOPY bin /usr/local/bin\n", "utf-8")
    engine.run("build", "--quiet", "--tag", name, str(folder))
    shutil.rmtree(folder)


def build_static(engine: DockerEngine, name: str, platform: str = "linux") -> None:
    """Build an image with nothing but a static shell, as ``FROM scratch`` makes them; no Python runs in it."""
    folder = engine.folder / "static"
    folder.mkdir(exist_ok=True)
    shutil.copy("/bin/busybox", folder / "sh")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY sh /bin/sh\n", encoding="utf-8")
    engine.run("build", "--quiet", "--platform", platform, "--tag", name, str(folder))
