"""Which fields and environment variables hold secrets, by their names.

The rule about literal secrets and the redaction of output share these definitions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ENVIRONMENT_VARIABLES_FIELD = "environment_variables"
CONDA_VARIABLES_FIELD = "variables"
SECRET_CONTAINER_FIELDS = ("credentials", "ssh_settings", "teacher_model_endpoint_connection")
_SECRET_HOLDERS = frozenset({ENVIRONMENT_VARIABLES_FIELD, CONDA_VARIABLES_FIELD, *SECRET_CONTAINER_FIELDS})

# Variables are written in capitals, in small letters or in camel case, and numbered where there are several.
_COMPOUND = (
    r"passwords?|passwd|passwort|passphrase|passcode|secret|(?:api|access|private|account)_?key"
    r"|conn(?:ection)?_?str(?:ing)?"
)
_STAGE = r"(?:prod(?:uction)?|dev|test|stag(?:e|ing)|qa|live|old|new|primary|secondary|value|db)"
# What may follow a word for a secret where the whole is none: a place of it, or a property.
_PROPERTY = (
    r"(?:.*_)?(?:name|id|ur[il]|file|path|dir|folder|header|type|length|limit|ttl|days|expiry|version|vault|scope"
    r"|arn|ref)"
)
_SECRET_NAME = re.compile(
    r"(?:(?:.*_)?(?:pat|key|pass|pw|auth|authorization|cookie|dsn|sas)|(?:.+_|db)pwd|(?:db|root|admin|user)pass"
    rf"|.*(?:{_COMPOUND}|token|credentials?))(?:_{_STAGE})?_?\d{{0,4}}"
    rf"|(?:.*_)?(?:{_COMPOUND})_(?!{_PROPERTY}\Z).+",
    re.IGNORECASE,
)
# Each such name has one of these in it; none has an i, which has relatives that are equal in any case.
_WORDS_IN_SECRET_NAMES = ("pat", "key", "pass", "auth", "cook", "dsn", "sas", "pw", "secret", "token", "cred", "conn")
_CAMEL_CASE_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-.]")


def is_secret_name(name: str | int) -> bool:
    """Return True if a field or a variable of this name holds a secret, such as ``password`` or ``DB_API_KEY``."""
    return _SECRET_NAME.fullmatch(_CAMEL_CASE_BORDER.sub("_", str(name))) is not None


def words_of_secret_names(text: str) -> tuple[str, ...]:
    """Return the words in a text of which each name of a secret has one."""
    folded = text.casefold()
    return tuple(word for word in _WORDS_IN_SECRET_NAMES if word in folded)


def may_have_secret_name(text: str, words: tuple[str, ...] = _WORDS_IN_SECRET_NAMES) -> bool:
    """Return False if no part of a text is a name of a secret, which takes less time to see than to look for one.

    ``words`` are those that `words_of_secret_names` returns for a longer text that this one is a part of.
    """
    folded = text.casefold()
    return any(word in folded for word in words)


def is_secret_at(path: Sequence[str | int]) -> bool:
    """Return True if the value at a path of a spec is a secret: by its name, inside a field that can hold secrets."""
    return not _SECRET_HOLDERS.isdisjoint(path[:-1]) and is_secret_name(path[-1])
