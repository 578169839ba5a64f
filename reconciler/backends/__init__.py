"""Backends run jobs: how one is found by name. Its protocol is ``model.backend.Backend``.

A backend is a module of this package whose attribute ``BACKEND`` is a `BackendPlugin`, or an entry point of the group
``mlgit.backends`` that names one. A module whose name starts with an underscore has the code of a backend and is
imported when it is opened. The contract tests run on every backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Never, cast

from reconciler.diagnostics import UserError, user_error
from reconciler.model import Json
from reconciler.model.plugins import BackendContext, BackendPlugin
from reconciler.registry import Registry

if TYPE_CHECKING:
    from reconciler.model.backend import Backend  # a plan asks what a backend supports, and opens none

BACKENDS: Registry[BackendPlugin] = Registry("backend", __name__, "BACKEND", "mlgit.backends")
_NO_CONTEXT = BackendContext()


def load_backend(settings: Mapping[str, Json], folder: Path, context: BackendContext = _NO_CONTEXT) -> Backend:
    """Return the backend that ``type`` of the settings names; raises UserError (``backend-unknown``, ``-broken``).

    Its factory gets the settings, a folder of this machine for files of its own, and the context if it has secrets.
    """
    type_name = str(settings["type"])
    more = (context,) if secrets_of(type_name) else ()
    backend: Backend = BACKENDS.open(type_name, settings, folder, *more)
    return backend


def secrets_of(type_name: str) -> tuple[str, ...]:
    """Return the JSON pointers of what a type of backend reads as secrets; none if it cannot be imported."""
    try:
        plugin = BACKENDS.load(type_name) if BACKENDS.has(type_name) else None
    except UserError:  # it is reported where it is opened
        return ()
    return plugin.secrets if isinstance(plugin, BackendPlugin) else ()


def open_backends(
    settings: Mapping[str, Mapping[str, Json]], folder: Path, context_of: Callable[[str], BackendContext]
) -> dict[str, Backend]:
    """Return the backends of mlgit.yml by the names that it gives them; one that cannot be opened fails when used.

    ``context_of`` returns the context of a backend, by its name.
    """
    return {name: _open_backend(item, folder, context_of(name)) for name, item in settings.items()}


def _open_backend(settings: Mapping[str, Json], folder: Path, context: BackendContext) -> Backend:
    try:
        return load_backend(settings, folder, context)
    except UserError as error:
        return cast("Backend", _UnusableBackend(error))


@dataclass(frozen=True)
class _UnusableBackend:
    """In place of a backend that cannot be opened: each of its methods raises the reason."""

    error: UserError

    def __getattr__(self, _name: str) -> Never:
        raise self.error


def get_backend(backends: Mapping[str, Backend], name: str) -> Backend:
    """Return a backend by its name in mlgit.yml; raises UserError ``backend-missing``."""
    if name not in backends:
        message = f"the backend {name} is not in mlgit.yml, but the live state has runs on it"
        raise user_error("backend-missing", message, "add the backend to backends: again")
    return backends[name]
