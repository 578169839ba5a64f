"""Each recipe can be locked and built: its packages exist as wheels, agree with each other, and can be imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from catalogue.built import build_recipe, python_of
from packaging.specifiers import SpecifierSet
from uv import find_uv_bin

from reconciler.catalogue.recipes import find_recipe, recipe_names

MINORS = range(10, 14)
# Those that the job files of azureml-examples name most often, but for what takes gigabytes.
MOST_USED = ("sklearn-1.5", "minimal-py312-inference", "lightgbm-3.3")
OTHERS = [name for name in recipe_names() if name not in MOST_USED]
LOCKED = [
    pytest.param(name, minor, marks=() if minor == min(11, sys.version_info.minor) else pytest.mark.soak)
    for name in recipe_names()
    for minor in MINORS
    if f"3.{minor}" in SpecifierSet(find_recipe(name).python)
]

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.mark.parametrize(("name", "minor"), LOCKED)
def test_the_lock_of_a_recipe_resolves_with_wheels_alone(name, minor):
    command = [find_uv_bin(), "pip", "compile", "-", "--quiet", "--generate-hashes", "--only-binary", ":all:"]
    packages = "\n".join(find_recipe(name).packages)
    ended = subprocess.run(
        [*command, "--python-version", f"3.{minor}"], input=packages, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("--hash=sha256:") >= len(find_recipe(name).packages) / 2


@pytest.mark.parametrize("name", [*MOST_USED, *(pytest.param(name, marks=pytest.mark.soak) for name in OTHERS)])
def test_the_environment_of_a_recipe_can_import_what_it_is_for(name):
    recipe = find_recipe(name)
    script = f"import {recipe.main_package}"
    ended = subprocess.run(
        [python_of(build_recipe(recipe)), "-I", "-c", script], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
