"""How the packages of an environment differ: in the plan as far as recorded locks tell, and after the build."""

from __future__ import annotations

import json

import pytest
from workspaces import commit

pytestmark = pytest.mark.slow

APPLY = ("apply", "--auto-approve", "--select", "environment")
ENVIRONMENT = """
    $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
    name: plain
    image: python
    conda_file: {{dependencies: ["python>=3.11", {{pip: [{}]}}]}}
    """


def declare(folder, *packages: str) -> None:
    commit(folder, "packages", {"environments/plain.yml": ENVIRONMENT.format(", ".join(packages))})


def test_the_packages_of_a_new_version_are_compared_after_the_build_and_in_the_plan_once_they_are_recorded(
    small, mlgit, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "cache"))
    declare(small, "iniconfig==2.0.0", "six==1.16.0")
    assert "forecast" not in mlgit("plan", cwd=small).out
    assert mlgit(*APPLY, cwd=small).code == 0
    declare(small, "iniconfig==2.1.0", "packaging==24.2")
    planned = mlgit("plan", cwd=small).out
    assert "conda_file.dependencies" in planned  # the requirements are known before the packages
    assert "      forecast: to be built; how its packages differ is known after that\n" in planned
    applied = mlgit(*APPLY, cwd=small)
    assert "packages since version 1: iniconfig 2.0.0 -> 2.1.0, +1, -1" in applied.out
    declare(small, "iniconfig==2.0.0", "six==1.16.0")
    planned = mlgit("plan", cwd=small).out
    assert (
        "      packages: iniconfig 2.1.0 -> 2.0.0, +1, -1\n      forecast: cache hit, built before for Python"
        in planned
    )
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "other"))
    assert "      forecast: to be built from its recorded lock\n" in mlgit("plan", cwd=small).out
    events = [json.loads(line) for line in mlgit("plan", "--format", "json", cwd=small).out.splitlines()]
    (made,) = (event for event in events if event["type"] == "plan-made")
    (build,) = (action for action in made["body"]["actions"] if action["action"] == "build")
    assert build["packages"]["added"] == {"six": "1.16.0"}
    assert made["builds"] == [{"environment": "environment/plain", "builder": "venv", "built": False, "locked": True}]
    page = mlgit("plan", "--format", "github", cwd=small).out
    assert "| `environment/plain` | packages: iniconfig 2.1.0 -> 2.0.0, +1, -1; forecast: to be built" in page
