"""mlgit list environment --curated: list the curated environments of Azure ML that mlgit can make."""

from __future__ import annotations

from reconciler.catalogue.recipes import Recipe, find_recipe, recipe_names
from reconciler.cli.console import echo, echo_line, print_table
from reconciler.model import Json
from reconciler.render import plan_json


def print_curated_environments(form: str) -> None:
    """Print the recipe of each curated environment; a workspace is not needed."""
    recipes = [recipe for recipe in map(find_recipe, recipe_names()) if recipe]
    if form == "json":
        echo(plan_json.dump_json([_recipe_to_json(recipe) for recipe in recipes]))
        return
    rows = [
        (recipe.name, str(recipe.version), recipe.python, recipe.main_package, recipe.differs) for recipe in recipes
    ]
    print_table(("NAME", "RECIPE", "PYTHON", "IMPORTS", "DIFFERS FROM AZURE ML"), rows)
    echo_line("`--format json` has their other names, packages and base images.", err=True)


def _recipe_to_json(recipe: Recipe) -> Json:
    return {
        "name": recipe.name,
        "aliases": list(recipe.aliases),
        "recipe_version": recipe.version,
        "python": recipe.python,
        "packages": list(recipe.packages),
        "image": recipe.image,
        "main_package": recipe.main_package,
        "source": recipe.source,
        "differs": recipe.differs,
    }
