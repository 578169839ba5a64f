"""Git over ssh: an sshd of the test's own on 127.0.0.1, with one key that may write and one that may only read."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from services.ports import free_port, until_answers
from workspaces import until

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
MISSING = "" if SSHD and shutil.which("ssh-keygen") else "openssh-server is not installed"

KEYS = ("writer", "reader")
_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""
# What a key may run that may only read.
_READ_ONLY = """#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
  git-upload-pack*) exec sh -c "$SSH_ORIGINAL_COMMAND" ;;
  *) echo "ERROR: this key is marked as read only" >&2; exit 1 ;;
esac
"""


@dataclass
class GitOverSsh:
    """The service; it knows every repository of this machine that its user can read."""

    folder: Path
    port: int = field(default_factory=free_port)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start, and wait until it answers."""
        assert SSHD
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's sshd locks up what it does not trust
        for key in ("host", *KEYS):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / key)]
            subprocess.run(command, check=True)
        self._write("read-only", _READ_ONLY).chmod(0o755)
        self._write("sshd_config", _CONFIG.format(port=self.port, folder=self.folder))
        self._write("known_hosts", f"[127.0.0.1]:{self.port} {self._public('host')}")
        only = f'command="{self.folder}/read-only",restrict'
        self._write("authorized_keys", f"{self._public('writer')}{only} {self._public('reader')}")
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        with (self.folder / "log").open("wb") as log:
            self._processes.append(subprocess.Popen(command, stderr=log))
        until_answers(self.port, self._processes[0])
        for key in KEYS:  # to connect takes half a second, and Git does it for each question
            command = [*self._ssh(key), "-M", "-N", "-p", str(self.port), f"{getpass.getuser()}@127.0.0.1"]
            self._processes.append(subprocess.Popen(command))
            until((self.folder / f"{key}.socket").exists)

    def stop(self) -> None:
        """Stop."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(120)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, repository: Path) -> str:
        """Return the address of a repository."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{repository}"

    def environment(self, key: str = "writer") -> Mapping[str, str]:
        """Return what makes Git use one of the keys, ``writer`` or ``reader``, and nothing of the user's own."""
        return {"GIT_SSH_COMMAND": shlex.join(self._ssh(key))}

    def _ssh(self, key: str) -> list[str]:
        settings = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "ControlPath": self.folder / f"{key}.socket",
        }
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", str(self.folder / key), *options]

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def _public(self, key: str) -> str:
        return (self.folder / f"{key}.pub").read_text(encoding="utf-8")
