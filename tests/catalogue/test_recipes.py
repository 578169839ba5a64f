"""The catalogue: its files are well formed, and a recipe is found by each of its names."""

from __future__ import annotations

from itertools import product

import pytest
from jsonschema import Draft202012Validator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reconciler.builders import load_builder
from reconciler.catalogue.recipes import find_recipe, recipe_names
from reconciler.format.schema_files import load_schema, schema_id
from reconciler.format.yaml import parse_yaml
from reconciler.package_files import data_folder

pytestmark = pytest.mark.fast

FILES = sorted(data_folder("catalogue/environments").iterdir())
RECIPES = {name: find_recipe(name) for name in recipe_names()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_is_valid_by_its_schema_and_named_as_its_file(path):
    document, diagnostics = parse_yaml(path.name, path.read_bytes())
    assert diagnostics == ()
    errors = Draft202012Validator(load_schema(schema_id("environment-recipe"))).iter_errors(document.data)
    assert [error.message for error in errors] == []
    assert path.name == f"{document.data['name']}.yml"


def test_every_file_of_the_folder_is_a_recipe():
    assert list(recipe_names()) == sorted(path.name.removesuffix(".yml") for path in FILES)


def test_no_two_recipes_have_a_name_in_common():
    names = [name for recipe in RECIPES.values() for name in (recipe.name, *recipe.aliases)]
    assert sorted(names) == sorted(set(names))
    assert not [name for name in names if name.startswith("AzureML-")]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_found_by_its_name_and_its_aliases_with_and_without_the_prefix(name):
    recipe = RECIPES[name]
    for known in (name, *recipe.aliases):
        assert find_recipe(known) == find_recipe(f"AzureML-{known}") == recipe


@pytest.mark.parametrize(
    "name",
    [
        "",
        "AzureML-",
        "sklearn",
        "SKLEARN-1.5",
        "azureml-sklearn-1.5",
        "AzureML-AzureML-sklearn-1.5",
        "sklearn-1.5.yml",
        "version",
        "pandas",
        "../environments/sklearn-1.5",
        "sklearn-1.5\0",
        "sklearn-1.5\ud800",
        "https://github.com",
        "sklearn-*",
        "a" * 5000,
    ],
)
def test_another_name_is_no_recipe(name):
    assert find_recipe(name) is None


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_is_an_environment_that_the_builder_venv_accepts(recipe, tmp_path):
    errors = Draft202012Validator(load_schema(schema_id("conda"))).iter_errors(recipe.spec["conda_file"])
    assert [error.message for error in errors] == []
    builder = load_builder({"type": "venv"}, tmp_path)
    assert builder.check(recipe.spec) == ()
    plan = builder.plan(f"environment/azureml/{recipe.name}", "0" * 64, recipe.spec)
    assert set(plan.requires_python.split(",")) == set(recipe.python.split(","))
    assert len(plan.packages) == len(recipe.packages)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_pins_a_package_once_for_a_python_and_a_machine(recipe):
    packages = [Requirement(package) for package in recipe.packages]
    for minor, machine in product(range(10, 14), ("x86_64", "aarch64")):
        place = {"python_version": f"3.{minor}", "platform_machine": machine}
        chosen = [
            canonicalize_name(package.name)
            for package in packages
            if package.marker is None or package.marker.evaluate(place)
        ]
        assert sorted(chosen) == sorted(set(chosen))
