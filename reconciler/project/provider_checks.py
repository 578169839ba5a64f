"""The checks of mlgit.yml that need the plug-ins: that they are installed, and where they can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler import backends, builders
from reconciler.config.affinity import check_host_affinity
from reconciler.config.config import COMMON_STORE_SETTINGS, Config
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_settings
from reconciler.model import Json
from reconciler.registry import Registry
from reconciler.storage import stores


def unknown_provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the store, the builders and the backends that are not installed, and unknown settings of the store.

    What is installed is listed only for a hint.
    """
    yield from _store_diagnostics(document, config)
    yield from _not_installed(document, "builders", builders.BUILDERS, config.builders)
    yield from _not_installed(document, "backends", backends.BACKENDS, config.backends)


def _not_installed(
    document: Document, section: str, registry: Registry[Any], providers: Mapping[str, Mapping[str, Json]]
) -> Iterator[Diagnostic]:
    for name, settings in providers.items():
        if not registry.has(str(settings["type"])):
            span = document.value_span(join_pointer(section, name, "type"))
            yield registry.unknown_diagnostic(str(settings["type"]), span)


def _store_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    if not stores.STORES.has(config.store_type):
        yield stores.STORES.unknown_diagnostic(config.store_type, document.value_span("/store/type"))
    else:
        settings = stores.STORES.load(config.store_type).settings
        yield from check_settings(document, ["store"], settings, COMMON_STORE_SETTINGS)


def affinity_diagnostics(document: Document, config: Config, severity: Severity) -> tuple[Diagnostic, ...]:
    """Return the bindings that exist on one machine only but name no ``host:``."""
    plugins = {name: backends.BACKENDS.load(settings["type"]) for name, settings in config.backends.items()}
    host_bound = {name for name, plugin in plugins.items() if plugin.is_host_bound}
    return tuple(check_host_affinity(document, config, host_bound, severity))
