"""mlgit env: locks, a shell, differences and the removal of built environments."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from workspaces import commit, edit, git

pytestmark = pytest.mark.slow

APPLY = ("apply", "--auto-approve", "--select", "environment")
ENVIRONMENT = """
    $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
    name: plain
    image: python
    conda_file: {dependencies: ["python>=3.11", {pip: ["iniconfig==2.0.0"]}]}
    """


@pytest.fixture
def built(small, mlgit, tmp_path, monkeypatch):
    """Return a workspace whose environment is built below a cache of its own, in two versions."""
    monkeypatch.setenv("MLGIT_CACHE_DIR", str(tmp_path / "cache"))
    commit(small, "first", {"environments/plain.yml": ENVIRONMENT})
    assert mlgit(*APPLY, cwd=small).code == 0
    edit(small, "environments/plain.yml", "iniconfig==2.0.0", "iniconfig==2.1.0")
    commit(small, "second")
    assert mlgit(*APPLY, cwd=small).code == 0
    return small


def prefixes(tmp_path: Path) -> int:
    return len(list((tmp_path / "cache/environments/venv").glob("*/mlgit-environment.json")))


def test_the_packages_of_two_versions_are_compared(built, mlgit):
    compared = mlgit("env", "diff", "plain@1", "environment/plain", cwd=built)
    assert compared.err == ""
    assert compared.out.splitlines() == [
        "environment/plain@1 -> environment/plain@2: iniconfig 2.0.0 -> 2.1.0",
        "  ~ iniconfig 2.0.0 -> 2.1.0",
    ]
    document = json.loads(mlgit("env", "diff", "plain@2", "plain", "--format", "json", cwd=built).out)
    assert document["packages"] == {"changed": {}, "added": {}, "removed": {}}
    assert "did you mean environment/plain?" in mlgit("env", "diff", "plian", "plain", cwd=built).err


def test_a_lock_is_written_beside_the_file_and_no_other_is_overwritten(built, mlgit):
    written = mlgit("env", "lock", "plain", cwd=built)
    wrote = "environment/plain: wrote environments/plain.lock.txt, the lock of its recorded build with venv.\n"
    assert written.out == wrote
    lock = built / "environments/plain.lock.txt"
    assert lock.read_text().startswith("iniconfig==2.1.0 \\\n    --hash=sha256:")
    assert "has already" in mlgit("env", "lock", "plain", cwd=built).out
    lock.write_text("six==1.17.0\n")
    assert "[target-exists]" in mlgit("env", "lock", "plain", cwd=built).err
    edit(built, "environments/plain.yml", "iniconfig==2.1.0", "iniconfig==2.0.0")
    document = json.loads(mlgit("env", "lock", "plain", "--force", "--format", "json", cwd=built).out)
    assert document["written"] is True
    assert lock.read_text().startswith("iniconfig==2.0.0")
    assert "[address-unknown]" in mlgit("env", "lock", "plian", cwd=built).err


def test_a_command_is_executed_in_the_environment_that_the_file_declares(built, mlgit_process):
    code = "import iniconfig, sys, importlib.metadata as m; print(m.version('iniconfig')); sys.exit(7)"
    ended = mlgit_process("env", "shell", "plain", "--", "python", "-c", code, cwd=built)
    output, _ = ended.communicate(timeout=60)
    assert (output.strip(), ended.returncode) == ("2.1.0", 7)


def test_only_what_nothing_needs_is_removed_and_only_on_request(built, mlgit, tmp_path):
    assert mlgit("env", "prune", cwd=built).out == "No built environment is unused.\n"  # all are new
    shown = mlgit("env", "prune", "--days", "0", cwd=built)
    assert "1 environment, " in shown.out
    assert prefixes(tmp_path) == 2
    removed = json.loads(mlgit("env", "prune", "--days", "0", "--remove", "--format", "json", cwd=built).out)
    assert [build["builder"] for build in removed["builds"]] == ["venv"]
    assert prefixes(tmp_path) == 1
    assert "drift" not in mlgit("plan", "--refresh", "--select", "environment", cwd=built).out.lower()


def test_what_another_workspace_uses_is_kept_as_long_as_that_exists(built, mlgit, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(built), str(other))
    git(other, "checkout", "--quiet", "HEAD~1")
    assert mlgit(*APPLY, cwd=other).code == 0
    assert "unused" in mlgit("env", "prune", "--days", "0", cwd=built).out
    shutil.rmtree(other)
    assert "1 environment, " in mlgit("env", "prune", "--days", "0", cwd=built).out
