"""The checks of mlgit.yml that need the plug-ins: that they are installed, and where they can run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reconciler import backends, builders
from reconciler.config.affinity import check_host_affinity
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer


def unknown_provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the builder and the backends that are not installed; installed ones are listed only for a hint."""
    if not builders.BUILDERS.has(config.builder):
        yield builders.BUILDERS.unknown_diagnostic(config.builder, document.value_span("/builder"))
    for name, settings in config.backends.items():
        if not backends.BACKENDS.has(settings["type"]):
            span = document.value_span(join_pointer("backends", name, "type"))
            yield backends.BACKENDS.unknown_diagnostic(settings["type"], span)


def affinity_diagnostics(
    document: Document, config: Config, store_path: Path, severity: Severity
) -> tuple[Diagnostic, ...]:
    """Return the bindings that exist on one machine only but name no ``host:``."""
    opened = backends.open_backends(config.backends, store_path)
    host_bound = {name for name, backend in opened.items() if backend.is_host_bound}
    return tuple(check_host_affinity(document, config, host_bound, severity))
