"""Recipes by the names of curated environments.

A recipe has packages for a machine without a GPU and without Azure; ``differs`` tells users what is different from the
environment of that name in Azure ML. Its version is raised when what it installs changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from reconciler.format.yaml import parse_yaml
from reconciler.model import Json
from reconciler.package_files import data_folder

_FOLDER = "catalogue/environments"
_SUFFIX = ".yml"
_PREFIX = "AzureML-"  # of curated environments in a workspace; in the registry azureml they have none


class Recipe(NamedTuple):
    """How mlgit makes a curated environment."""

    name: str
    version: int
    python: str
    """The Pythons for which the packages can be installed, such as ``>=3.10,<3.14``."""
    packages: tuple[str, ...]
    image: str
    """The base image of the environment in Azure ML."""
    main_package: str
    """The module that a script imports first, such as ``sklearn``."""
    source: str
    differs: str
    aliases: tuple[str, ...] = ()

    @property
    def spec(self) -> Json:
        """Return the recipe as an environment in the format of Azure ML."""
        dependencies = [f"python{self.python}", {"pip": list(self.packages)}]
        return {"image": self.image, "conda_file": {"dependencies": dependencies}}


def find_recipe(name: str) -> Recipe | None:
    """Return the recipe of a curated environment by its name or an alias, with or without the prefix ``AzureML-``."""
    name = name.removeprefix(_PREFIX)
    if name in recipe_names():
        return _load_recipe(name)
    return next((recipe for recipe in _recipes_that_mention(name) if name in recipe.aliases), None)


@cache
def recipe_names() -> tuple[str, ...]:
    """Return the names of all recipes in order; no recipe is read."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in data_folder(_FOLDER).glob(f"*{_SUFFIX}")))


def _recipes_that_mention(text: str) -> Iterator[Recipe]:
    """Yield the recipes whose files have a text: searching a file takes a hundredth of parsing it."""
    searched = text.encode(errors="replace")
    return (_load_recipe(name) for name in recipe_names() if searched in _read_recipe(name))


def _read_recipe(name: str) -> bytes:
    return (data_folder(_FOLDER) / f"{name}{_SUFFIX}").read_bytes()


@cache
def _load_recipe(name: str) -> Recipe:
    document, _ = parse_yaml(f"{name}{_SUFFIX}", _read_recipe(name))
    fields = document.data
    texts = ("python", "image", "main_package", "source", "differs")
    return Recipe(
        name=name,
        version=fields["version"],
        packages=tuple(fields["packages"]),
        aliases=tuple(fields.get("aliases", ())),
        **{text: fields[text] for text in texts},
    )
