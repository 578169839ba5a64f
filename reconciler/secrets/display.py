"""What is shown of a value that may hold secrets: that there is one, no more.

A job needs the environment variables that its file gives it, so records and runs keep them as they are; whatever is
written for people or programs to read goes through here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.model import Json
from reconciler.secrets.fields import is_secret_at
from reconciler.secrets.redact import REDACTED_KEY

SECRET_PLACEHOLDER = "(secret)"  # noqa: S105 - what stands for one


def hide_secrets(value: Json, path: Sequence[str | int] = ()) -> Json:
    """Return a value, which stands at a path of a spec, with a word in place of each secret and each mark of one."""
    if isinstance(value, Mapping):
        if value.keys() == {REDACTED_KEY}:
            return SECRET_PLACEHOLDER
        return {name: hide_secrets(each, (*path, name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [hide_secrets(each, path) for each in value]
    return SECRET_PLACEHOLDER if value is not None and is_secret_at(path) else value
