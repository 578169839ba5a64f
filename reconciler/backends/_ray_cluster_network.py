"""The network of a Ray cluster on one machine: a namespace in which Ray listens, as it does on all addresses it has.

One process holds the namespace while there is a cluster; what takes part in the cluster enters it by `nsenter`. It has
its loopback interface and no other, so that nothing outside it can be reached from there, nor reaches it. Who may make
no network, as most users, makes a user namespace with it, in which they stay who they are.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import reconciler
from reconciler.backends._ray_cluster_files import ClusterFiles
from reconciler.diagnostics import UserError, user_error
from reconciler.private_files import create_private_file
from reconciler.runner.descendants import find_marked, send_signal
from reconciler.runner.files import read_json_object, write_json_atomically

NETWORK_MARK = "MLGIT_RAY_NETWORK"
"""The variable of the environment by which the process that holds the network is found again."""
_NAME = "network"
_NETWORK = "192.0.2"  # reserved for documentation, so that nothing real has such an address (RFC 5737)
_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_SET_FLAGS, _SET_ADDRESS, _UP_AND_RUNNING = 0x8914, 0x8916, 0x41
_POLL_SECONDS, _KILL_SECONDS = 2.0, 20.0
_READY = "ready"
_HINT = (
    "let this user make user namespaces (sysctl user.max_user_namespaces, and on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns), run mlgit as root, or list machines under hosts: of the backend"
)
_HOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from reconciler.backends._ray_cluster_network import main
main(*sys.argv[2:])
"""


def address_of(number: int) -> str:
    """Return the address of a node in its network; that of the head is the first, with the number 0."""
    return f"{_NETWORK}.{number + 1}"


def find_problem() -> UserError | None:
    """Return why this machine makes no network for a cluster, None if it does."""
    if not shutil.which("nsenter"):
        return user_error("cluster-network", "this machine has no program nsenter", "install util-linux")
    answer = _ask(_start_holder())
    return None if answer == _READY else _refusal(answer)


def open_network(files: ClusterFiles) -> None:
    """Make the network of a cluster, unless there is one. Raises UserError ``cluster-network``."""
    if find_entry(files):
        return
    close_network(files)
    if not shutil.which("nsenter"):
        raise user_error("cluster-network", f"{os.uname().nodename} has no program nsenter", "install util-linux")
    log = files.host(_NAME).with_suffix(".log")
    create_private_file(log)
    if (answer := _ask(_start_holder(files, log))) != _READY:
        raise _refusal(answer)


def find_entry(files: ClusterFiles) -> tuple[str, ...]:
    """Return the words before a command that is to run in the network of a cluster; empty if there is no network."""
    held = read_json_object(_state_file(files)) or {}
    process = held.get("process")
    if not isinstance(process, int) or not _holds(files, process, held.get("network", "")):
        return ()
    users = ("--user", "--preserve-credentials") if held.get("has_users") else ()
    return ("nsenter", f"--target={process}", "--net", *users, "--")


def is_inside(files: ClusterFiles) -> bool:
    """Return True if this process is in the network of a cluster."""
    return (read_json_object(_state_file(files)) or {}).get("network") == _network_of("self")


def close_network(files: ClusterFiles) -> bool:
    """End what holds the network of a cluster; return False if it does not end."""
    deadline = time.monotonic() + _KILL_SECONDS
    while processes := find_marked(files.host(_NAME), variable=NETWORK_MARK):
        if time.monotonic() > deadline:
            return False
        send_signal(processes, signal.SIGKILL)
        time.sleep(0.05)
    return True


def _holds(files: ClusterFiles, process: int, network: str) -> bool:
    """Return True if a process holds the network; after a restart of the machine it can be any other one."""
    try:
        with Path(f"/proc/{process}/environ").open("rb") as environment:
            marks = environment.read().split(b"\0")
    except OSError:
        return False
    return os.fsencode(f"{NETWORK_MARK}={files.host(_NAME)}") in marks and _network_of(str(process)) == network


def _network_of(process: str) -> str:
    try:
        return str(Path(f"/proc/{process}/ns/net").readlink())
    except OSError:  # it has ended
        return ""


def _state_file(files: ClusterFiles) -> Path:
    return files.host(_NAME).with_suffix(".json")


def _refusal(answer: str) -> UserError:
    machine = os.uname().nodename
    message = f"{machine} makes no network of its own for a Ray cluster: {answer or 'its program ended'}"
    return user_error("cluster-network", message, _HINT)


def _start_holder(files: ClusterFiles | None = None, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start what holds the network of a cluster; without one it only tries to make a network."""
    program = str(Path(reconciler.__file__).parents[1])
    arguments = (str(files.folder), files.read()["token"]) if files else ()
    mark = {NETWORK_MARK: str(files.host(_NAME))} if files else {}
    with (log or Path(os.devnull)).open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HOLDER, program, *arguments],
            env={**os.environ, **mark},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def _ask(holder: subprocess.Popen[bytes]) -> str:
    """Return what a process that has been started to hold a network says."""
    return holder.communicate()[0].decode("utf-8", "replace").strip()


def main(folder: str = "", token: str = "") -> None:
    """Make a network and say on stdout that it is ready, or why not; hold it while a folder has its cluster."""
    try:
        has_users = _make_network()
    except OSError as error:
        return _say(error.strerror or str(error))
    except AttributeError:
        return _say("only Linux has them")
    if not folder:
        return _say(_READY)
    if os.fork() == 0:  # who has started this process waits for its end
        _hold(ClusterFiles(Path(folder)), token, has_users=has_users)
    return None


def _hold(files: ClusterFiles, token: str, *, has_users: bool) -> None:
    state = {"process": os.getpid(), "network": _network_of("self"), "has_users": has_users}
    try:
        write_json_atomically(_state_file(files), state, synced=False)
    except OSError as error:
        return _say(f"{error.filename}: {error.strerror}")
    _say(_READY)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor; who has started it reads no more
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    while files.is_of(token):
        time.sleep(_POLL_SECONDS)
    return None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _make_network() -> bool:
    """Put this process into a network of its own; return True if it has a user namespace too. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    has_users = False
    try:
        _unshare(_NEW_NETWORK)
    except PermissionError:
        _unshare(_NEW_NETWORK | _NEW_USER)
        has_users = True
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
    loopback, first = b"lo", socket.inet_aton(address_of(0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", loopback, _UP_AND_RUNNING))
        # With one address, all addresses of its network are those of a loopback interface.
        fcntl.ioctl(control, _SET_ADDRESS, struct.pack("16sH2x4s8x", loopback + b":1", socket.AF_INET, first))
    return has_users


def _unshare(flags: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
