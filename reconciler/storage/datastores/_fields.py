"""What the plug-ins of the types of datastores share: parts of their settings, and of what they support of a file."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.assets import Json
from reconciler.model.support import Honoured, Ignored, Support

TEXT: Mapping[str, Json] = {"type": "string", "minLength": 1}
PORT: Mapping[str, Json] = {"type": "integer", "minimum": 1, "maximum": 65535}
URL: Mapping[str, Json] = {
    "type": "string",
    "pattern": "^https?://[^/?#\\s@]+(?:/[^?#\\s]*)?$",
    "errorMessage": "a URL without a user, such as https://storage.example.org",
}
ANONYMOUS: Mapping[str, Json] = {
    "type": "boolean",
    "description": "Whether it is opened without credentials, which only public data allows.",
}
ACCOUNT_ENDPOINT: Mapping[str, Json] = {
    **URL,
    "description": "URL of the account: that of an emulator or a private cloud in place of Azure's.",
}
PRINCIPAL: Mapping[str, Json] = {
    "tenant_id": {**TEXT, "description": "Tenant of a service principal, if its file does not say."},
    "client_id": {**TEXT, "description": "Client id of a service principal, if its file does not say."},
    "authority_url": {**URL, "description": "Address that gives tokens, if its file does not say."},
}

_HTTPS = Ignored("/protocol", "connections are encrypted, whatever it says", ("http", "wasb", "abfs"))
SECRETS_OF_PRINCIPAL = ("/credentials/client_secret", "/credentials/certificate")
HONOURED_OF_PRINCIPAL = tuple(
    Honoured(f"/credentials/{name}")
    for name in ("tenant_id", "client_id", "client_secret", "authority_url", "resource_url", "certificate")
)
IGNORED_OF_PRINCIPAL = Ignored("/credentials/thumbprint", "it follows from the certificate", is_usual=True)


def make_settings(properties: Mapping[str, Json], *required: str) -> Mapping[str, Json]:
    """Return the schema of the block of a datastore in mlgit.yml."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def make_support(*fields: str, others: tuple[Honoured | Ignored, ...] = (), protocols: tuple[str, ...] = ()) -> Support:
    """Return what a type of datastore does of a file: fields by name, other entries, values of ``protocol``."""
    entries: list[Honoured | Ignored] = [Honoured("/type"), *(Honoured(f"/{name}") for name in fields), *others]
    if protocols:
        entries += [Honoured("/protocol", protocols), _HTTPS]
    return Support(
        honoured={"datastore": tuple(entry for entry in entries if isinstance(entry, Honoured))},
        ignored={"datastore": tuple(entry for entry in entries if isinstance(entry, Ignored))},
    )
