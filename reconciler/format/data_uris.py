"""URIs of data: paths of datastores, and the URLs of Azure's storage services. Pure (reference, section 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from reconciler.model import Spec

_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?"
    r"datastores/(?P<datastore>[^/]+)(?:/(?:paths(?:/(?P<path>.*))?)?)?",
    re.IGNORECASE,
)
_CONTAINER_SCHEMES = {"wasb": "blob", "wasbs": "blob", "abfs": "dfs", "abfss": "dfs"}
_WEB_SCHEMES = {*_CONTAINER_SCHEMES, "https"}
# The accounts of storage in Azure's clouds; their URLs have the container as the first part of the path.
_ACCOUNT_HOST = re.compile(
    r"(?P<account>[a-z0-9-]+)\.(?:blob|dfs)\.core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)", re.IGNORECASE
)
_GEN1_SCHEME, _GEN1_HOST = "adl", ".azuredatalakestore.net"
# The field that names what holds the files, by the type of the datastore.
_CONTAINER_FIELDS = {"azure_blob": "container_name", "azure_data_lake_gen2": "filesystem"}
DEFAULT_DATASTORES = (
    "workspaceblobstore",
    "workspaceartifactstore",
    "workspacefilestore",
    "workspaceworkingdirectory",
)
"""The datastores that every workspace of Azure ML has; the first one is its default."""


class DataUri(NamedTuple):
    """A place of data: the name of a datastore, or else the account and the container that a URL names, and the path.

    ``scheme`` is that of the URL, ``azureml`` for a datastore. ``account`` of a Data Lake Gen1 is its store.
    """

    scheme: str
    datastore: str
    account: str
    container: str
    path: str


def parse_data_uri(text: str) -> DataUri | None:
    """Return the place that a URI names; None for any other text, such as a local path or any other https URL.

    A URL with a query, such as a SAS, is none: it brings a credential of its own.
    """
    if match := _DATASTORE.fullmatch(text):
        return DataUri("azureml", match["datastore"], "", "", (match["path"] or "").strip("/"))
    try:
        parts = urlsplit(text)
    except ValueError:  # no URL, such as one with half of an IPv6 address
        return None
    scheme, path = parts.scheme.lower(), unquote(parts.path).strip("/")
    if scheme in _CONTAINER_SCHEMES and parts.username and parts.hostname:
        return DataUri(scheme, "", parts.hostname.partition(".")[0], parts.username, path)
    if scheme in _WEB_SCHEMES and not parts.query and (match := _ACCOUNT_HOST.fullmatch(parts.netloc)):
        container, _, path = path.partition("/")
        return DataUri(scheme, "", match["account"].lower(), container, path) if container else None
    if scheme == _GEN1_SCHEME and parts.hostname:
        return DataUri(scheme, "", parts.hostname.removesuffix(_GEN1_HOST), "", path)
    return None


def find_datastore(uri: DataUri, datastores: Iterable[tuple[str, Spec]]) -> str:
    """Return the name of the datastore that has a place: the one that a URI names, or one of its account and container.

    ``datastores`` are the names and the specs of those of the workspace. Returns "" if none has it.
    """
    if uri.datastore:
        return uri.datastore
    return next((name for name, spec in datastores if _has_place(uri, spec)), "")


def _has_place(uri: DataUri, spec: Mapping[str, object]) -> bool:
    type_ = str(spec.get("type", "")).lower()
    if uri.scheme == _GEN1_SCHEME:
        return type_ == "azure_data_lake_gen1" and spec.get("store_name") == uri.account
    field = _CONTAINER_FIELDS.get(type_, "")
    return bool(field) and (spec.get("account_name"), spec.get(field)) == (uri.account, uri.container)
