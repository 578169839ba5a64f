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
from reconciler.format.pointers import escape_key
from reconciler.format.references import RegistryEnvironment, parse_registry_environment
from reconciler.format.suggest import did_you_mean
from reconciler.model import EMPTY_MAPPING, Address, Asset, Json, Pin, ResolvedAsset, Spec, no_pin
from reconciler.planning.fingerprint import asset_fingerprint, metadata_digest

ENVIRONMENT_FIELD = "environment"
ENVIRONMENT_POINTER = f"/{ENVIRONMENT_FIELD}"
CONTEXT_POINTER = f"{ENVIRONMENT_POINTER}/build/path"
"""The pointer of the build context of an environment that a job writes itself."""
_KIND = "environment"
_CATALOGUE_REGISTRY = "azureml"
_ANONYMOUS = "anonymous-"
_CONTENT_FIELDS = frozenset({"image", "build"})

FindPin = Callable[[str], Pin | None]


def implicit_environment(
    asset: Asset, find_pin: FindPin = no_pin, contents: Mapping[str, str] = EMPTY_MAPPING
) -> Asset | None:
    """Return the environment of a job that no file declares, as an asset; None if a file does, or if it is unknown.

    ``contents`` are the digests of what the job names, by pointer: a build context is what its files are.
    """
    if not kind_of(asset).is_runnable or any(item.pointer == ENVIRONMENT_POINTER for item in asset.references):
        return None
    declared = asset.spec.get(ENVIRONMENT_FIELD)
    if isinstance(declared, Mapping):
        has_content = not _CONTENT_FIELDS.isdisjoint(declared)
        return _anonymous_environment(asset, declared, contents) if has_content else None
    name = parse_registry_environment(declared) if isinstance(declared, str) else None
    pin = _pin_of(name, find_pin) if name else None
    return Asset(Address(_KIND, str(name)), pin.spec, asset.source, pin.version) if pin else None


def resolve_implicit_environment(asset: Asset, find_pin: FindPin, contents: Mapping[str, str]) -> ResolvedAsset | None:
    """Return the environment of a job that no file declares, with its fingerprint; ``contents`` as above."""
    environment = implicit_environment(asset, find_pin, contents)
    return _resolve(environment, _own_contents(contents)) if environment else None


def environments_within(
    value: Json, find_pin: FindPin, contents: Mapping[str, str], pointer: str = ""
) -> Iterator[ResolvedAsset]:
    """Yield the environments that no file declares of all jobs, steps and trials within a recorded spec."""
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from environments_within(item, find_pin, contents, f"{pointer}/{index}")
    if isinstance(value, Mapping):
        job = Asset(Address("job", ""), {ENVIRONMENT_FIELD: value.get(ENVIRONMENT_FIELD)}, "")
        own = contents.get(f"{pointer}{CONTEXT_POINTER}")
        if environment := resolve_implicit_environment(job, find_pin, {CONTEXT_POINTER: own} if own else {}):
            yield environment
        for key, item in value.items():
            yield from environments_within(item, find_pin, contents, f"{pointer}/{escape_key(str(key))}")


def resolve_registry_environment(address: Address, find_pin: FindPin) -> ResolvedAsset | None:
    """Return an environment of a registry by its address, as it is pinned or else as the catalogue has it."""
    registry, _, name = address.name.partition("/")
    pin = _pin_of(RegistryEnvironment(registry, name), find_pin) if name and address.kind == _KIND else None
    return _resolve(Asset(address, pin.spec, "", pin.version)) if pin else None


def is_pinned(address: Address, find_pin: FindPin) -> bool:
    """Return True if an address is that of an environment of a registry that is pinned in the live state."""
    return address.kind == _KIND and "/" in address.name and find_pin(address.name) is not None


def _resolve(environment: Asset, contents: Mapping[str, str] = EMPTY_MAPPING) -> ResolvedAsset:
    kind = kind_of(environment)
    fingerprint = asset_fingerprint(kind, environment.spec, contents, {})
    return ResolvedAsset(environment, contents, {}, fingerprint, metadata_digest(kind, environment.spec))


def _own_contents(contents: Mapping[str, str]) -> Mapping[str, str]:
    """Return the contents of the environment that a job writes, by the pointers of that."""
    context = contents.get(CONTEXT_POINTER)
    return {CONTEXT_POINTER.removeprefix(ENVIRONMENT_POINTER): context} if context else {}


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


def _anonymous_environment(asset: Asset, declared: Spec, contents: Mapping[str, str]) -> Asset:
    kind = kind_by_name(_KIND)
    spec = _identifying_fields(kind, declared)
    name = f"{_ANONYMOUS}{asset_fingerprint(kind, spec, _own_contents(contents), {})[:8]}"
    paths = tuple(
        path._replace(pointer=path.pointer.removeprefix(ENVIRONMENT_POINTER))
        for path in asset.paths
        if path.pointer == CONTEXT_POINTER
    )
    return Asset(Address(_KIND, name), spec, asset.source, paths=paths)


def _identifying_fields(kind: Kind, spec: Spec) -> Spec:
    return {name: value for name, value in spec.items() if kind.is_fingerprint_field(name)}


def _pin_of(name: RegistryEnvironment, find_pin: FindPin) -> Pin | None:
    if pin := find_pin(str(name)):
        return pin
    recipe = find_recipe(name.name) if name.registry == _CATALOGUE_REGISTRY else None
    return Pin(str(recipe.version), recipe.spec) if recipe else None
