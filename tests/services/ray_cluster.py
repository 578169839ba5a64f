"""A Ray cluster of two nodes that see each other, in networks of their own without a way out.

Ray binds all addresses, so it never runs in the network of this one: a port of 127.0.0.1 leads to its head,
which wants a token. The nodes share the disk and the processes of this machine, so that tests see what is left; they do
not see the folders that are hidden. Ray comes from a virtual environment of its own (`make ray`).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.ssh_node import CHECKOUT, PYTHON
from workspaces import until

from reconciler.backends import load_backend
from reconciler.model.backend import Backend
from reconciler.model.plugins import BackendContext

VERSION = "2.60.0"
ROOT = Path(__file__).parent.parent.parent
PROGRAM = ROOT / "build/ray/bin/ray"
_NETWORK, _START_SECONDS = "10.201.77", 240
_DASHBOARD, _GCS = 8265, 6379
_PROGRAMS = ("unshare", "nsenter", "ip", "mount", "setpriv")
# Ends with its parent; a listening socket that it inherits is one of the network of this machine.
_FORWARDER = """
import socket, sys, threading
listener = socket.socket(fileno=int(sys.argv[1]))
def copy(source, target):
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
def serve(client):
    with client:
        try:
            server = socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=10)
        except OSError:
            return
        with server:
            server.settimeout(None)
            back = threading.Thread(target=copy, args=(server, client), daemon=True)
            back.start()
            copy(client, server)
            back.join()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


def _find_missing() -> str:
    if not PROGRAM.exists():
        return "Ray is not installed (make ray)"
    if os.geteuid() != 0:
        return "a cluster with networks of its own needs root"
    programs = [program for program in _PROGRAMS if not shutil.which(program)]
    return f"{', '.join(programs)} of util-linux and iproute2 not installed" if programs else ""


MISSING = _find_missing()


