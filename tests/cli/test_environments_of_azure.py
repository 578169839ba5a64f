"""Environments as users of Azure ML write them, with the builder `venv`: what plans and `validate` say, and where."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from workspaces import commit, write

HEAD = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: own\n"
OWN = ".".join(platform.python_version_tuple()[:2])
CONDA = "dependencies:\n  - python=3.99\n  - conda-forge::numpy=1.26\n  - pandas\n  - pip\n  - pip: [six]\n"


def declare(folder: Path, image: str, conda: str = "") -> None:
    """Declare an environment in the workspace."""
    write(folder, {"environments/own.yml": f"{HEAD}image: {image}\n" + ("conda_file: conda.yml\n" if conda else "")})
    write(folder, {"environments/conda.yml": conda} if conda else {})


def set_pythons(folder: Path, setting: str) -> None:
    config = folder / "mlgit.yml"
    config.write_text(f"{config.read_text('utf-8')}builders: {{venv: {{type: venv, pythons: {setting}}}}}\n", "utf-8")


def test_a_plan_says_what_is_used_in_the_place_of_an_image(small, mlgit):
    declare(small, f"python:{OWN}.1-slim")
    note = (
        f"environment/own: the venv builder does not use image (environments/own.yml:3:8): Python {OWN} of this machine"
    )
    assert f"{note} is used, not the image python:{OWN}.1-slim" in mlgit("plan", cwd=small).out
    assert "image" not in mlgit("validate", cwd=small).out


def test_validate_warns_of_an_image_whose_packages_will_be_missing(small, mlgit):
    declare(small, "pytorch/pytorch:2.1.0-cuda12.1")
    validated = mlgit("validate", cwd=small)
    assert "environments/own.yml:3:8: warning: environment/own: the venv builder does not use image" in validated.out
    assert "torch and what else the image brings will be missing" in validated.out
    assert "torch and what else the image brings will be missing" in mlgit("plan", cwd=small).out
    assert validated.code == 0


def test_a_plan_says_which_packages_come_from_pypi_at_their_lines(small, mlgit):
    declare(small, "ubuntu", CONDA.replace("3.99", OWN))
    note = "environment/own: numpy, pandas: from PyPI, not from conda (environments/conda.yml:3:5, 4:5)"
    for _ in "the first time", "from the cache":
        assert note in mlgit("plan", cwd=small).out
    assert "PyPI" not in mlgit("validate", cwd=small).out


@pytest.mark.parametrize(
    ("image", "conda", "place"),
    [("python:3.99", "", "environments/own.yml:3:8"), ("ubuntu", CONDA, "environments/conda.yml:2:5")],
)
def test_a_python_that_is_not_to_be_had_has_its_line_the_nearest_and_the_setting_that_helps(
    image, conda, place, small, mlgit
):
    declare(small, image, conda)
    validated, planned = mlgit("validate", cwd=small), mlgit("plan", cwd=small)
    for printed in validated.out, planned.out + planned.err:
        assert f"{place}: warning: environment/own: there is no Python 3.99 on this machine; the nearest is" in printed
        assert 'pythons: {"3.99": "' in printed
    set_pythons(small, f'{{"3.99": "{OWN}"}}')
    commit(small)
    assert "no Python" not in mlgit("validate", cwd=small).out
    planned = mlgit("plan", cwd=small)
    assert f"Python {OWN} instead of 3.99, as mlgit.yml says" in planned.out
    assert place in planned.out


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('{"3": "3.11"}', "error: \"3\" is not allowed here: a series of Python in quotes, such as '3.8'"),
        ('{"3.8": 3.10}', "error: this must be a string, not 3.1"),
        ('{"3.8": "3.11.2"}', "error: \"3.11.2\" is not allowed here: a series of Python in quotes, such as '3.11'"),
        ("[3.8]", "error: this must be a mapping, not a list"),
        ("{3.8: '3.11'}", "error: the key 3.8 is not read as a string"),
    ],
)
def test_a_setting_that_names_no_series_is_an_error_and_no_other_is_reported(setting, message, small, mlgit):
    declare(small, "python:3.99")
    set_pythons(small, setting)
    validated = mlgit("validate", cwd=small)
    assert message in validated.out
    assert "builder-broken" not in validated.out
    assert "1 error" in validated.out


@pytest.mark.slow
def test_builds_with_different_pythons_in_the_place_of_the_required_one_are_recorded_side_by_side(small, mlgit):
    declare(small, "ubuntu", "dependencies: ['python>=3.98,<3.100', {pip: [six==1.17.0]}]\n")
    config = (small / "mlgit.yml").read_text("utf-8")
    for series in "3.99", "3.98":
        (small / "mlgit.yml").write_text(config, "utf-8")
        set_pythons(small, f'{{"{series}": "{OWN}"}}')
        commit(small)
        applied = mlgit(
            "apply", "--auto-approve", "--select", "environment/own", "--replace", "environment/own", cwd=small
        )
        assert applied.code == 0, applied.out + applied.err
    shown = json.loads(mlgit("show", "environment/own", "--format", "json", cwd=small).out)
    variants = [f"Python {OWN} instead of {series}" for series in ("3.99", "3.98")]
    builds = find_builds(shown)
    assert {name: build["variant"] for name, build in builds.items()} == {f"venv ({name})": name for name in variants}
    assert all(build["lock"].startswith(f"# {build['variant']}, as mlgit.yml says\nsix==") for build in builds.values())


def find_builds(shown: Any) -> Any:
    """Return the builds in what `show` prints of an environment."""
    if isinstance(shown, dict):
        return shown.get("builds") or next(filter(None, map(find_builds, shown.values())), None)
    return None
