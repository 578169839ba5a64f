"""What a plan asks of the backend `ssh` on this machine, without opening it: whether its library is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Json

EXTRA_HINT = "run `pip install 'mlgit[sftp]'`"


def has_extra() -> bool:
    """Return True if the library that connects by ssh is installed."""
    return find_spec("asyncssh") is not None


def find_refusals(_settings: Mapping[str, Json]) -> tuple[Diagnostic, ...]:
    """Return why this machine could submit no run."""
    if has_extra():
        return ()
    message = "it needs the package asyncssh, which is not installed here"
    return (Diagnostic("extra-missing", message, hint=EXTRA_HINT, severity=Severity.WARNING),)
