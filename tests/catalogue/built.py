"""Recipes as the builder venv builds them, kept for the next test session."""

from __future__ import annotations

import hashlib
import json

from platformdirs import user_cache_path

from reconciler.builders import load_builder
from reconciler.catalogue.recipes import Recipe
from reconciler.model.builder import Built
from reconciler.model.tasks import Prefix
from reconciler.storage.folder_store import FolderStore


def build_recipe(recipe: Recipe) -> Built:
    """Return the environment of a recipe, built with the packages that the index has when it is built first."""
    root = user_cache_path("mlgit-tests", ensure_exists=True) / "catalogue"
    builder = load_builder({"type": "venv"}, root / "environments")
    fingerprint = hashlib.sha256(json.dumps(recipe.spec).encode()).hexdigest()
    plan = builder.plan(f"environment/azureml/{recipe.name}", fingerprint, recipe.spec)
    return builder.build(plan, FolderStore(root / "store"), lambda _: None)


def python_of(built: Built) -> str:
    """Return the Python of an environment."""
    assert isinstance(built.environment, Prefix)
    return f"{built.environment.path}/bin/python"
