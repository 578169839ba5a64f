"""The URL of an object store on a storage service: light, so that settings are checked without a driver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from reconciler.diagnostics import Diagnostic, Severity, UserError, user_error
from reconciler.model import Json


class Service(NamedTuple):
    """A protocol of storage services, the module that speaks it, and the extra of mlgit that installs the module."""

    name: str
    module: str
    extra: str


_AZURE = Service("azure", "adlfs", "azure")
_SFTP = Service("sftp", "sshfs", "sftp")
SERVICES: Mapping[str, Service] = {
    "s3": Service("s3", "s3fs", "s3"),
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "sftp": _SFTP,
    "ssh": _SFTP,
    "webhdfs": Service("webhdfs", "requests", ""),
}
"""By the scheme of the URL: only services that can create a file if there is none, in one step."""


SECRETS = (
    *("/account_key", "/sas_token", "/client_secret"),
    *("/access_key_id", "/secret_access_key", "/session_token"),
    *("/password", "/private_key", "/passphrase"),
    "/delegation_token",
)
"""The JSON pointers of the fields that only secrets have."""


class StoreUrl(NamedTuple):
    """A URL of a store: ``path`` is what the driver calls its root, ``account`` only Azure has."""

    service: Service
    location: str
    path: str
    host: str = ""
    port: int | None = None
    user: str = ""
    account: str = ""


def parse_store_url(settings: Mapping[str, Json]) -> StoreUrl:
    """Return the parts of the ``url`` of settings. Raises UserError ``store-url-invalid``."""
    url = str(settings["url"])
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid(str(error)) from error
    service = SERVICES.get(parts.scheme)
    if service is None:
        schemes = ", ".join(f"{scheme}://" for scheme in SERVICES)
        message = (
            f"a store cannot be at {parts.scheme}://: mlgit needs a service that creates a file only if there is none"
        )
        raise user_error("store-url-invalid", message, f"use a folder, or one of {schemes}")
    if parts.password is not None or parts.query or parts.fragment:
        raise _invalid("it may have no password, no query and no fragment")
    if not parts.netloc:
        raise _invalid("its host, bucket or container is missing")
    path = unquote(parts.path).rstrip("/")
    if any(part in {".", "..", ""} for part in path.split("/")[1:]):
        raise _invalid("its path has an empty name, . or ..")
    if service.name == "s3":
        return StoreUrl(service, url, f"{parts.netloc}{path}")
    if service.name == "azure":
        return _parse_azure(service, url, parts, path, str(settings.get("account", "")))
    user, host = unquote(parts.username or ""), parts.hostname or ""
    return StoreUrl(service, url, path or "/", host, port, user)


def _parse_azure(service: Service, url: str, parts: SplitResult, path: str, account: str) -> StoreUrl:
    """Return the parts of ``az://CONTAINER/PATH`` or ``abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH``."""
    container, _, host = parts.netloc.partition("@")
    account = host.partition(".")[0] or account
    if not account:
        raise _invalid("the storage account is missing", "write it as account: NAME beside url:")
    return StoreUrl(service, url, f"{container}{path}", account=account)


def check_store_url(settings: Mapping[str, Json]) -> Iterator[tuple[str, Diagnostic]]:
    """Yield what is wrong with settings beyond their schema: the name of a setting, and a diagnostic without a span.

    A driver that is not installed is a warning: a plan needs none.
    """
    try:
        service = parse_store_url(settings).service
    except UserError as error:
        yield "url", error.diagnostics[0]
        return
    if find_spec(service.module) is None:
        diagnostic = missing_driver(service).diagnostics[0]
        yield "url", Diagnostic(diagnostic.code, diagnostic.message, None, diagnostic.hint, Severity.WARNING)


def check_folder(settings: Mapping[str, Json]) -> Iterator[tuple[str, Diagnostic]]:
    """Yield what is wrong with the settings of a store that is a folder."""
    if "path" in settings and "url" in settings:
        message = "the folder of the store is named twice, by path and by url"
        yield "url", Diagnostic("store-url-invalid", message, hint="keep one of the two")


def missing_driver(service: Service) -> UserError:
    """Return the error of a driver that is not installed."""
    message = f"the object store needs {service.module} for {service.name}, which is not installed"
    return user_error("extra-missing", message, f"run `pip install 'mlgit[{service.extra}]'`")


def _invalid(
    reason: str, hint: str = "write it as s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or sftp://HOST/PATH"
) -> UserError:
    return user_error("store-url-invalid", f"the url of the store cannot be used: {reason}", hint)
