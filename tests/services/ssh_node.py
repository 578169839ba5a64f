"""A node that is reached by ssh: a network of its own without a way out, and private mounts that hide folders.

It shares processes and the rest of the disk with this machine, so that tests see what is left there. Each connection
to its port on 127.0.0.1 is served by an `sshd -i` in the namespaces of the node, which one process holds; no interface
of this machine is changed. `cut` ends the connections and refuses new ones.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services import proxy as relay
from services import ray_program
from services.git_ssh import MISSING as NO_SSHD
from services.git_ssh import SSHD
from services.mounts import PrivateMounts, find_missing
from services.ports import free_port
from workspaces import until

from reconciler.backends import load_backend
from reconciler.model.backend import Backend
from reconciler.model.plugins import BackendContext

PASSPHRASE = "of-a-node"  # noqa: S105 - of a key that is made for a test
# The Python of the tests themselves, not of their virtual environment, which the node does not see.
PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
CHECKOUT = Path(__file__).parents[2]
_CONFIG = """
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PermitTTY no
"""


MISSING = NO_SSHD or find_missing()


@dataclass
class SshNode:
    """The node; ``client`` may log on, ``stranger`` may not, ``locked`` is a key with a passphrase that may.

    Who logs on finds the ``variables``.
    """

    folder: Path
    has_network: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    user: str = field(default_factory=getpass.getuser)
    _mounts: PrivateMounts | None = None
    _listener: socket.socket | None = None
    _served: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start; the checkout of mlgit is hidden."""
        self.folder.mkdir(parents=True)
        Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's sshd locks up what it does not trust
        for key, words in (("host", ""), ("other_host", ""), ("client", ""), ("stranger", ""), ("locked", PASSPHRASE)):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", words, "-f", str(self.folder / key)]
            subprocess.run(command, check=True)
        self._write("sshd_config", _CONFIG.format(folder=self.folder) + self._set_variables())
        self._write("known_hosts", f"[127.0.0.1]:{self.port} {self.public('host')}")
        self._write("other_hosts", f"[127.0.0.1]:{self.port} {self.public('other_host')}")
        self._write("authorized_keys", f"{self.public('client')}{self.public('locked')}")
        self._mounts = self._make_mounts()
        self.hide(CHECKOUT)
        self.join()

    @property
    def ray_environment(self) -> Path:
        """Where the node finds Ray, which may be in the checkout that is hidden from it."""
        return self.folder / "ray-environment"

    def _make_mounts(self) -> PrivateMounts:
        mounts = PrivateMounts(self.folder, has_network=self.has_network)
        if (ray_program.FOLDER / "ray").exists():
            mounts.show(ray_program.FOLDER.parent, self.ray_environment)
        return mounts

    def hide(self, path: Path) -> None:
        """Let the node see an empty folder in the place of one of this machine."""
        assert self._mounts
        self._mounts.hide(path)

    def run(self, *command: str) -> str:
        """Run a command on the node and return what it prints."""
        assert self._mounts
        return self._mounts.run(*command)

    def join(self) -> None:
        """Listen for connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse new ones until `join`; what runs on the node goes on."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for process in self._served:
            process.kill()
            process.wait(120)
        self._served.clear()

    @contextmanager
    def hang(self) -> Iterator[None]:
        """Let nobody answer on the connections that there are."""
        served = [process.pid for process in self._served if process.poll() is None]
        for process in served:
            os.killpg(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in served:
                os.killpg(process, signal.SIGCONT)

    def stop(self) -> None:
        """End its connections and its namespaces."""
        self.cut()
        if self._mounts:
            self._mounts.stop()

    @contextmanager
    def way_out(self, port: int, target: int) -> Iterator[None]:
        """Let a port of the node's 127.0.0.1 be one of this machine's: its only way out."""
        socket, script = self.folder / f"way-{port}", self.folder / "relay.py"
        shutil.copy(relay.__file__, script)
        proxy = relay.Proxy(socket, target)
        proxy.start()
        assert self._mounts
        process = subprocess.Popen([*self._mounts.enter, PYTHON, str(script), str(port), str(socket)])
        try:
            until(lambda: self._listens(port))
            yield
        finally:
            process.kill()
            process.wait(120)
            proxy.stop()
            socket.unlink()

    def _listens(self, port: int) -> bool:
        return f":{port:04X} 00000000:0000 0A" in self.run("cat", "/proc/self/net/tcp")

    def key(self, name: str) -> str:
        """Return a private key."""
        return (self.folder / name).read_text(encoding="utf-8")

    def public(self, name: str) -> str:
        """Return a public key, with a line end."""
        return (self.folder / f"{name}.pub").read_text(encoding="utf-8")

    def _serve(self, listener: socket.socket) -> None:
        assert SSHD
        assert self._mounts
        command = [*self._mounts.enter, SSHD, "-i", "-e", "-f", str(self.folder / "sshd_config")]
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = listener.accept()
                with connection, (self.folder / "log").open("ab") as log:
                    process = subprocess.Popen(
                        command, stdin=connection, stdout=connection, stderr=log, start_new_session=True
                    )
                self._served = [one for one in (*self._served, process) if one.poll() is None]

    def _set_variables(self) -> str:
        pairs = [f"{name}={value}" for name, value in self.variables.items()]
        return f"SetEnv {' '.join(pairs)}\n" if pairs else ""

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")


def open_ssh(node: SshNode, folder: Path, secrets: Mapping[str, str] | None = None, **settings: Any) -> Backend:
    """Return the backend `ssh` on a node, whose files are in a folder that the tests see too."""
    where = {"machine": "127.0.0.1", "port": node.port, "user": node.user, "folder": str(folder), "python": PYTHON}
    values = {"/private_key": node.key("client")} if secrets is None else secrets
    context = BackendContext("box", str(node.folder), values.get)
    settings = {"type": "ssh", "known_hosts": "known_hosts", **where, **settings}
    return load_backend(settings, node.folder / "notes", context)
