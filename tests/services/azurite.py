"""Azurite, Microsoft's emulator of Azure Blob Storage, on 127.0.0.1 with keys of its own.

``make azurite`` installs it into build/azurite.
"""

from __future__ import annotations

import base64
import datetime as dt
import importlib
import secrets
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.ports import free_port
from services.processes import Service

VERSION = "3.35.0"
_INSTALLED = Path(__file__).parents[2] / "build" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
_COMMAND = str(_INSTALLED) if _INSTALLED.exists() else shutil.which("azurite-blob")
MISSING = "" if _COMMAND and shutil.which("node") else "azurite is not installed: run `make azurite`"
ACCOUNTS = ("mlgittests", "onelake")  # the second is how OneLake's account is called


def make_key() -> str:
    """Return a new account key."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


@dataclass
class Azurite:
    """The service."""

    folder: Path
    port: int = field(default_factory=free_port)
    key: str = field(default_factory=make_key)
    certificate: tuple[Path, Path] | None = None  # with that of its key: it speaks HTTPS, and takes tokens unchecked

    def __post_init__(self) -> None:
        assert _COMMAND
        self.folder.mkdir(parents=True)
        command = [_COMMAND, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", str(self.folder)]
        options = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        if self.certificate:
            certificate, key = map(str, self.certificate)
            options += ["--oauth", "basic", "--cert", certificate, "--key", key]
        accounts = ";".join(f"{account}:{self.key}" for account in ACCOUNTS)
        self._service = Service([*command, *options], self.folder, self.port, {"AZURITE_ACCOUNTS": accounts})
        self.stop = self._service.stop

    def url(self, account: str = ACCOUNTS[0], port: int = 0) -> str:
        """Return the URL of an account; with a port, behind a proxy."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{port or self.port}/{account}"

    def make_container(self, account: str = ACCOUNTS[0]) -> str:
        """Make a container; return its name."""
        name = f"c{uuid.uuid4().hex[:12]}"
        credential = {"account_name": account, "account_key": self.key}
        with _sdk().BlobServiceClient(self.url(account), credential) as client:
            client.create_container(name)
        return name

    def make_sas(self, container: str, permission: str = "rwdlc", hours: float = 1) -> str:
        """Return a SAS token of a container, which ends in so many hours."""
        now = dt.datetime.now(dt.UTC)
        sas: str = _sdk().generate_container_sas(
            ACCOUNTS[0],
            container,
            self.key,
            permission=permission,
            start=now - dt.timedelta(hours=12),
            expiry=now + dt.timedelta(hours=hours),
        )
        return sas


def _sdk() -> Any:
    return importlib.import_module("azure.storage.blob")  # slow to import: every run of the tests has these fixtures
