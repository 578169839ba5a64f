"""Which fields and environment variables hold secrets, by their names.

The rule about literal secrets and the redaction of output share these definitions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ENVIRONMENT_VARIABLES_FIELD = "environment_variables"
SECRET_CONTAINER_FIELDS = ("credentials", "ssh_settings", "teacher_model_endpoint_connection")

_SECRET_NAME = re.compile(
    r"(?:.*_)?(?:account_key|sas_token|client_secret|pat|secret_access_key|token|secret|key|pass|credentials?"
    r"|connection_string)|.*(?:password|passwd|passphrase|api_?key)",
    re.IGNORECASE,
)


def is_secret_name(name: str | int) -> bool:
    """Return True if a field or a variable of this name holds a secret, such as ``password`` or ``DB_API_KEY``."""
    return _SECRET_NAME.fullmatch(str(name)) is not None


def is_secret_at(path: Sequence[str | int]) -> bool:
    """Return True if the value at a path of a spec is a secret: by its name, inside a field that can hold secrets."""
    return (
        bool(path)
        and is_secret_name(path[-1])
        and any(key in (ENVIRONMENT_VARIABLES_FIELD, *SECRET_CONTAINER_FIELDS) for key in path[:-1])
    )
