"""The end of a run's log, for the machine that has the log; it is never recorded.

The values of the run's variables that are secrets are masked, and so are the secrets in URLs.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.backends import Backend
from reconciler.model import Run
from reconciler.regular_files import open_regular_file
from reconciler.secrets.redact import mask_secrets, secret_values

_TAIL_BYTES = 4096
_TAIL_LINES = 5
_TAIL_CHARACTERS = 500


def read_log_tail(backends: Mapping[str, Backend], run: Run) -> tuple[str, ...]:
    """Return the last lines of a run's log: at most five, and 500 characters; none if this machine has no log."""
    backend = backends.get(run.backend)
    log = backend.log_path(run.id) if backend else None
    if log is None or not log.is_file():
        return ()
    with open_regular_file(log) as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    lines = [line.rstrip() for line in mask_secrets(text, secret_values(run.spec)).split("\n") if line.strip()]
    tail = "\n".join(lines[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]
    return tuple(tail.split("\n")) if tail else ()
