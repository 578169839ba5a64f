"""Objects of the store that were changed or lost: repaired from Git, or the action fails; no run gets other bytes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit

pytestmark = pytest.mark.slow


def overwrite(path: Path) -> None:
    """Change bytes in place and keep their number."""
    path.chmod(0o644)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def overwrite_and_reset_the_times(path: Path) -> None:
    before = path.stat()
    overwrite(path)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace_file(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy2(path, other)
    overwrite_and_reset_the_times(other)
    other.replace(path)


def truncate(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


DAMAGES = (overwrite, overwrite_and_reset_the_times, replace_file, truncate, remove)


def object_paths(folder: Path, text: str) -> list[Path]:
    """Return the objects of the store whose bytes contain a text."""
    objects = (folder / ".mlgit/store/files/md5").glob("*/*")
    return [path for path in objects if text.encode() in path.read_bytes()]


@pytest.fixture
def next_job(applied):
    """Declare a job that reads a model, which is the output of a run, and a data asset, which is in Git."""
    job = """
        $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
        name: next
        command: cat ${{inputs.total}}/total.txt
        environment: azureml:plain@latest
        compute: local
        inputs:
          total: {type: custom_model, path: azureml:total@latest}
        """
    commit(applied, "next", {"jobs/next.yml": job})
    return applied


@pytest.mark.parametrize("damage", DAMAGES)
def test_tracked_content_that_was_damaged_is_repaired_from_git(damage, applied, mlgit):
    (path,) = object_paths(applied, "n\n1\n2\n3\n")
    before = path.read_bytes()
    damage(path)
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    result = mlgit(*APPLY, cwd=applied)
    assert result.code == 0, result.out
    assert path.read_bytes() == before
    assert mlgit("job", "logs", "sum", cwd=applied).out == "total 6\n"


@pytest.mark.parametrize("damage", DAMAGES)
def test_code_that_was_damaged_is_repaired_from_git(damage, applied, mlgit):
    damage(*object_paths(applied, "import pathlib, sys"))
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("job", "logs", "sum", cwd=applied).out == "total 6\n"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("of", ["12.0", '"relpath": "total.txt"'], ids=["a file", "the list of files"])
def test_an_output_that_was_damaged_fails_the_action_and_is_named_with_what_to_do(
    damage, of, next_job, mlgit, run_json
):
    (path,) = object_paths(next_job, of)
    damage(path)
    result = mlgit(*APPLY, cwd=next_job)
    assert result.code == 1
    assert ("[content-missing]" if damage is remove else "[content-corrupt]") in result.out
    for part in ("model/total@1", str(path), "mlgit job rerun sum", *(["total.txt"] if of == "12.0" else [])):
        assert part in result.out
    assert len(run_json(next_job, "job", "list")) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_model_is_registered_from_an_output_that_was_damaged(damage, applied, mlgit, run_json):
    (path,) = object_paths(applied, "12.0")
    damage(path)
    commit(
        applied,
        "other",
        {"models/other.yml": (applied / "models/total.yml").read_text().replace("total\n", "other\n", 1)},
    )
    result = mlgit(*APPLY, cwd=applied)
    assert result.code == 1
    assert "output total of run sum-" in result.out
    assert str(path) in result.out
    assert [model["address"] for model in run_json(applied, "list", "model")] == ["model/total"]


def test_a_rerun_makes_damaged_outputs_whole_again(next_job, mlgit):
    (path,) = object_paths(next_job, "12.0")
    overwrite(path)
    assert mlgit("job", "rerun", "sum", "--auto-approve", "--wait", cwd=next_job).code == 0
    assert path.read_bytes() == b"12.0"
    assert mlgit(*APPLY, cwd=next_job).code == 0
    assert mlgit("job", "logs", "next", cwd=next_job).out == "12.0"


def test_modes_that_were_changed_are_repaired_from_git(applied, mlgit):
    tool = applied / "src/tool.sh"
    tool.write_text("#!/bin/sh\necho tool ran\n")
    tool.chmod(0o755)
    edit(applied, "jobs/sum.yml", "command: python", "command: ./tool.sh && python")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    (modes,) = [path for path in applied.glob(".mlgit/store/modes/*/*.json") if "tool.sh" in path.read_text()]
    modes.write_text(json.dumps({"sum.py": 0o120000}))
    edit(applied, "jobs/sum.yml", "factor: 2", "factor: 3")
    commit(applied)
    assert mlgit(*APPLY, cwd=applied).code == 0
    assert mlgit("job", "logs", "sum", cwd=applied).out.startswith("tool ran\n")
