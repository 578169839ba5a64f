"""Fields of a datastore's file that say which host gets its credentials: a file names hosts of Azure only.

Who changes a file in a pull request could otherwise send a bound secret, or a token of who applies, to a host of his.
Any other host is named in mlgit.yml, which binds the secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from reconciler.model import Json
from reconciler.model.plugins import DatastorePlugin, HostField

_ENDPOINT = "endpoint"
_HINT = "write it under datastores: in mlgit.yml if that is meant: {setting}"
# https://learn.microsoft.com/azure/storage/common/storage-account-overview: letters and digits; a read-only copy of an
# account has `-secondary` after its name.
_ACCOUNT = r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
_CLOUDS = r"core\.(?:windows\.net|usgovcloudapi\.net|chinacloudapi\.cn|cloudapi\.de)"
_FABRIC = r"(?:https://)?(?:[A-Za-z0-9-]+\.)+fabric\.microsoft\.com/?"
_LOGIN = (
    r"(?:https://)?(?:login\.microsoftonline\.(?:com|us|de)|login\.windows\.net|login\.chinacloudapi\.cn"
    r"|login\.partner\.microsoftonline\.cn)(?:/[A-Za-z0-9.-]*)?"
)

ACCOUNT_HOSTS = (
    HostField("/account_name", _ACCOUNT, ("account_name", _ENDPOINT)),
    HostField("/endpoint", _CLOUDS, (_ENDPOINT,)),
)
FABRIC_HOSTS = (HostField("/endpoint", _FABRIC, (_ENDPOINT,)),)
LOGIN_HOSTS = (HostField("/credentials/authority_url", _LOGIN, ("authority_url",)),)


def find_foreign_hosts(
    plugin: DatastorePlugin, spec: Mapping[str, Json], settings: Mapping[str, Json]
) -> Iterator[tuple[str, str, str]]:
    """Yield the JSON pointer, the message and the hint of each field of a file that names no host of Azure.

    ``settings`` are those of mlgit.yml, which may name any host in its place.
    """
    for field in plugin.hosts:
        value = _find_value(spec, field.pointer)
        if value is None or any(name in settings for name in field.settings):
            continue
        if not re.fullmatch(field.pattern, str(value), re.IGNORECASE):
            name = field.settings[-1]
            message = f"{name} leads to a host that is not Azure's, which would get the credentials: {value}"
            if field.pointer == "/account_name":
                message = f"account_name is no name of a storage account: {value}"
            yield field.pointer, message, _HINT.format(setting=f"{name}: https://...")


def _find_value(spec: Mapping[str, Json], pointer: str) -> Json:
    value: Json = spec
    for key in pointer.split("/")[1:]:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
