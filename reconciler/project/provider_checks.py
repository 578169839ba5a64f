"""The checks of mlgit.yml that need the plug-ins: that they are installed, and where they can run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler import backends, builders, resources
from reconciler.config.affinity import check_host_affinity
from reconciler.config.config import COMMON_STORE_SETTINGS, FOLDER_STORE, Config
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_settings
from reconciler.storage import stores


def unknown_provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the store, the builder and the backends that are not installed, and unknown settings of the store.

    What is installed is listed only for a hint.
    """
    yield from _store_diagnostics(document, config)
    if not builders.BUILDERS.has(config.builder):
        yield builders.BUILDERS.unknown_diagnostic(config.builder, document.value_span("/builder"))
    for name, settings in config.backends.items():
        if not backends.BACKENDS.has(settings["type"]):
            span = document.value_span(join_pointer("backends", name, "type"))
            yield backends.BACKENDS.unknown_diagnostic(settings["type"], span)
    for kind, settings in config.providers.items():
        if not resources.RESOURCES.has(settings["type"]):
            span = document.value_span(join_pointer("providers", kind, "type"))
            yield resources.RESOURCES.unknown_diagnostic(settings["type"], span)


def _store_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    if not stores.STORES.has(config.store_type):
        yield stores.STORES.unknown_diagnostic(config.store_type, document.value_span("/store/type"))
    elif config.store_type != FOLDER_STORE:  # the schema of mlgit.yml has the settings of a folder
        settings = stores.STORES.load(config.store_type).settings
        yield from check_settings(document, ["store"], settings, COMMON_STORE_SETTINGS)


def affinity_diagnostics(
    document: Document, config: Config, store_path: Path, severity: Severity
) -> tuple[Diagnostic, ...]:
    """Return the bindings that exist on one machine only but name no ``host:``."""
    opened = backends.open_backends(config.backends, store_path)
    host_bound = {name for name, backend in opened.items() if backend.is_host_bound}
    return tuple(check_host_affinity(document, config, host_bound, severity))
