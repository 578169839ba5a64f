"""A share of Samba on 127.0.0.1, with a password of its own for the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from services.ports import free_port
from services.processes import Service

SMBD = shutil.which("smbd") or shutil.which("smbd", path="/usr/sbin:/usr/local/sbin")
_PASSWD = shutil.which("smbpasswd")
MISSING = "" if SMBD and _PASSWD and os.geteuid() == 0 else "samba is not installed, or the tests do not run as root"
SHARE, READ_ONLY_SHARE = "data", "frozen"
_FOLDERS = ("private", "lock", "state", "cache", "pid", "ncalrpc", "log", SHARE, READ_ONLY_SHARE)

_CONFIG = """
[global]
  server role = standalone server
  workgroup = WORKGROUP
  smb ports = {port}
  interfaces = 127.0.0.1/8
  bind interfaces only = yes
  private dir = {folder}/private
  lock directory = {folder}/lock
  state directory = {folder}/state
  cache directory = {folder}/cache
  pid directory = {folder}/pid
  ncalrpc dir = {folder}/ncalrpc
  log file = {folder}/log/%m.log
  passdb backend = tdbsam
  map to guest = never
  disable netbios = yes
  load printers = no
  disable spoolss = yes
[data]
  path = {folder}/data
  read only = no
  valid users = {user}
[frozen]
  path = {folder}/frozen
  read only = yes
  valid users = {user}
"""


@dataclass
class Samba:
    """The service; its share ``data`` is the folder of that name, and may be written by ``user``."""

    folder: Path
    port: int = field(default_factory=free_port)
    user: str = field(default_factory=getpass.getuser)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    def __post_init__(self) -> None:
        assert SMBD
        assert _PASSWD
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True)
        config = self.folder / "smb.conf"
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port, user=self.user), encoding="utf-8")
        words = f"{self.password}\n{self.password}\n".encode()
        subprocess.run(
            [_PASSWD, "-c", str(config), "-a", "-s", self.user], input=words, check=True, capture_output=True
        )
        (self.folder / "run").mkdir()
        command = [SMBD, "-s", config, "-F", "--no-process-group"]
        self._service = Service(command, self.folder / "run", self.port, {})
        self.stop = self._service.stop

    @property
    def share(self) -> Path:
        """The folder of the share that can be written."""
        return self.folder / SHARE
