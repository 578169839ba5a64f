"""mlgit drift: what differs from the live state, and what apply does about it."""

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
    """Return the object of the store that has this content."""
    objects = (path for path in (folder / ".mlgit/store/files").rglob("*") if path.is_file())
    return next(path for path in objects if path.read_bytes() == content)


def refs(folder: Path) -> str:
    return git(folder, "for-each-ref", "refs/mlgit")


def policy(folder: Path, drift: str) -> None:
    edit(folder, "mlgit.yml", "store:", f"drift: {drift}\nstore:")
    commit(folder)


def test_there_is_no_drift_after_an_apply(applied, mlgit):
    ended = mlgit("drift", "--deep", "--detailed-exitcode", cwd=applied)
    assert (ended.code, ended.out) == (0, "No drift. What was looked at is as it is recorded.\n")
    assert is_valid_for_schema(json.loads(mlgit("drift", "--format", "json", cwd=applied).out), "drift")


def test_an_edit_that_is_not_applied_is_not_drift(applied, mlgit):
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0


def test_drift_works_with_invalid_files(applied, mlgit):
    edit(applied, "jobs/sum.yml", "factor: 2", "factr 2: [")
    assert mlgit("drift", cwd=applied).code == 0


def test_missing_content_is_reported_and_nothing_is_changed(applied, mlgit, golden):
    for content in (NUMBERS, b"12.0"):
        stored(applied, content).unlink()
    before = refs(applied)
    ended = mlgit("drift", "--detailed-exitcode", cwd=applied)
    assert ended.code == 2
    golden("cli/drift/gone.txt", ended.out)
    document = mlgit("drift", "--format", "json", cwd=applied).out
    golden("cli/drift/gone.json", document)
    assert is_valid_for_schema(json.loads(document), "drift")
    golden("cli/drift/plan.txt", mlgit("plan", "--refresh", cwd=applied).out)
    assert refs(applied) == before
    assert mlgit("plan", "--detailed-exitcode", cwd=applied).code == 0  # without --refresh


def test_apply_restores_content_from_git(applied, mlgit, golden):
    stored(applied, NUMBERS).unlink()
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0, ended.out + ended.err
    golden("cli/drift/apply.txt", ended.out)
    assert stored(applied, NUMBERS).exists()
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0
    assert mlgit(*APPLY, cwd=applied).out == "No changes. The live state is what Git declares.\n"


def test_a_saved_plan_repairs_drift(applied, mlgit):
    stored(applied, NUMBERS).unlink()
    assert mlgit("plan", "--refresh", "-o", "../plan.json", cwd=applied).code == 0
    assert mlgit("apply", "../plan.json", cwd=applied).code == 0
    assert stored(applied, NUMBERS).exists()


def test_apply_does_not_repair_drift_with_the_policy_warn(applied, mlgit):
    policy(applied, '{"data/*": warn}')
    stored(applied, NUMBERS).unlink()
    ended = mlgit(*APPLY, cwd=applied)
    assert ended.code == 0
    assert (
        "data/numbers@1: its content is gone from the store; set drift: repair in mlgit.yml to let apply" in ended.out
    )
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 2


def test_drift_with_the_policy_ignore_is_not_reported(applied, mlgit):
    policy(applied, "{data: ignore}")
    stored(applied, NUMBERS).unlink()
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0


def test_deep_finds_damaged_content_and_its_hint_repairs_it(applied, mlgit):
    damaged = stored(applied, NUMBERS)
    damaged.chmod(0o600)
    damaged.write_bytes(b"n\n9\n")
    assert mlgit("drift", "--detailed-exitcode", cwd=applied).code == 0
    ended = mlgit("drift", "--deep", "--detailed-exitcode", cwd=applied)
    assert ended.code == 2
    assert f"its content in the store is damaged: {damaged}" in ended.out
    damaged.unlink()
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("drift", "--deep", "--detailed-exitcode", cwd=applied).code == 0


def test_a_missing_store_is_reported_once(applied, mlgit, golden):
    shutil.move(applied / ".mlgit/store", applied.parent / "away")
    golden("cli/drift/store.txt", mlgit("drift", cwd=applied).out)
    assert not (applied / ".mlgit/store").exists()
    assert mlgit("plan", "--refresh", cwd=applied).out.startswith("No changes to make now; 1 thing drifted.")


def test_an_environment_that_is_not_built_on_this_machine_is_noted(applied, mlgit, golden, monkeypatch, tmp_path):
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "empty"))
    ended = mlgit("drift", "--detailed-exitcode", cwd=applied)
    assert ended.code == 0
    golden("cli/drift/environment.txt", ended.out)
    assert mlgit("plan", "--refresh", "--detailed-exitcode", cwd=applied).code == 0
    policy(applied, "{environment: repair}")
    assert "repair, it is not built on this machine" in mlgit(*APPLY, cwd=applied).out
    assert "not built" not in mlgit("drift", cwd=applied).out


def test_a_removed_backend_is_reported(applied, mlgit):
    compute = (
        "$schema: https://azuremlschemas.azureedge.net/latest/amlcompute.schema.json\nname: cpu\ntype: amlcompute\n"
    )
    commit(applied, "compute", {"compute/cpu.yml": compute})
    assert mlgit(*APPLY, cwd=applied).code == 0
    edit(applied, "mlgit.yml", "local: {type: local}", "other: {type: local}")
    edit(applied, "mlgit.yml", '"*": local', '"*": other')
    ended = mlgit("drift", cwd=applied)
    assert "compute/cpu: it is bound to the backend local, which is no longer in mlgit.yml" in ended.out
    assert "apply binds it to other" in ended.out


def test_drift_does_not_import_the_object_store(applied):
    script = (
        "import sys, reconciler.cli as c\ntry:\n c.run_command_line()\nexcept SystemExit:pass\n"
        "assert 'dvc_data' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, "drift", "--deep"], cwd=applied, check=True, capture_output=True)
