"""mlgit env: locks, a shell, differences and the removal of built environments."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
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
    again = "environment/plain: environments/plain.lock.txt has the lock of its recorded build with venv already.\n"
    assert mlgit("env", "lock", "plain", cwd=built).out == again
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
    output, _ = ended.communicate(timeout=180)
    assert (output.strip(), ended.returncode) == ("2.1.0", 7)


def test_a_shell_has_the_programs_of_the_environment_whatever_the_start_files_put_first(built, mlgit_process, tmp_path):
    home, other = tmp_path / "home", tmp_path / "pyenv"
    for folder in (home, other):
        folder.mkdir()
    (other / "python").write_text("#!/bin/sh\necho another python\n")
    (other / "python").chmod(0o755)
    (home / ".bashrc").write_text(f"export PATH={other}:$PATH\nalias greet='echo good day'\n")
    variables = {"HOME": str(home), "SHELL": shutil.which("bash")}
    ended = mlgit_process("env", "shell", "plain", cwd=built, env=variables, stdin=subprocess.PIPE)
    code = "import importlib.metadata as m; print(m.version('iniconfig'))"
    output, errors = ended.communicate(f'python -c "{code}"\ngreet\nexit 5\n', timeout=180)
    assert (output.splitlines(), ended.returncode) == (["2.1.0", "good day"], 5)
    assert "environment/plain: a shell in " in errors
    assert "(plain) " in errors  # the prompt


def test_ctrl_c_is_for_the_program_and_not_for_mlgit(built, mlgit_process):
    code = (
        "import signal; signal.signal(2, lambda *_: print('mine') or exit(4)); print('up', flush=True); signal.pause()"
    )
    ended = mlgit_process("env", "shell", "plain", "--", "python", "-c", code, cwd=built)
    assert ended.stdout.readline() == "up\n"
    os.killpg(ended.pid, signal.SIGINT)
    output, errors = ended.communicate(timeout=180)
    assert (output, errors, ended.returncode) == ("mine\n", "", 4)


def test_only_what_nothing_needs_is_removed_and_only_on_request(built, mlgit, tmp_path):
    assert mlgit("env", "prune", cwd=built).out == "No built environment is unused.\n"  # all are new
    shown = mlgit("env", "prune", "--days", "0", cwd=built)
    assert "venv: environment/plain, /" in shown.out
    assert "1 environment, " in shown.out
    assert prefixes(tmp_path) == 2
    removed = json.loads(mlgit("env", "prune", "--days", "0", "--remove", "--format", "json", cwd=built).out)
    assert [build["builder"] for build in removed["builds"]] == ["venv"]
    assert prefixes(tmp_path) == 1
    assert "drift" not in mlgit("plan", "--refresh", "--select", "environment", cwd=built).out.lower()


def test_an_engine_that_does_not_answer_keeps_no_other_build_from_removal(built, mlgit, tmp_path):
    with (built / "mlgit.yml").open("a") as file:
        file.write(
            f"builders: {{docker: {{type: docker, engine: 'unix://{tmp_path}/none.sock'}}, venv: {{type: venv}}}}\n"
        )
    shown = mlgit("env", "prune", "--days", "0", cwd=built)
    assert (shown.code, "1 environment, " in shown.out) == (1, True)
    assert "docker: not asked: the Docker engine at unix://" in shown.err
    removed = mlgit("env", "prune", "--days", "0", "--remove", "--format", "json", cwd=built)
    document = json.loads(removed.out)
    assert (removed.code, [*document["not_asked"]]) == (1, ["docker"])
    assert [build["environment"] for build in document["builds"]] == ["environment/plain"]
    assert prefixes(tmp_path) == 1


def test_what_another_workspace_uses_is_kept_as_long_as_that_exists(built, mlgit, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", str(built), str(other))
    git(other, "checkout", "--quiet", "HEAD~1")
    assert mlgit(*APPLY, cwd=other).code == 0
    assert "unused" in mlgit("env", "prune", "--days", "0", cwd=built).out
    shutil.rmtree(other)
    assert "1 environment, " in mlgit("env", "prune", "--days", "0", cwd=built).out


def test_an_environment_without_packages_has_no_lock_to_write(built, mlgit):
    commit(built, "bare", {"environments/bare.yml": "name: bare\nimage: python\n"})
    locked = mlgit("env", "lock", "bare", cwd=built)
    assert locked.out == "environment/bare: its build with venv has no packages, so there is nothing to lock.\n"
    assert json.loads(mlgit("env", "lock", "bare", "--format", "json", cwd=built).out)["written"] is False
    assert not (built / "environments/bare.lock.txt").exists()