class Namespace:
    """A network of its own, and private mounts, which one process holds."""

    def __init__(self) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-c"]
        script = "ip link set lo up; echo; exec sleep infinity"
        self._holder = subprocess.Popen(
            [*command, script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._holder.stdout
        with self._holder.stdout as ready:
            ready.readline()

    @property
    def enter(self) -> list[str]:
        """What a command begins with that is to run there."""
        return ["nsenter", "--net", "--mount", f"--target={self._holder.pid}"]

    @property
    def enter_network(self) -> list[str]:
        """The same for a command that needs the files of this machine."""
        return ["nsenter", "--net", f"--target={self._holder.pid}"]

    def run(self, *command: str) -> str:
        """Run a command there and return what it prints."""
        return subprocess.run([*self.enter, *command], check=True, stdout=subprocess.PIPE, text=True).stdout

    def join(self, switch: Namespace, number: int) -> None:
        """Connect to a switch, by an address that ends with a number."""
        link = ["ip", "link", "add", f"s{number}", "type", "veth", "peer", "name", "eth0", "netns"]
        switch.run(*link, str(self._holder.pid))
        switch.run("ip", "link", "set", f"s{number}", "master", "br0", "up")
        self.run("ip", "addr", "add", f"{_NETWORK}.{number}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def hide(self, path: Path) -> None:
        """Show an empty folder in the place of one of this machine."""
        self.run("mount", "-t", "tmpfs", "none", str(path))

    def processes(self) -> list[int]:
        """Return the processes that are in it, without the one that holds it."""
        own = _network_of(self._holder.pid)
        numbers = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
        return [number for number in numbers if number != self._holder.pid and _network_of(number) == own]

    def kill(self, spared: int = 0) -> None:
        """Kill all that runs in it, but for one process."""
        while processes := [process for process in self.processes() if process != spared]:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            with suppress(AssertionError):
                until(lambda: not any(map(_is_alive, processes)), 2)

    def stop(self) -> None:
        """End all that runs in it, and it."""
        self.kill()
        self._holder.kill()
        self._holder.wait(120)


def _network_of(process: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{process}/ns/net").readlink())
    return ""


def _is_alive(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


@dataclass
class RayCluster:
    """The cluster: a head with two processors, and a second node with one; ``token`` is for those who ask its API."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    port: int = 0
    # Of a path that is short enough for sockets.
    _temporary: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp")))
    _nodes: list[Namespace] = field(default_factory=list)
    _forwarder: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start; the checkout of mlgit is hidden from the nodes, but for Ray itself."""
        self.folder.mkdir(parents=True)
        switch = Namespace()
        switch.run("ip", "link", "add", "br0", "type", "bridge")
        switch.run("ip", "link", "set", "br0", "up")
        self._nodes = [Namespace(), Namespace()]
        self._switch = switch
        for number, node in enumerate(self._nodes, 1):
            node.join(switch, number)
        self.ray_environment.mkdir()
        for node in self._nodes:
            node.run("mount", "--bind", str(PROGRAM.parent.parent.resolve()), str(self.ray_environment))
        self.hide(CHECKOUT)
        self.start_head()
        self.start_node()
        self.join()

    def start_head(self) -> None:
        """Start the head, which knows nothing of what was before."""
        address = f"{_NETWORK}.1"
        arguments = (
            *("--head", f"--port={_GCS}", f"--dashboard-host={address}", f"--dashboard-port={_DASHBOARD}"),
            *("--num-cpus=2", f"--node-ip-address={address}", f"--temp-dir={self._temporary / 'ray'}"),
        )
        self._start_patiently(0, self.kill_head, *arguments)

    def start_node(self) -> None:
        """Start the second node."""
        arguments = (f"--address={_NETWORK}.1:{_GCS}", f"--node-ip-address={_NETWORK}.2", "--num-cpus=1")
        self._start_patiently(1, self.kill_node, *arguments)

    def kill_head(self) -> None:
        """Kill all that runs on the head, but for who forwards its port."""
        self._nodes[0].kill(self._forwarder.pid if self._forwarder else 0)
        # Ray looks for one that runs among the processes of this machine, which the second node shares.
        (self._temporary / "ray/ray_current_cluster").unlink(missing_ok=True)

    def kill_node(self) -> None:
        """Kill all that runs on the second node."""
        self._nodes[1].kill()

    def hide(self, path: Path) -> None:
        """Let the nodes see an empty folder in the place of one of this machine."""
        for node in self._nodes:
            node.hide(path)

    def list_folder(self, path: Path) -> str:
        """Return what a node sees in a folder."""
        return self._nodes[1].run("ls", "-A", str(path))

    @property
    def ray_environment(self) -> Path:
        """Where the nodes find Ray, which may be in the checkout that is hidden from them."""
        return self._temporary / "environment"

    @property
    def address(self) -> str:
        """The address of its dashboard."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, data: bytes | None = None) -> Any:
        """Return what its API answers."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}{path}", data, headers)  # noqa: S310 - of this machine
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
            return json.load(answer)

    def stop(self) -> None:
        """End its nodes and their networks."""
        self.cut()
        for namespace in (*self._nodes, self._switch):
            namespace.stop()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _start_patiently(self, number: int, kill: Callable[[], None], *arguments: str) -> None:
        """Start a node, once more if its parts have waited for each other in vain, as on a busy machine."""
        try:
            self._start(number, *arguments)
        except subprocess.SubprocessError:
            kill()
            self._start(number, *arguments)

    def _start(self, number: int, *arguments: str) -> None:
        # A higher priority lets it start also on a busy machine, where its parts wait for each other in vain.
        ray = (str(self.ray_environment / "bin/python"), str(self.ray_environment / "bin/ray"))
        command = ["nice", "-n", "-10", *self._nodes[number].enter, *ray, "start", *arguments]
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1", "PATH": "/usr/bin:/bin"}
        protected = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        with (self.folder / f"node-{number + 1}.log").open("ab") as log:
            subprocess.run(
                [*command, "--object-store-memory=80000000", "--disable-usage-stats"],
                env={"HOME": "/root", **quiet, **protected},
                check=True,
                timeout=_START_SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def cut(self) -> None:
        """Let nobody reach the head, until `join`."""
        if self._forwarder:
            self._forwarder.kill()
            self._forwarder.wait(120)

    def join(self) -> None:
        """Let its port lead to the head."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = listener.getsockname()[1]
        descriptor = listener.fileno()
        command = [*self._nodes[0].enter_network, sys.executable, "-c", _FORWARDER, str(descriptor), f"{_NETWORK}.1"]
        self._forwarder = subprocess.Popen([*command, str(_DASHBOARD)], pass_fds=[descriptor])
        listener.close()


def open_ray(
    cluster: RayCluster, folder: Path, token: str | None = None, private_key: str = "", **settings: Any
) -> Backend:
    """Return the backend `ray` on a cluster, whose files are in a folder that the nodes and the tests see.

    The ``private_key`` is for the machine that submits, if the settings name one.
    """
    values = {"/token": cluster.token if token is None else token, "/private_key": private_key}
    own = {"type": "ray", "address": cluster.address, "folder": str(folder), "python": PYTHON}
    return load_backend({**own, **settings}, cluster.folder / "notes", BackendContext("cluster", "/", values.get))
