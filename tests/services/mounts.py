"""Private mounts, in which folders of this machine are hidden: a namespace that one process holds."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from workspaces import until


def find_missing() -> str:
    """Return what this machine lacks for private mounts; "" for nothing."""
    if os.geteuid() != 0:
        return "a node with namespaces of its own needs root"
    programs = [program for program in ("unshare", "nsenter", "ip", "mount") if not shutil.which(program)]
    if programs:
        return f"{', '.join(programs)} of util-linux and iproute2 not installed"
    trial = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
    return "" if trial.returncode == 0 else "this machine makes no namespaces"


class PrivateMounts:
    """The namespace; with ``has_network`` it has a network of its own too, without a way out."""

    def __init__(self, folder: Path, *, has_network: bool) -> None:
        ready = folder / "mounts-ready"
        namespaces = ["--net", "--mount"] if has_network else ["--mount"]
        script = f"{'ip link set lo up;' if has_network else ''} touch {ready}; exec sleep infinity"
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, "sh", "-c", script]
        self._holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        until(ready.exists)
        # The processes that are started are not among those that die with the tests, as the runs of a real node.
        self.enter = ["nsenter", *namespaces, f"--target={self._holder.pid}"]
        """What a command begins with that is to run there."""

    def hide(self, path: Path) -> None:
        """Show an empty folder in the place of one of this machine."""
        subprocess.run([*self.enter, "mount", "-t", "tmpfs", "none", str(path)], check=True)

    def show(self, path: Path, target: Path) -> None:
        """Show a folder of this machine in another place too, which is made; the path itself can be hidden later."""
        target.mkdir()
        self.run("mount", "--bind", str(path), str(target))

    def run(self, *command: str) -> str:
        """Run a command there and return what it prints."""
        return subprocess.run([*self.enter, *command], check=True, capture_output=True, text=True).stdout

    def stop(self) -> None:
        """End the process that holds the namespace."""
        self._holder.kill()
        self._holder.wait(120)
