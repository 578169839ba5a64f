"""The checks of mlgit.yml that need the plug-ins: that they are installed, and where they can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from reconciler import backends, builders
from reconciler.config.affinity import check_host_affinity
from reconciler.config.config import Config
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_against_own_schema
from reconciler.model import Json

_COMMON_SETTINGS: Mapping[str, Json] = {"type": {}, "host": {}}  # of every backend; mlgit.schema.json describes them


def provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the builder and the backends that are not installed, and the settings of the others that they do not have.

    Those that are installed are listed only for a hint. What cannot be imported is reported where it is used.
    """
    if not builders.BUILDERS.has(config.builder):
        yield builders.BUILDERS.unknown_diagnostic(config.builder, document.value_span("/builder"))
    for name, settings in config.backends.items():
        if not backends.BACKENDS.has(settings["type"]):
            span = document.value_span(join_pointer("backends", name, "type"))
            yield backends.BACKENDS.unknown_diagnostic(settings["type"], span)
            continue
        with suppress(UserError):
            plugin = backends.BACKENDS.load(settings["type"])
            yield from check_against_own_schema(document, _block_schema("backends", name, plugin.settings))


def _block_schema(section: str, name: str, settings: Mapping[str, Json]) -> Json:
    """Return a schema of mlgit.yml that says of one block only which settings it has: all that the plug-in knows."""
    properties = {**_COMMON_SETTINGS, **settings.get("properties", {})}
    block = {**settings, "type": "object", "properties": properties, "additionalProperties": False}
    return {"properties": {section: {"properties": {name: block}}}}


def affinity_diagnostics(
    document: Document, config: Config, store_path: Path, severity: Severity
) -> tuple[Diagnostic, ...]:
    """Return the bindings that exist on one machine only but name no ``host:``."""
    opened = backends.open_backends(config.backends, store_path)
    host_bound = {name for name, backend in opened.items() if backend.is_host_bound}
    return tuple(check_host_affinity(document, config, host_bound, severity))
