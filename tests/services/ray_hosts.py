"""Machines on which mlgit makes a Ray cluster: reached by ssh, in a network of their own without a way out.

They share the disk and the processes of this machine, so that tests see what is left there. `make ray` installs Ray.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.ray_cluster import PROGRAM, Namespace
from services.ssh_node import PYTHON, SshNode

from reconciler.backends._node_messages import READY

_NETWORK = "10.201.77"


@dataclass
class RayHost(SshNode):
    """One of the machines, with an address that ends with its number."""

    switch: Namespace | None = None
    number: int = 0
    namespace: Namespace = field(default_factory=Namespace)

    def _make_mounts(self) -> Any:
        assert self.switch
        self.namespace.join(self.switch, self.number)
        return self.namespace

    @property
    def address(self) -> str:
        """Its address in the network of the cluster."""
        return f"{_NETWORK}.{self.number}"

    def processes(self) -> list[int]:
        """Return what runs on it, without what serves connections."""
        return [number for number in self.namespace.processes() if not _serves(number)]

    def kill(self) -> None:
        """Kill all that runs on it, as if it were switched off and on again."""
        self.namespace.kill()


def _serves(number: int) -> bool:
    try:
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:  # it has ended
        return True
    return b"sshd" in command or READY.encode() in command


@dataclass
class RayHosts:
    """The machines: the first is for the head. All can be logged on with the key of the first."""

    folder: Path
    count: int = 3
    hosts: list[RayHost] = field(default_factory=list)
    switch: Namespace = field(default_factory=Namespace)
    _temporary: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp")))

    def start(self) -> None:
        """Start; the checkout of mlgit is hidden from them, but for Ray itself."""
        self.switch.run("ip", "link", "add", "br0", "type", "bridge")
        self.switch.run("ip", "link", "set", "br0", "up")
        environment = self._temporary / "environment"
        environment.mkdir()
        # With a higher priority its parts start also on a busy machine, where they wait for each other in vain; objects
        # take little of the memory.
        self.program.write_text(
            '#!/bin/sh\ncase "$*" in *--head*) ;; *) set -- "$@" --object-store-memory=80000000;; esac\n'
            f'exec nice -n -10 {environment}/bin/python {environment}/bin/ray "$@"\n'
        )
        self.program.chmod(0o755)
        for number in range(1, self.count + 1):
            host = RayHost(self.folder / f"host-{number}", switch=self.switch, number=number)
            self.hosts.append(host)
            host.namespace.run("mount", "--bind", str(PROGRAM.parent.parent.resolve()), str(environment))
            host.start()
        first = self.hosts[0]
        for host in self.hosts[1:]:
            shutil.copy(first.folder / "authorized_keys", host.folder / "authorized_keys")

    @property
    def program(self) -> Path:
        """The program `ray` of the machines."""
        return self._temporary / "ray"

    def key(self) -> str:
        """Return the private key of who may log on."""
        return self.hosts[0].key("client")

    def settings(self, disk: Path) -> dict[str, Any]:
        """Return the settings of a backend `ray` on them, whose folder is on a disk."""
        return {
            "type": "ray",
            "folder": str(disk),
            "python": PYTHON,
            "ray": str(self.program),
            "user": self.hosts[0].user,
            "hosts": [
                {
                    "machine": "127.0.0.1",
                    "address": host.address,
                    "port": host.port,
                    "host_key": " ".join(host.public("host").split()[:2]),
                }
                for host in self.hosts
            ],
        }

    def processes(self) -> list[int]:
        """Return what runs on them."""
        return [number for host in self.hosts for number in host.processes()]

    def hide(self, path: Path) -> None:
        """Let them see an empty folder in the place of one of this machine."""
        for host in self.hosts:
            host.hide(path)

    def stop(self) -> None:
        """End all that runs on them, and them."""
        for host in self.hosts:
            host.cut()
            host.namespace.stop()
        self.switch.stop()
        shutil.rmtree(self._temporary, ignore_errors=True)
