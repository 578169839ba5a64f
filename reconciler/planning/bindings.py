"""What mlgit.yml binds an asset to: a backend, or the settings and the secrets by which a datastore is reached.

A binding is recorded with the asset; another one is an update. Secrets count by their names, never by their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.format.kinds import kinds
from reconciler.format.pointers import split_pointer
from reconciler.model import EMPTY_MAPPING, Address, Asset, Json
from reconciler.model.clusters import HOSTS
from reconciler.model.secret_bindings import find_binding
from reconciler.planning.clusters import BINDING as _CLUSTER
from reconciler.planning.clusters import cluster_binding, cluster_settings, describe_host_changes
from reconciler.planning.diff import format_value

_BACKEND, _DATASTORE, _SECRETS, _TYPE = "backend", "datastore", "secrets", "type"


def provider_of(config: Config, address: Address) -> str:
    """Return the provider that makes an asset, "" if none does; its kind may be a newer mlgit's."""
    kind = kinds().get(address.kind)
    named = str(config.providers.get(address.kind, EMPTY_MAPPING).get(_TYPE, ""))
    of_backend = str(cluster_settings(config, address).get(_TYPE, ""))
    return named or of_backend or (kind.provider if kind else "")


def has_own_provider(config: Config, kind_name: str) -> bool:
    """Return True if mlgit itself realises the assets of a kind, as no provider of mlgit.yml does."""
    kind = kinds().get(kind_name)
    return kind is not None and bool(kind.provider) and kind_name not in config.providers


def datastore_type(config: Config, asset: Asset) -> str:
    """Return the type of storage service that a datastore is reached as: that of mlgit.yml, else of its file."""
    settings = config.datastores.get(asset.address.name, EMPTY_MAPPING)
    return str(settings.get(_TYPE) or asset.spec.get(_TYPE, "")).lower()


def binding_of(config: Config, asset: Asset) -> dict[str, Json]:
    """Return what mlgit.yml binds an asset to, as its record keeps it; empty for a kind that nothing is bound to."""
    kind, name = kinds()[asset.address.kind], asset.address.name
    if kind.uses_backend:
        cluster = cluster_binding(config, asset.address)
        return {_BACKEND: config.backend_of(name), **({_CLUSTER: cluster} if cluster else {})}
    if not has_own_provider(config, kind.name):
        return {}
    bound = {
        pointer: binding.name
        for pointer in sorted({pointer for secret in config.secrets for pointer in secret.fields})
        if (binding := find_binding(config.secrets, str(asset.address), pointer))
    }
    parts: dict[str, Json] = {_DATASTORE: dict(config.datastores.get(name, EMPTY_MAPPING)), _SECRETS: bound}
    return {key: value for key, value in parts.items() if value}


def makes_another_cluster(recorded: Mapping[str, Json], binding: Mapping[str, Json]) -> bool:
    """Return True if a cluster is to be made with other settings than the recorded one."""
    return bool(recorded.get(_CLUSTER)) and recorded.get(_CLUSTER) != binding.get(_CLUSTER)


def describe_binding_change(recorded: Mapping[str, Json], binding: Mapping[str, Json]) -> str:
    """Return how a binding differs from the recorded one, "" if it does not."""
    return join_some(list(_changes(recorded, binding)), separator="; ")


def _changes(recorded: Mapping[str, Json], binding: Mapping[str, Json]) -> Iterator[str]:
    if _BACKEND in binding and binding[_BACKEND] != recorded.get(_BACKEND, ""):
        yield f"backend {recorded.get(_BACKEND) or 'none'} -> {binding[_BACKEND] or 'none'}"
    if recorded.get(_CLUSTER) and not binding.get(_CLUSTER):
        yield "its cluster is removed"
        return
    for name, before, after in _compare(recorded, binding, _CLUSTER):
        if name == HOSTS and before and after:
            yield f"hosts of its cluster: {describe_host_changes(before, after)}"
        else:
            yield f"{name} of its cluster {_shown(before)} -> {_shown(after)}"
    for name, before, after in _compare(recorded, binding, _DATASTORE):
        yield f"{name} {_shown(before)} -> {_shown(after)}"
    for pointer, before, after in _compare(recorded, binding, _SECRETS):
        yield f"secret of {'.'.join(split_pointer(pointer))} {before or 'none'} -> {after or 'none'}"


def _compare(recorded: Mapping[str, Json], binding: Mapping[str, Json], key: str) -> Iterator[tuple[str, Json, Json]]:
    before, after = recorded.get(key, {}), binding.get(key, {})
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)


def _shown(value: Json) -> str:
    return "none" if value is None else format_value(value)
