"""The checks of mlgit.yml that need the plug-ins: that they are installed, and where they can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from reconciler import backends, builders, resources
from reconciler.config.affinity import check_ephemeral_machine, check_host_affinity
from reconciler.config.config import Config
from reconciler.config.stores import COMMON_STORE_SETTINGS
from reconciler.diagnostics import Diagnostic, Severity, UserError
from reconciler.format.document import Document
from reconciler.format.pointers import join_pointer
from reconciler.format.schemas import check_settings
from reconciler.model import Json
from reconciler.model.clusters import makes_local_cluster
from reconciler.project.backend_lookup import COMMON_SETTINGS
from reconciler.registry import Registry
from reconciler.secrets.urls import find_url_secrets
from reconciler.storage import stores
from reconciler.storage.datastores import DATASTORES


def provider_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the providers of a target that are not installed, and the settings of the others that they do not have.

    What is installed is listed only for a hint. What cannot be imported is reported where it is used.
    """
    yield from _store_diagnostics(document, config)
    yield from _check_providers(document, "builders", builders.BUILDERS, config.builders)
    yield from _check_providers(document, "backends", backends.BACKENDS, config.backends)
    yield from _check_providers(document, "providers", resources.RESOURCES, config.providers, ("type",))
    typed = {name: settings for name, settings in config.datastores.items() if "type" in settings}
    yield from _check_providers(document, "datastores", DATASTORES, typed, ("type",))
    yield from _check_no_secrets(document, config)


def _check_no_secrets(document: Document, config: Config) -> Iterator[Diagnostic]:
    """Yield the settings of datastores with a password or a token in a URL: they are recorded and shown."""
    for name, settings in config.datastores.items():
        for key, value in settings.items():
            if isinstance(value, str) and next(find_url_secrets(value), None):
                span = document.value_span(join_pointer("datastores", name, key))
                message = f"{key} of the datastore {name} contains a secret, and this file is in Git"
                hint = "remove it, revoke it, and bind its replacement to a field under secrets:"
                yield Diagnostic("secret-literal", message, span, hint)


def _check_providers(
    document: Document,
    section: str,
    registry: Registry[Any],
    providers: Mapping[str, Mapping[str, Json]],
    common: tuple[str, ...] = COMMON_SETTINGS,
) -> Iterator[Diagnostic]:
    for name, settings in providers.items():
        type_name = str(settings["type"])
        if not registry.has(type_name):
            span = document.value_span(join_pointer(section, name, "type"))
            yield registry.unknown_diagnostic(type_name, span)
            continue
        with suppress(UserError):
            yield from _check_plugin_settings(document, (section, name), registry, settings, common)


def _check_plugin_settings(
    document: Document,
    place: tuple[str, ...],
    registry: Registry[Any],
    settings: Mapping[str, Json],
    common: Sequence[str],
) -> Iterator[Diagnostic]:
    """Yield the settings that a plug-in does not have and, if there are none, what it says of the others."""
    type_name = str(settings["type"])
    plugin = registry.load(type_name)
    diagnostics = check_settings(document, [*place], plugin.settings, tuple(common))
    yield from diagnostics
    if plugin.check and not diagnostics:
        for name, diagnostic in registry.call(type_name, plugin.check, settings):
            path = (name,) if isinstance(name, str) else name
            yield diagnostic._replace(span=document.value_span(join_pointer(*place, *path)))


def _store_diagnostics(document: Document, config: Config) -> Iterator[Diagnostic]:
    if not stores.STORES.has(config.store_type):
        yield stores.STORES.unknown_diagnostic(config.store_type, document.value_span("/store/type"))
    else:
        settings = {"type": config.store_type, **document.data.get("store", {})}
        yield from _check_plugin_settings(document, ("store",), stores.STORES, settings, COMMON_STORE_SETTINGS)


def affinity_diagnostics(document: Document, config: Config, severity: Severity) -> tuple[Diagnostic, ...]:
    """Return the bindings that exist on one machine only but name no ``host:``."""
    return tuple(check_host_affinity(document, config, _host_bound_backends(config), severity))


def ephemeral_machine_diagnostics(document: Document, config: Config, host: str) -> tuple[Diagnostic, ...]:
    """Return what would be lost with a machine that exists for one job only."""
    return tuple(check_ephemeral_machine(document, config, _host_bound_backends(config), host))


def _host_bound_backends(config: Config) -> set[str]:
    return {
        name
        for name, settings in config.backends.items()
        if makes_local_cluster(settings) or _is_host_bound(str(settings["type"]))
    }


def _is_host_bound(type_name: str) -> bool:
    """Return True if a type of backend is known to be on one machine; what cannot be imported runs nothing."""
    try:
        return backends.BACKENDS.load(type_name).is_host_bound
    except UserError:
        return False
