"""Where secrets stand: the fields and variables whose name says that their value is one.

What the rule about literal secrets looks at, and what is never shown, is told here, once.
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
    """Tell whether a field or a variable of this name has a secret for a value: ``password``, ``DB_API_KEY``."""
    return _SECRET_NAME.fullmatch(str(name)) is not None


def is_secret_at(path: Sequence[str | int]) -> bool:
    """Tell whether a secret stands at a path of a spec: its name says so, and it is where secrets are given."""
    return (
        bool(path)
        and is_secret_name(path[-1])
        and any(each in (ENVIRONMENT_VARIABLES_FIELD, *SECRET_CONTAINER_FIELDS) for each in path[:-1])
    )
