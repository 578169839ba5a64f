"""`imports:` in mlgit.yml: a build counts only if it can import the modules that are named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from workspaces import APPLY, commit

pytestmark = pytest.mark.slow

ENVIRONMENT = {"environments/own.yml": "name: own\nimage: python\n"}


def set_imports(folder: Path, imports: Mapping[str, list[str]]) -> None:
    """Write imports: into the mlgit.yml of a workspace."""
    with (folder / "mlgit.yml").open("a") as file:
        file.write(f"imports: {json.dumps(imports)}\n")


def test_a_build_that_cannot_import_what_mlgit_yml_names_is_no_version(small, mlgit):
    set_imports(small, {"environment/own": ["json", "no_such_module.of_mlgit"]})
    commit(small, "environment", ENVIRONMENT)
    for _ in range(2):  # nor at the second try, when it is there already
        failed = mlgit(*APPLY, cwd=small)
        assert failed.code == 1
        assert "importing json, no_such_module.of_mlgit" in failed.out + failed.err
        assert (
            "environment/own: what venv built cannot import no_such_module.of_mlgit: ModuleNotFoundError: "
            "No module named 'no_such_module'" in failed.out + failed.err
        )
        assert mlgit("show", "environment/own", cwd=small).code == 1


def test_a_build_that_can_import_them_is_recorded_and_not_tested_again(small, mlgit):
    set_imports(small, {"environment/own": ["json"], "environment/*": ["json", "ssl"]})
    commit(small, "environment", ENVIRONMENT)
    applied = mlgit(*APPLY, cwd=small)
    assert (applied.code, "importing json, ssl" in applied.out) == (0, True)
    assert "No changes" in mlgit("plan", cwd=small).out


@pytest.mark.parametrize(
    ("glob", "modules", "message"),
    [
        ("enviroment/own", ["json"], "enviroment/own can match no asset"),
        ("environment/own", ["import json"], "the name of a module, such as sklearn.tree"),
        ("environment/own", [], "imports"),
    ],
)
def test_imports_that_mean_nothing_are_an_error(small, mlgit, glob, modules, message):
    set_imports(small, {glob: modules})
    assert message in mlgit("validate", cwd=small).out
