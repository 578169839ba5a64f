"""Environments that no file declares: those that a job writes itself, and those of a registry.

The first are anonymous: they are built by content and never registered. The second come from the catalogue of mlgit,
pinned in the live state at their first use, so that a newer mlgit with another recipe changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.catalogue.recipes import find_recipe, recipe_names
from reconciler.format.assets import kind_of
from reconciler.format.kind import Kind
from reconciler.format.kinds import kind_by_name
from reconciler.format.references import RegistryEnvironment, parse_registry_environment
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Asset, Json, Pin, ResolvedAsset, Spec, no_pin
from reconciler.planning.fingerprint import asset_fingerprint, metadata_digest

ENVIRONMENT_FIELD = "environment"
ENVIRONMENT_POINTER = f"/{ENVIRONMENT_FIELD}"
_KIND = "environment"
_CATALOGUE_REGISTRY = "azureml"
_ANONYMOUS = "anonymous-"
_CONTENT_FIELDS = frozenset({"image", "build"})

FindPin = Callable[[str], Pin | None]


def implicit_environment(asset: Asset, find_pin: FindPin = no_pin) -> Asset | None:
    """Return the environment of a job that no file declares, as an asset; None if a file does, or if it is unknown."""
    if not kind_of(asset).is_runnable or any(item.pointer == ENVIRONMENT_POINTER for item in asset.references):
        return None
    declared = asset.spec.get(ENVIRONMENT_FIELD)
    if isinstance(declared, Mapping):
        has_content = not _CONTENT_FIELDS.isdisjoint(declared)
        return _anonymous_environment(asset, declared) if has_content else None
    name = parse_registry_environment(declared) if isinstance(declared, str) else None
    pin = _pin_of(name, find_pin) if name else None
    return Asset(Address(_KIND, str(name)), pin.spec, asset.source, pin.version) if pin else None


def resolve_implicit_environment(asset: Asset, find_pin: FindPin) -> ResolvedAsset | None:
    """Return the environment of a job that no file declares, with its fingerprint."""
    environment = implicit_environment(asset, find_pin)
    return _resolve(environment) if environment else None


def environments_within(value: Json, find_pin: FindPin) -> Iterator[ResolvedAsset]:
    """Yield the environments that no file declares of all jobs, steps and trials within a recorded spec."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from environments_within(item, find_pin)
    if isinstance(value, Mapping):
        job = Asset(Address("job", ""), {ENVIRONMENT_FIELD: value.get(ENVIRONMENT_FIELD)}, "")
        if environment := resolve_implicit_environment(job, find_pin):
            yield environment
        for item in value.values():
            yield from environments_within(item, find_pin)


def resolve_registry_environment(address: Address, find_pin: FindPin) -> ResolvedAsset | None:
    """Return an environment of a registry by its address, as it is pinned or else as the catalogue has it."""
    registry, _, name = address.name.partition("/")
    pin = _pin_of(RegistryEnvironment(registry, name), find_pin) if name and address.kind == _KIND else None
    return _resolve(Asset(address, pin.spec, "", pin.version)) if pin else None


def is_pinned(address: Address, find_pin: FindPin) -> bool:
    """Return True if an address is that of an environment of a registry that is pinned in the live state."""
    return address.kind == _KIND and "/" in address.name and find_pin(address.name) is not None


def _resolve(environment: Asset) -> ResolvedAsset:
    kind = kind_of(environment)
    fingerprint = asset_fingerprint(kind, environment.spec, {}, {})
    return ResolvedAsset(environment, {}, {}, fingerprint, metadata_digest(kind, environment.spec))


def is_anonymous(address: Address) -> bool:
    """Return True if an address is that of an environment which a job writes itself."""
    return address.name.startswith(_ANONYMOUS)


def new_pin(environment: Asset) -> Mapping[str, Pin]:
    """Return the pin of an environment of a registry by its name; nothing for an anonymous one."""
    if is_anonymous(environment.address):
        return {}
    return {environment.address.name: Pin(environment.version, environment.spec)}


def origin_of_environment(environment: Asset, path: str) -> str:
    """Return where an environment that no file declares comes from."""
    if is_anonymous(environment.address):
        return f"declared inline in {path}"
    return f"recipe {environment.version} of the catalogue of mlgit"


def recipe_note(environment: Asset) -> str:
    """Return how an environment of a registry differs from that of Azure ML, by the catalogue; "" for others."""
    recipe = None if is_anonymous(environment.address) else find_recipe(environment.address.name.partition("/")[2])
    if recipe is None or str(recipe.version) != environment.version:
        return ""
    return f"{environment.address} is made by mlgit and differs from that of Azure ML: {recipe.differs.strip()}"


def unknown_environment_problem(text: str) -> tuple[str, str] | None:
    """Return why mlgit does not know an environment of a registry, and a hint; None for any other text."""
    name = parse_registry_environment(text)
    if name is None or find_recipe(name.name if name.registry == _CATALOGUE_REGISTRY else ""):
        return None
    own = f"use one of your own: environments: {{{name.name}: environment/NAME}} in mlgit.yml"
    if name.registry != _CATALOGUE_REGISTRY:
        return f"the registry {name.registry} cannot be reached by mlgit", own
    close = did_you_mean(name.name, recipe_names())
    known = "`mlgit list environment --curated` lists those that mlgit knows"
    hint = f"{close or f'{known}.'} Or {own}"
    return f"mlgit has no recipe for the environment {name.name} of Azure ML", hint


def _anonymous_environment(asset: Asset, declared: Spec) -> Asset:
    kind = kind_by_name(_KIND)
    spec = _identifying_fields(kind, declared)
    name = f"{_ANONYMOUS}{asset_fingerprint(kind, spec, {}, {})[:8]}"
    return Asset(Address(_KIND, name), spec, asset.source)


def _identifying_fields(kind: Kind, spec: Spec) -> Spec:
    return {name: value for name, value in spec.items() if kind.is_fingerprint_field(name)}


def _pin_of(name: RegistryEnvironment, find_pin: FindPin) -> Pin | None:
    if pin := find_pin(str(name)):
        return pin
    recipe = find_recipe(name.name) if name.registry == _CATALOGUE_REGISTRY else None
    return Pin(str(recipe.version), recipe.spec) if recipe else None
