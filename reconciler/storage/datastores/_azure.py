"""Opens datastores of Azure Blob Storage, Data Lake Gen2 and OneLake, all by the protocol of blobs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.identity.aio import CertificateCredential, ClientSecretCredential, DefaultAzureCredential
from fsspec import AbstractFileSystem
from fsspec.asyn import sync

from reconciler.diagnostics import user_error
from reconciler.model.datastores import DatastoreSettings
from reconciler.storage.datastores._adlfs import BlobFileSystem
from reconciler.storage.datastores._causes import BAD_NAME
from reconciler.storage.datastores._credentials import Credentials, read_credentials, required
from reconciler.storage.datastores._errors import NO_CREDENTIAL, OWN_IDENTITY, make_error
from reconciler.storage.datastores._fsspec import NO_CACHE
from reconciler.storage.datastores._objects import ObjectDatastore

_LABELS = {
    "/credentials/account_key": "account key",
    "/credentials/sas_token": "SAS token",
    "/credentials/client_secret": "client secret",
    "/credentials/certificate": "certificate",
}
_DEFAULT_SUFFIX = "core.windows.net"
_ONE_LAKE_HOST = "onelake.blob.fabric.microsoft.com"
# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_CHANGED_NAMES = re.compile(r"\\|(?:[^./]\.+|\.{3,})(?:/|$)")
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class BlobDatastore(ObjectDatastore):
    """The blobs of a container, or of a folder of one."""

    def _full_path(self, path: str) -> str:
        if _CHANGED_NAMES.search(path):
            raise make_error(BAD_NAME, self._place, path, "Azure reads \\ as /, and drops dots at the end of names")
        return super()._full_path(path)

    def _check_root(self, filesystem: AbstractFileSystem) -> None:
        sync(filesystem.loop, filesystem.first_page, self._root)


def open_blob(settings: DatastoreSettings) -> BlobDatastore:
    """Return the datastore in a container of Azure Blob Storage."""
    return _open_container(settings, "container_name")


def open_data_lake_gen2(settings: DatastoreSettings) -> BlobDatastore:
    """Return the datastore in a file system of Data Lake Gen2, which is a container to the protocol of blobs."""
    return _open_container(settings, "filesystem")


def open_one_lake(settings: DatastoreSettings) -> BlobDatastore:
    """Return the datastore in a lakehouse of OneLake: the workspace is the container, the lakehouse a folder of it."""
    spec = {**settings.spec, **settings.settings}
    workspace = required(settings, spec, "one_lake_workspace_name")
    artifact = required(settings, spec.get("artifact") or {}, "name")
    if not _ID.fullmatch(artifact) and not artifact.lower().endswith(".lakehouse"):
        artifact = f"{artifact}.Lakehouse"
    host = str(settings.spec.get("endpoint") or _ONE_LAKE_HOST).removeprefix("https://").rstrip("/")
    url = str(settings.settings.get("endpoint") or f"https://{host.replace('.dfs.', '.blob.')}")
    return _open_account(settings, spec, url, "onelake", f"{workspace}/{artifact}")


def _open_container(settings: DatastoreSettings, field: str) -> BlobDatastore:
    spec = {**settings.spec, **settings.settings}
    account = required(settings, spec, "account_name")
    container = required(settings, spec, field)
    suffix = settings.spec.get("endpoint") or _DEFAULT_SUFFIX
    url = str(settings.settings.get("endpoint") or f"https://{account}.blob.{suffix}")
    return _open_account(settings, spec, url, account, container)


def _open_account(
    settings: DatastoreSettings, spec: Mapping[str, Any], url: str, account: str, root: str
) -> BlobDatastore:
    url = url.rstrip("/")
    is_anonymous = bool(settings.settings.get("anonymous"))
    credentials = read_credentials(settings, _LABELS, NO_CREDENTIAL if is_anonymous else OWN_IDENTITY)
    principal = {**(spec.get("credentials") or {}), **settings.settings}
    _check_principal(settings, credentials, principal)
    place = credentials.place(settings.name, f"{url}/{root}")
    if sas_token := credentials.values.get("sas_token"):
        place = place._replace(expires=find_expiry(sas_token))

    def connect() -> BlobFileSystem:
        credential = _make_credential(account, credentials, principal, is_anonymous=is_anonymous)
        audience = str(principal.get("resource_url") or "")
        return BlobFileSystem(url, account, credential, audience, **NO_CACHE)

    return BlobDatastore(place, connect, root)


def _check_principal(settings: DatastoreSettings, credentials: Credentials, principal: Mapping[str, Any]) -> None:
    has_secret = {"client_secret", "certificate"} & credentials.values.keys()
    if has_secret:
        for key in ("tenant_id", "client_id"):
            required(settings, principal, key)
    elif principal.get("client_id"):
        message = f"datastore/{settings.name} has a service principal, and no secret is bound to its client_secret"
        hint = "bind one under secrets: in mlgit.yml, with the field /credentials/client_secret"
        raise user_error("secret-missing", message, hint)


def _make_credential(
    account: str, credentials: Credentials, principal: Mapping[str, Any], *, is_anonymous: bool
) -> Any:
    values = credentials.values
    if account_key := values.get("account_key"):
        return AzureNamedKeyCredential(account, account_key)
    if sas_token := values.get("sas_token"):
        return AzureSasCredential(sas_token.removeprefix("?"))
    options = {"authority": principal["authority_url"]} if principal.get("authority_url") else {}
    if client_secret := values.get("client_secret"):
        return ClientSecretCredential(principal["tenant_id"], principal["client_id"], client_secret, **options)
    if certificate := values.get("certificate"):
        data = certificate.encode()
        return CertificateCredential(principal["tenant_id"], principal["client_id"], certificate_data=data, **options)
    return None if is_anonymous else DefaultAzureCredential(**options)


def find_expiry(sas_token: str) -> dt.datetime | None:
    """Return when a SAS token ends, None if it does not say."""
    texts = parse_qs(sas_token.removeprefix("?")).get("se")
    try:
        time = dt.datetime.fromisoformat(texts[0]) if texts else None
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or dt.UTC) if time else None
