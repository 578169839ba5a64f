"""A machine that is reached by ssh: how to log on to it, its host key, and what its errors mean."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh
from asyncssh.saslprep import SASLPrepError

from reconciler.backends._node_messages import MessageError
from reconciler.diagnostics import UserError, user_error
from reconciler.storage.known_hosts import KnownHostsError, parse_known_hosts, read_known_hosts

_PORT = 22  # known_hosts has the names of machines with this one without it
_REASONS = {
    errno.ECONNREFUSED: "nothing listens on this port",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "there is no route to its network",
}
_CUT = (EOFError, BrokenPipeError, ConnectionResetError, asyncssh.ConnectionLost)


class Machine(NamedTuple):
    """A machine and how to log on to it.

    ``host_key`` is its key as known_hosts has it, without the name; blank if the file ``known_hosts`` is to say it.
    ``credentials`` are the values of secrets by field; without any, the keys and the agent of the user count.
    ``python`` and ``folder`` are of that machine, and ``opening`` is the first message to the program there.
    """

    name: str
    host: str
    port: int
    user: str
    known_hosts: Path
    host_key: str
    credentials: Mapping[str, str]
    credential_names: str
    python: str
    folder: str
    opening: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The machine as messages name it."""
        return f"{self.user}@{self.host}:{self.port}"


def find_known_hosts(machine: Machine) -> asyncssh.SSHKnownHosts:
    """Return the known hosts, among which the machine is; raises UserError ``backend-host-key`` if it is not."""
    name = machine.host if machine.port == _PORT else f"[{machine.host}]:{machine.port}"
    scan = f"`ssh-keyscan -p {machine.port} {machine.host}`"
    where = "host_key: of mlgit.yml" if machine.host_key else str(machine.known_hosts)
    hint = f"compare what {scan} prints with the key of the machine, then add it to that file, or set host_key:"
    try:
        text = f"{name} {machine.host_key}\n" if machine.host_key else read_known_hosts(machine.known_hosts)
        known = parse_known_hosts(text, where)
    except KnownHostsError as error:
        raise user_error("backend-host-key", str(error), error.hint) from error
    if not any(known.match(machine.host, "", machine.port)[:2]):
        if machine.host_key:
            hint = "copy the first two words of its ssh_host_ed25519_key.pub"
        elif line := _find_line(text, name):
            hint = f"compare what {scan} prints with the key of the machine, then replace the line with it"
            raise user_error("backend-host-key", f"{where}:{line}: the key of {name} cannot be read", hint)
        raise user_error("backend-host-key", f"the host key of {name} is not known: {where} has none of it", hint)
    return known


def _find_line(text: str, name: str) -> int:
    """Return the number of a line that has a host, 0 if none has; asyncssh leaves out keys that it cannot read."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and name in words[0].split(","):
            return number
    return 0


def connection_error(machine: Machine, error: BaseException) -> UserError:
    """Return the error of a connection that failed: what happened, and what to do; no secret is in it."""
    where = "host_key: of mlgit.yml" if machine.host_key else str(machine.known_hosts)
    credential = machine.credential_names or "the keys of the user"
    code = "backend-unreachable"
    match error:
        case asyncssh.HostKeyNotVerifiable():
            code = "backend-host-key"
            what = f"shows another host key than {where} has: it was set up anew, or another machine answers"
            hint = "ask who runs the machine before you replace the key"
        case asyncssh.PermissionDenied():
            code, what = "backend-credential", f"does not accept {credential}"
            hint = "correct the secret, or the user; or add the public key to authorized_keys of that user"
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            code = "backend-credential"
            what, hint = f"is not asked: {credential} cannot be read as a private key", "correct the secrets"
        case SASLPrepError():  # its text has the character
            code, what = (
                "backend-credential",
                "is not asked: the user or the password has a character that ssh cannot send",
            )
            hint = "correct user: in mlgit.yml, or the secret"
        case MessageError():
            code, what = "backend-broken", f"sent an answer that is not valid: {error}"
            hint = "check that it is the right machine, and the disk with its folder"
        case socket.gaierror():
            what, hint = "cannot be reached: its name has no address", "correct machine: in mlgit.yml"
        case OSError(filename=str() as path):  # of this machine
            message = f"{path} cannot be used: {error.strerror}"
            return user_error("file-unusable", message, "look at the disk of this machine")
        case _:
            what, hint = f"does not answer: {_reason(error)}", "check that it runs and that this machine reaches it"
    return user_error(code, f"{machine.place} (backend {machine.name}) {what}", hint)


def _reason(error: BaseException) -> str:
    if isinstance(error, _CUT):
        return "the connection was cut"
    if isinstance(error, TimeoutError):
        return "it took too long"
    return _REASONS.get(getattr(error, "errno", None) or 0, "") or str(error) or type(error).__name__
