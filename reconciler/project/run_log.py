"""The end of a run's log, from the backend that has the log; it is never recorded.

The values of the run's variables that are secrets are masked, and so are the secrets in URLs.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.diagnostics import UserError
from reconciler.model import Run
from reconciler.model.backend import Backend
from reconciler.secrets.redact import mask_secrets, secret_values

_TAIL_BYTES = 4096
_TAIL_LINES = 5
_TAIL_CHARACTERS = 500


def read_log_tail(backends: Mapping[str, Backend], run: Run) -> tuple[str, ...]:
    """Return the last lines of a run's log: at most five, and 500 characters; none if its backend has no log."""
    backend = backends.get(run.backend)
    if backend is None or run.handle is None:
        return ()
    try:
        text = b"".join(backend.log(run.handle, -_TAIL_BYTES)).decode("utf-8", "replace")
    except UserError:  # removed, or the backend cannot be reached: the tail is a help, not a result
        return ()
    lines = [line.rstrip() for line in mask_secrets(text, secret_values(run.spec)).split("\n") if line.strip()]
    tail = "\n".join(lines[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]
    return tuple(tail.split("\n")) if tail else ()
