"""The file systems of fsspec that stores are on; each driver is loaded by name, as it is an extra and loads slowly."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fsspec import AbstractFileSystem

from reconciler.model import Json
from reconciler.storage.store_url import SECRETS, StoreUrl, missing_driver

CONNECT_SECONDS, READ_SECONDS = 10, 60
BLOCK_SIZE = 5 << 20  # of one request; S3 takes no smaller parts
_ATTEMPTS = 3
_LARGE_BODY = 1 << 20  # what aiohttp sends in one piece without a pause; Azure's client sends a larger file as a stream
_SSH_SESSIONS = 9  # of ten that servers allow; one is for what sshfs cannot do
_UNCACHED = {"skip_instance_cache": True, "use_listings_cache": False}

ReadSecret = Callable[[str], str | None]
"""Returns the value of the secret that is bound to a field by its JSON pointer, None if none is."""


_CONNECTIONS: dict[object, AbstractFileSystem] = {}
_CONNECTING = threading.Lock()


def open_filesystem(
    url: StoreUrl, settings: Mapping[str, Json], folder: Path, read_secret: ReadSecret
) -> AbstractFileSystem:
    """Connect to the service of a URL, or return the connection that this process has with the same settings.

    Raises what its driver does, and UserError ``extra-missing``.
    """
    try:
        importlib.import_module(url.service.module)
    except ImportError as error:
        raise missing_driver(url.service) from error
    secrets = {pointer: read_secret(pointer) for pointer in SECRETS}
    connect = _OPENERS[url.service.name]
    identity = (url, json.dumps(dict(settings), sort_keys=True), folder, tuple(secrets.items()))
    with _CONNECTING:
        if identity not in _CONNECTIONS:
            _CONNECTIONS[identity] = connect(url, settings, folder, secrets.get)
        return _CONNECTIONS[identity]


def close_filesystem(file_system: AbstractFileSystem) -> None:
    """Forget a connection that is broken: the next use of its service makes a new one."""
    with _CONNECTING:
        for identity in [key for key, connected in _CONNECTIONS.items() if connected is file_system]:
            del _CONNECTIONS[identity]


def _open_s3(
    _url: StoreUrl, settings: Mapping[str, Json], _folder: Path, read_secret: ReadSecret
) -> AbstractFileSystem:
    config = {
        "signature_version": "s3v4",  # of URLs, too: the older one signs no headers
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retries": {"max_attempts": _ATTEMPTS, "mode": "standard"},
    }
    file_system: AbstractFileSystem = importlib.import_module("s3fs").S3FileSystem(
        key=read_secret("/access_key_id"),
        secret=read_secret("/secret_access_key"),
        token=read_secret("/session_token"),
        endpoint_url=settings.get("endpoint"),
        client_kwargs={"region_name": settings["region"]} if "region" in settings else {},
        config_kwargs=config,
        **_UNCACHED,
    )
    return file_system


def _open_azure(
    url: StoreUrl, settings: Mapping[str, Json], _folder: Path, read_secret: ReadSecret
) -> AbstractFileSystem:
    """Return a file system with a client of ours: adlfs cannot set how long its own tries, and in what blocks."""
    file_system = importlib.import_module("adlfs").AzureBlobFileSystem(
        account_name=url.account,
        account_key=read_secret("/account_key"),
        sas_token=read_secret("/sas_token"),
        tenant_id=settings.get("tenant_id"),
        client_id=settings.get("client_id"),
        client_secret=read_secret("/client_secret"),
        **_UNCACHED,
    )
    key, token = file_system.account_key, file_system.sas_token
    blob = importlib.import_module("azure.storage.blob.aio")
    file_system.service_client = blob.BlobServiceClient(
        settings.get("endpoint") or f"https://{url.account}.blob.core.windows.net",
        credential={"account_name": url.account, "account_key": key} if key else token or file_system.credential,
        **importlib.import_module("reconciler.storage.datastores._azure_client").client_options(),
        max_single_put_size=_LARGE_BODY,
        max_block_size=BLOCK_SIZE,
    )
    result: AbstractFileSystem = file_system
    return result


def _open_sftp(
    url: StoreUrl, settings: Mapping[str, Json], folder: Path, read_secret: ReadSecret
) -> AbstractFileSystem:
    """Return a file system over ssh; the host must be a known one, sshfs itself would take any."""
    asyncssh = importlib.import_module("asyncssh")
    options: dict[str, Any] = {
        "known_hosts": str(folder / Path(settings.get("known_hosts", "~/.ssh/known_hosts")).expanduser()),
        "port": url.port or (),
        "username": url.user or (),
        "connect_timeout": CONNECT_SECONDS,
        "keepalive_interval": CONNECT_SECONDS,
        "max_sessions": _SSH_SESSIONS,
    }
    passphrase = read_secret("/passphrase")
    if key := read_secret("/private_key"):
        options["client_keys"] = [asyncssh.import_private_key(key, passphrase)]
    elif "key_file" in settings:
        path = folder / Path(settings["key_file"]).expanduser()
        options["client_keys"] = [asyncssh.read_private_key(str(path), passphrase)]
    if password := read_secret("/password"):
        options["password"] = password
    file_system: AbstractFileSystem = importlib.import_module("sshfs").SSHFileSystem(
        url.host, **options, skip_instance_cache=True
    )
    return file_system


def _open_webhdfs(
    url: StoreUrl, settings: Mapping[str, Json], _folder: Path, read_secret: ReadSecret
) -> AbstractFileSystem:
    endpoint = urlsplit(str(settings.get("endpoint", "")))
    module, token = importlib.import_module("reconciler.storage._hdfs"), read_secret("/delegation_token")
    file_system: AbstractFileSystem = module.HdfsFiles(
        endpoint.hostname or url.host,
        port=endpoint.port or url.port or 9870,
        user=None if token else url.user or None,  # a token says whose it is
        password=read_secret("/password"),
        token=token,
        use_https=endpoint.scheme == "https",
        **_UNCACHED,
    )
    return file_system


_OPENERS = {"s3": _open_s3, "azure": _open_azure, "sftp": _open_sftp, "webhdfs": _open_webhdfs}
