"""mlgit list environment --curated: the catalogue, in and outside a workspace."""

from __future__ import annotations

import json

import pytest

from reconciler.catalogue.recipes import recipe_names

pytestmark = pytest.mark.fast

CURATED = ("list", "environment", "--curated")


def test_curated_environments_are_listed_outside_a_workspace(mlgit, tmp_path, golden):
    ended = mlgit(*CURATED, cwd=tmp_path)
    assert ended.code == 0
    assert ended.err == "`--format json` has their other names, packages and base images.\n"
    golden("cli/list/curated.txt", ended.out)
    assert list(tmp_path.iterdir()) == []


def test_their_json_has_everything_that_a_recipe_says(mlgit, tmp_path):
    ended = mlgit(*CURATED, "--format", "json", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    environments = {environment["name"]: environment for environment in json.loads(ended.out)}
    assert tuple(environments) == recipe_names()
    assert environments["sklearn-1.0"]["aliases"][0] == "sklearn-1.0-ubuntu20.04-py38-cpu"
    assert all(environment["recipe_version"] >= 1 for environment in environments.values())
    texts = ("python", "image", "main_package", "source", "differs")
    assert all(environment[text] for environment in environments.values() for text in texts)


def test_the_kind_may_be_left_out(mlgit, tmp_path):
    assert mlgit("list", "--curated", cwd=tmp_path).out == mlgit(*CURATED, cwd=tmp_path).out


@pytest.mark.parametrize(
    "arguments",
    [("model", "--curated"), ("environment/x", "--curated"), (*CURATED[1:], "--all"), ("--curated", "--declared")],
)
def test_nothing_else_can_be_curated(mlgit, tmp_path, arguments):
    ended = mlgit("list", *arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert "`mlgit list environment --curated`" in ended.err
