"""mlgit drift: what has gone from the world, and what apply does about it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git

from reconciler.format.schemas import is_valid_for_schema

pytestmark = pytest.mark.slow

NUMBERS = b"n\n1\n2\n3\n"


def stored(folder: Path, content: bytes) -> Path:
    """Return the object of the store that holds some bytes."""
    objects = (path for path in (folder / ".mlgit/store/files").rglob("*") if path.is_file())
    return next(path for path in objects if path.read_bytes() == content)


def refs(folder: Path) -> str:
    return git(folder, "for-each-ref", "refs/mlgit")


def policy(folder: Path, drift: str) -> None:
    edit(folder, "mlgit.yml", "store:", f"drift: {drift}\nstore:")
    commit(folder)


def test_a_world_that_is_as_it_was_left_has_not_drifted(applied, mlgit):
    ended = mlgit("drift", "--deep", "--detailed-exitcode", cwd=applied)
    assert (ended.code, ended.out) == (0, "No drift. What was looked at is as it is recorded.\n")
    assert is_valid_for_schema(json.loads(mlgit("drift", "--format", "json", cwd=applied).out), "drift")


def test_what_is_edited_and_not_applied_is_no_drift(applied, mlgit):
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0


def test_files_that_are_wrong_keep_nobody_from_looking(applied, mlgit):
    edit(applied, "jobs/sum.yml", "factor: 2", "factr 2: [")
    assert mlgit("drift", cwd=applied).code == 0


def test_what_is_gone_is_named_and_looking_changes_nothing(applied, mlgit, golden):
    for each in (NUMBERS, b"12.0"):
        stored(applied, each).unlink()
    before = refs(applied)
    ended = mlgit("drift", "--detailed-exitcode", cwd=applied)
    assert ended.code == 2
    golden("cli/drift/gone.txt", ended.out)
    told = mlgit("drift", "--format", "json", cwd=applied).out
    golden("cli/drift/gone.json", told)
    assert is_valid_for_schema(json.loads(told), "drift")
    golden("cli/drift/plan.txt", mlgit("plan", "--refresh", cwd=applied).out)
    assert refs(applied) == before
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0  # the same as ever: it looks at nothing


def test_apply_puts_again_what_git_has(applied, mlgit, golden):
    stored(applied, NUMBERS).unlink()
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    golden("cli/drift/apply.txt", ended.out)
    assert stored(applied, NUMBERS).exists()
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0
    assert mlgit(*APPLY, cwd=applied).out == "No changes. The live state is what Git declares.\n"


def test_a_saved_plan_heals_too(applied, mlgit):
    stored(applied, NUMBERS).unlink()
    assert mlgit("plan", "--refresh", "-o", "../plan.json", cwd=applied).code == 0
    assert mlgit("apply", "../plan.json", cwd=applied).code == 0
    assert stored(applied, NUMBERS).exists()


def test_apply_heals_nothing_that_it_is_only_to_show(applied, mlgit):
    policy(applied, '{"data/*": warn}')
    stored(applied, NUMBERS).unlink()
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0
    assert "data/numbers@1: its content is gone from the store; drift: repair in mlgit.yml lets apply" in ended.out
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 2


def test_what_is_ignored_is_not_looked_at(applied, mlgit):
    policy(applied, "{data: ignore}")
    stored(applied, NUMBERS).unlink()
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0


def test_bytes_that_were_changed_are_found_by_reading_them_and_made_right_as_it_says(applied, mlgit):
    wrong = stored(applied, NUMBERS)
    wrong.chmod(0o600)
    wrong.write_bytes(b"n\n9\n")
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0
    ended = mlgit("drift", "--deep", "--detailed-exitcode", cwd=applied)
    assert ended.code == 2
    assert f"is not what was put there: {wrong}" in ended.out
    wrong.unlink()
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("drift", "--deep", "--detailed-exitcode", cwd=applied).code == 0


def test_a_store_that_is_not_there_is_one_thing(applied, mlgit, golden):
    shutil.move(applied / ".mlgit/store", applied.parent / "away")
    golden("cli/drift/store.txt", mlgit("drift", cwd=applied).out)
    assert not (applied / ".mlgit/store").exists()
    assert mlgit("plan", "--refresh", cwd=applied).out.startswith("No changes to make now; 1 thing drifted.")


def test_an_environment_that_is_not_built_here_is_noted(applied, mlgit, golden, monkeypatch, tmp_path):
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "empty"))
    ended = mlgit("drift", "--detailed-exitcode", cwd=applied)
    assert ended.code == 0
    golden("cli/drift/environment.txt", ended.out)
    assert mlgit("plan", "--refresh", "--detailed-exitcode", cwd=applied).code == 0
    policy(applied, "{environment: repair}")
    assert "repair, it is not built on this machine" in mlgit(*APPLY, cwd=applied).out
    assert "not built" not in mlgit("drift", cwd=applied).out


def test_a_backend_that_is_gone_is_named(applied, mlgit):
    compute = (
        "$schema: https://azuremlschemas.azureedge.net/latest/amlcompute.schema.json\nname: cpu\ntype: amlcompute\n"
    )
    commit(applied, "compute", {"compute/cpu.yml": compute})
    assert mlgit(*APPLY, cwd=applied).code == 0
    edit(applied, "mlgit.yml", "local: {type: local}", "other: {type: local}")
    edit(applied, "mlgit.yml", '"*": local', '"*": other')
    ended = mlgit("drift", cwd=applied)
    assert "compute/cpu: it is bound to the backend local, which mlgit.yml does not name any more" in ended.out
    assert "apply binds it to other" in ended.out


def test_looking_loads_no_store(applied):
    script = (
        "import sys, reconciler.cli as c\ntry:\n c.run()\nexcept SystemExit: pass\nassert 'dvc_data' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, "drift", "--deep"], cwd=applied, check=True, capture_output=True)
