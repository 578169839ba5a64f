"""`locks:` in mlgit.yml: an environment is built from a lock of another tool, and is another one with another lock."""

from __future__ import annotations

import pytest
from workspaces import APPLY, commit, edit

from reconciler.builders._interpreter import find_interpreter
from reconciler.builders._uv import compile_lock
from reconciler.model.builder import BuildPlan

pytestmark = pytest.mark.slow

ENVIRONMENT = """\
name: own
image: python
conda_file:
  dependencies:
    - pip: [six, iniconfig]
"""


def lock_of(*packages: str) -> str:
    plan = BuildPlan("environment/own", "f")
    return compile_lock(plan.address, packages, ("--python", find_interpreter(plan).executable), lambda _message: None)


def test_an_environment_is_built_from_its_lock_and_is_another_one_with_another_lock(small, mlgit):
    with (small / "mlgit.yml").open("a") as file:
        file.write("locks:\n  environment/own: locks/own.txt\n")
    files = {"environments/own.yml": ENVIRONMENT, "locks/own.txt": lock_of("six==1.16.0", "iniconfig==2.0.0")}
    commit(small, "environment", files)
    applied = mlgit(*APPLY, cwd=small)
    assert (applied.code, applied.err) == (0, "")
    assert "using the lock locks/own.txt" in applied.out
    assert "six" in mlgit("show", "environment/own", cwd=small).out
    assert "1.16.0" in mlgit("show", "environment/own", "--format", "json", cwd=small).out
    assert "No changes" in mlgit("plan", cwd=small).out
    commit(small, "newer", {"locks/own.txt": lock_of("six==1.17.0", "iniconfig==2.0.0")})
    planned = mlgit("plan", cwd=small).out
    assert "environment/own: new version 2 because lock changed (own.txt)" in planned
    assert mlgit(*APPLY, cwd=small).code == 0
    assert "1.17.0" in mlgit("show", "environment/own", "--format", "json", cwd=small).out
    edit(small, "mlgit.yml", "locks/own.txt", "locks/gone.txt")
    commit(small, "gone")
    missing = mlgit("plan", cwd=small)
    assert missing.code == 1
    assert "mlgit.yml:6:20: error: environment/own: its lock locks/gone.txt is not in Git" in missing.out + missing.err
    again = mlgit("plan", cwd=small)  # with mlgit.yml from the cache
    assert (again.out, again.err) == (missing.out, missing.err)


def test_a_lock_that_mlgit_wrote_is_accepted_and_is_the_reason_for_a_version(small, mlgit):
    commit(small, "environment", {"environments/own.yml": ENVIRONMENT})
    assert mlgit(*APPLY, cwd=small).code == 0
    assert mlgit("env", "lock", "own", cwd=small).code == 0
    with (small / "mlgit.yml").open("a") as file:
        file.write("locks:\n  environment/own: environments/own.lock.txt\n")
    commit(small, "lock")
    assert "environment/own: new version 2 because lock added" in mlgit("plan", cwd=small).out
    applied = mlgit(*APPLY, cwd=small)
    assert (applied.code, applied.err) == (0, "")
    assert "packages since version 1: unchanged" in applied.out


def test_a_lock_that_is_not_of_the_conda_file_stops_the_build(small, mlgit):
    with (small / "mlgit.yml").open("a") as file:
        file.write("locks:\n  environment/own: locks/own.txt\n")
    commit(small, "environment", {"environments/own.yml": ENVIRONMENT, "locks/own.txt": lock_of("six==1.16.0")})
    failed = mlgit(*APPLY, cwd=small)
    assert failed.code == 1
    assert "own.txt has no iniconfig, and the conda file requires iniconfig" in failed.out + failed.err
