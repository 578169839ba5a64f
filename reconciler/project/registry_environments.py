"""Environments of registries: what mlgit makes of them, and what of that is pinned in the live state."""

from __future__ import annotations

from reconciler.catalogue.recipes import find_recipe
from reconciler.model import Address, Json, State
from reconciler.planning.environments import is_pinned, resolve_registry_environment


def describe_registry_environment(address: Address, state: State) -> Json:
    """Return what is known of an environment of a registry, None if mlgit does not know it."""
    environment = resolve_registry_environment(address, state.find_pin)
    if environment is None:
        return None
    recipe = find_recipe(address.name.partition("/")[2])
    is_newer = recipe is not None and str(recipe.version) != environment.asset.version
    upgrade = f"`mlgit state rm {address}` lets the next use pin recipe {recipe.version}" if recipe and is_newer else ""
    fields = {
        "address": str(address),
        "recipe": environment.asset.version,
        "pinned": is_pinned(address, state.find_pin),
        "newer_recipe": recipe.version if recipe and is_newer else None,
        "upgrade": upgrade,
        "differs": recipe.differs.strip() if recipe and not is_newer else "",
        "fingerprint": environment.fingerprint,
        "builds": {builder: dict(build) for builder, build in state.find_builds(environment.fingerprint).items()},
        "spec": environment.asset.spec,
    }
    return {name: value for name, value in fields.items() if value not in (None, "", {})}
