"""The backends of mlgit.yml as planning asks about them: what their plug-ins say without being opened."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from reconciler.backends import BACKENDS
from reconciler.config.config import Config
from reconciler.diagnostics import UserError
from reconciler.model.capacity import RunRequest, Settings
from reconciler.model.plugins import BackendPlugin
from reconciler.planning.computes import BoundBackend, FindBackend

Answer = TypeVar("Answer")


def make_backend_lookup(config: Config) -> FindBackend:
    """Return a function that finds the backends of a target by name."""

    @cache
    def find_backend(name: str) -> BoundBackend | None:
        settings = config.backends.get(name)
        type_name = str(settings["type"]) if settings else ""
        try:
            plugin = BACKENDS.load(type_name) if settings and BACKENDS.has(type_name) else None
        except UserError:  # the support check of what runs there says so
            return None
        if settings is None or not isinstance(plugin, BackendPlugin):
            return None
        return BoundBackend(
            _with_errors_of(type_name, plugin.find_capacity, settings),
            _with_errors_of(type_name, plugin.count_gpus, settings),
        )

    return find_backend


def _with_errors_of(
    type_name: str, function: Callable[[Settings, RunRequest], Answer], settings: Settings
) -> Callable[[RunRequest], Answer]:
    """Return a function of a plug-in that raises UserError ``backend-broken`` where it fails."""

    def ask(request: RunRequest) -> Answer:
        try:
            return function(settings, request)
        except UserError:
            raise
        except Exception as error:
            raise BACKENDS.failed_error(type_name, error) from error

    return ask
