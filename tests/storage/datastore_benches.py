"""Datastores to test: one of each type that is found by name, new and empty, on a real service."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.diagnostics import UserError
from reconciler.model.datastores import Datastore, DatastoreSettings
from reconciler.storage.datastores import open_datastore


@dataclass(frozen=True)
class Bench:
    """A datastore: what opens it, and values for its secrets."""

    type: str
    spec: Mapping[str, Any]
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"

    def open(self) -> Datastore:
        """Open it once more, as another process would."""

        def name(pointer: str) -> str:
            return f"my-{pointer.rpartition('/')[2].replace('_', '-')}" if pointer in self.secrets else ""

        return open_datastore(
            DatastoreSettings("d", self.type, self.spec, self.settings, self.secrets.get, name, self.folder)
        )

    def with_settings(self, **settings: Any) -> Bench:
        """Return the datastore with other settings."""
        return replace(self, settings={**self.settings, **settings})

    def with_spec(self, **spec: Any) -> Bench:
        """Return the datastore with another spec."""
        return replace(self, spec={**self.spec, **spec})

    def with_secrets(self, **secrets: str) -> Bench:
        """Return the datastore with other values of the secrets whose pointers end with these names."""
        known = {pointer.rpartition("/")[2]: pointer for pointer in self.secrets}
        return replace(self, secrets={**self.secrets, **{known[name]: value for name, value in secrets.items()}})


Request = pytest.FixtureRequest


def make_local(request: Request) -> Bench:
    """Make a folder of this machine."""
    folder: Path = request.getfixturevalue("tmp_path") / "datastore"
    folder.mkdir()
    return Bench("local", {}, {"path": str(folder)})


def make_blob(request: Request) -> Bench:
    """Make a container."""
    azurite = request.getfixturevalue("azurite")
    spec = {"account_name": "mlgittests", "container_name": azurite.make_container()}
    return Bench("azure_blob", spec, {"endpoint": azurite.url()}, {"/credentials/account_key": azurite.key})


def make_gen2(request: Request) -> Bench:
    """Make a file system, which is a container to Azurite."""
    azurite = request.getfixturevalue("azurite")
    spec = {"account_name": "mlgittests", "filesystem": azurite.make_container()}
    return Bench("azure_data_lake_gen2", spec, {"endpoint": azurite.url()}, {"/credentials/account_key": azurite.key})


def make_one_lake(request: Request) -> Bench:
    """Make a lakehouse, which is a folder of a container to Azurite."""
    azurite = request.getfixturevalue("azurite")
    spec = {"one_lake_workspace_name": azurite.make_container("onelake"), "artifact": {"name": "house"}}
    secrets = {"/credentials/account_key": azurite.key}
    return Bench("one_lake", spec, {"endpoint": azurite.url("onelake")}, secrets)


def make_s3(request: Request) -> Bench:
    """Make a bucket."""
    server = request.getfixturevalue("s3_server")
    key, secret = server.keys["writer"]
    settings = {"bucket": server.make_bucket(), "path": "below/it", "endpoint": server.url}
    return Bench("s3", {}, settings, {"/access_key_id": key, "/secret_access_key": secret})


def make_share(request: Request) -> Bench:
    """Empty the share of the server."""
    server = request.getfixturevalue("smb_server")
    for path in server.share.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    settings = {"endpoint": f"smb://127.0.0.1:{server.port}", "user": server.user}
    spec = {"account_name": "acct", "file_share_name": "data"}
    return Bench("azure_file", spec, settings, {"/password": server.password})


def make_sftp(request: Request) -> Bench:
    """Make a folder of the server."""
    server = request.getfixturevalue("sftp_server")
    folder = server.files / uuid.uuid4().hex
    folder.mkdir()
    settings = {"host": "127.0.0.1", "port": server.port, "user": server.user, "path": str(folder)}
    settings["known_hosts"] = str(server.folder / "known_hosts")
    return Bench("sftp", {}, settings, {"/private_key": server.key("client")})


def make_hdfs(request: Request) -> Bench:
    """Make a folder of HDFS."""
    server = request.getfixturevalue("hdfs")
    settings = {"endpoint": server.url, "path": server.make_folder(), "user": server.user}
    return Bench("azure_data_lake_gen1", {"store_name": "ended"}, settings)


BENCHES: Mapping[str, Callable[[Request], Bench]] = {
    "azure_blob": make_blob,
    "azure_data_lake_gen1": make_hdfs,
    "azure_data_lake_gen2": make_gen2,
    "azure_file": make_share,
    "local": make_local,
    "one_lake": make_one_lake,
    "s3": make_s3,
    "sftp": make_sftp,
}
"""What makes a bench of each type."""


def params(*types: str) -> list[Any]:
    """Return types of datastores as parameters of tests; those with a service of its own are marked."""
    return [pytest.param(name, marks=[] if name == "local" else [pytest.mark.services]) for name in types or BENCHES]


def failure(bench: Bench, ask: Callable[..., object] | str = "check") -> tuple[str, str]:
    """Return the code and the line of what a datastore says; no value of a secret is in it."""
    question = (lambda datastore: datastore.check()) if ask == "check" else ask
    with pytest.raises(UserError) as caught:
        question(bench.open())
    diagnostic = caught.value.diagnostics[0]
    line = f"{diagnostic.message} ({diagnostic.hint})"
    assert "\n" not in line
    assert not [value for value in bench.secrets.values() if value in line]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "a traceback has no error of a driver"
    return diagnostic.code, line
