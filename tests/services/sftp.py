"""A server of sftp: an sshd of the test's own on 127.0.0.1, with one key that may log on."""

from __future__ import annotations

import getpass
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from services.git_ssh import MISSING as MISSING  # it is the same program
from services.git_ssh import SSHD
from services.ports import free_port
from services.processes import Service

PASSPHRASE = "of-the-tests"  # noqa: S105 - of a key that is made for a test
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
Subsystem sftp internal-sftp
"""


@dataclass
class SftpServer:
    """The service; ``client`` may log on, ``stranger`` may not, ``locked`` is ``client`` with a passphrase."""

    folder: Path
    port: int = field(default_factory=free_port)
    user: str = field(default_factory=getpass.getuser)

    def __post_init__(self) -> None:
        assert SSHD
        (self.folder / "files").mkdir(parents=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's sshd locks up what it does not trust
        for key, words in (("host", ""), ("client", ""), ("stranger", ""), ("locked", PASSPHRASE)):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", words, "-f", str(self.folder / key)]
            subprocess.run(command, check=True)
        self._write("sshd_config", _CONFIG.format(port=self.port, folder=self.folder))
        self._write("known_hosts", f"[127.0.0.1]:{self.port} {self._public('host')}")
        self._write("other_hosts", f"[127.0.0.1]:{self.port} {self._public('stranger')}")
        self._write("authorized_keys", f"{self._public('client')}{self._public('locked')}")
        (self.folder / "run").mkdir()
        command = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        self._service = Service(command, self.folder / "run", self.port, {})
        self.stop = self._service.stop

    @property
    def files(self) -> Path:
        """The folder that the tests use."""
        return self.folder / "files"

    def key(self, name: str) -> str:
        """Return a private key."""
        return (self.folder / name).read_text(encoding="utf-8")

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def _public(self, key: str) -> str:
        return (self.folder / f"{key}.pub").read_text(encoding="utf-8")
