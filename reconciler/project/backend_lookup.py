"""The backends of mlgit.yml as planning asks about them: what their plug-ins say without being opened."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from reconciler.backends import BACKENDS
from reconciler.config.config import Config
from reconciler.diagnostics import UserError
from reconciler.format.schemas import are_settings_valid
from reconciler.model.capacity import RunRequest, Settings, unknown_capacity, unknown_gpus
from reconciler.model.plugins import BackendPlugin
from reconciler.planning.computes import BoundBackend, FindBackend

COMMON_SETTINGS = ("type", "host")
"""Settings of every builder and backend; mlgit.schema.json describes them."""
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
            _make_question(plugin, plugin.find_capacity, unknown_capacity, settings),
            _make_question(plugin, plugin.count_gpus, unknown_gpus, settings),
        )

    return find_backend


def _make_question(
    plugin: BackendPlugin,
    function: Callable[[Settings, RunRequest], Answer],
    unknown: Callable[[Settings, RunRequest], Answer],
    settings: Settings,
) -> Callable[[RunRequest], Answer]:
    """Return a function of a plug-in for its settings, which raises UserError ``backend-broken`` where it fails.

    Of settings that are wrong nothing is known: the check of mlgit.yml says what is wrong with them.
    """

    def ask(request: RunRequest) -> Answer:
        try:
            return function(settings, request)
        except UserError:
            raise
        except Exception as error:
            if plugin.settings and not are_settings_valid(settings, plugin.settings, COMMON_SETTINGS):
                return unknown(settings, request)
            raise BACKENDS.failed_error(str(settings["type"]), error) from error

    return ask
