"""Git over HTTP: git-http-backend behind lighttpd on 127.0.0.1, for a user who may write and one who may only read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from services.ports import free_port, until_answers

LIGHTTPD = shutil.which("lighttpd") or shutil.which("lighttpd", path="/usr/sbin:/usr/local/sbin")
_BACKEND = Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip())
BACKEND = _BACKEND / "git-http-backend"
MISSING = "" if LIGHTTPD and BACKEND.exists() else "lighttpd or git-http-backend is not installed"

_CONFIG = """
server.document-root = "{folder}/root"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{folder}/log"
server.modules = ("mod_alias", "mod_setenv", "mod_auth", "mod_authn_file", "mod_cgi")
alias.url += ("/git" => "{backend}")
cgi.assign = ("" => "")
setenv.add-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "")
auth.backend = "plain"
auth.backend.plain.userfile = "{folder}/users"
auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
$HTTP["url"] =~ "/git-receive-pack$" {{
  auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "user={writer}"))
}}
$HTTP["querystring"] =~ "service=git-receive-pack" {{
  auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "user={writer}"))
}}
"""
PASSWORDS = {"writer": "may-write", "reader": "may-read"}


@dataclass
class GitOverHttp:
    """The service; it knows the repositories below ``root``."""

    folder: Path
    root: Path
    passwords: Mapping[str, str] = field(default_factory=PASSWORDS.copy)
    writer: str = "writer"
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        assert LIGHTTPD
        (self.folder / "root").mkdir(parents=True)
        users = "".join(f"{name}:{password}\n" for name, password in self.passwords.items())
        (self.folder / "users").write_text(users, encoding="utf-8")
        config = _CONFIG.format(folder=self.folder, root=self.root, port=self.port, backend=BACKEND, writer=self.writer)
        (self.folder / "lighttpd.conf").write_text(config, encoding="utf-8")
        self._process = subprocess.Popen([LIGHTTPD, "-D", "-f", str(self.folder / "lighttpd.conf")])
        until_answers(self.port, self._process)

    def stop(self) -> None:
        """Stop."""
        if self._process:
            self._process.terminate()
            self._process.wait(120)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, repository: Path, user: str = "writer", password: str = "") -> str:
        """Return the address of a repository for one of the users."""
        password = password or self.passwords[user]
        return f"http://{user}:{password}@127.0.0.1:{self.port}/git/{repository.relative_to(self.root)}"

    def environment(self) -> Mapping[str, str]:
        """Return what keeps Git from asking a proxy."""
        return {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
