"""Whatever is in the place of a file, and whatever the system refuses, is a diagnostic: no bug report, no waiting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import APPLY, edit, git, write

from reconciler.model import Address
from reconciler.state import paths

SPOILED = ("folder", "link to itself", "link to nothing", "garbage", "other JSON", "deep JSON", "pipe", "socket")
MEASURE = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "reconciler", *sys.argv[1:]], capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def spoil(path: Path, how: str) -> None:
    """Put something else into the place of a file."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    match how:
        case "folder":
            path.mkdir()
        case "link to itself":
            path.symlink_to(path.name)
        case "link to nothing":
            path.symlink_to("nowhere/file")
        case "garbage":
            path.write_bytes(b'\xff\x00{["')
        case "other JSON":
            path.write_text('{"a": [1], "token": 3, "pid": "x"}', "utf-8")
        case "deep JSON":
            path.write_text("[" * 100_000, "utf-8")
        case "pipe":
            os.mkfifo(path)
        case "socket":
            os.mknod(path, 0o140600)


@pytest.mark.parametrize("how", SPOILED)
def test_a_file_of_mlgit_may_be_anything(applied, mlgit, how):
    edit(applied, "data/numbers.yml", "type: uri_file", "type: uri_file\ndescription: x")
    git(applied, "commit", "-qam", "change")
    (run,) = (applied / ".mlgit/store/runs").iterdir()
    for path in (applied / ".git/mlgit/journal-small-default.jsonl", run / "spec.json", run / "metrics.jsonl"):
        spoil(path, how)
        for command in (("plan",), ("status",), APPLY, ("job", "show", "sum"), ("job", "metrics", "sum"), ("drift",)):
            ended = mlgit(*command, cwd=applied)
            assert ended.code in {0, 1}, (command, ended.err)
            assert ended.code == 0 or "error: " in ended.err
            assert ended.code == 0 or path.name in ended.err
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("how", SPOILED)
def test_an_asset_file_may_be_anything(small, mlgit, how):
    spoil(small / "data/other.yml", how)
    for command in (("validate",), ("validate", "."), ("validate", "data/other.yml"), ("plan",), ("fmt",)):
        ended = mlgit(*command, cwd=small)
        assert ended.code in {0, 1}, (command, ended.err)
        if how.startswith("link"):
            assert ended.code == 1
            assert "data/other.yml:1:1: error: data/other.yml is a symbolic link to" in ended.out + ended.err


@pytest.mark.parametrize(
    "conda", ["text", "- a", "dependencies: text", "dependencies: {a: b}", "dependencies: [{pip: 3}]", "variables: [1]"]
)
def test_a_conda_file_of_another_type_is_a_diagnostic(small, mlgit, conda):
    write(small, {"environments/conda.yml": f"{conda}\n"})
    edit(small, "environments/plain.yml", '{dependencies: ["python>=3.11"]}', "conda.yml")
    git(small, "add", "-A")
    git(small, "commit", "-qm", "change")
    ended = mlgit(*APPLY, cwd=small)
    assert ended.code == 1
    assert "error: " in ended.err
    assert "environment/plain: " in ended.err or "environments/conda.yml:1:" in ended.err


def test_a_record_that_is_nested_too_deep_is_named_and_repaired(applied, mlgit):
    path = paths.current_record_path(Address("data", "numbers"))
    for depth in (300, 100_000):
        text = '{"address": "data/numbers", "spec": ' + '{"a": ' * depth + "1" + "}" * depth + "}"
        (applied / "value.json").write_text(text, "utf-8")
        blob = git(applied, "hash-object", "-w", "value.json")
        (applied / "value.json").unlink()
        environment = os.environ | {"GIT_INDEX_FILE": str(applied / ".git/other-index")}
        ref = "refs/mlgit/small/default/live"
        for command in (["read-tree", ref], ["update-index", "--add", "--cacheinfo", f"100644,{blob},{path}"]):
            subprocess.run(["git", *command], cwd=applied, env=environment, check=True)
        tree = subprocess.run(["git", "write-tree"], cwd=applied, env=environment, check=True, capture_output=True)
        commit = git(applied, "commit-tree", tree.stdout.decode().strip(), "-p", ref, "-m", "deep")
        git(applied, "update-ref", ref, commit)
        ended = mlgit("plan", cwd=applied)
        assert ended.code == 1
        assert "[state-corrupt]" in ended.err
        assert mlgit("state", "repair", cwd=applied).code in {0, 1}
        assert mlgit("state", "repair", "--auto-approve", cwd=applied).code == 0
        assert mlgit("plan", cwd=applied).code == 0


@pytest.mark.parametrize("limit", [0, 1024, 4096])
def test_a_limit_on_the_size_of_files_is_a_diagnostic(small, limit):
    for command in (("schema", "--write-editor-settings"), ("init", "new"), ("plan", "-o", "plan.json"), APPLY):
        code = f"import os,resource,sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
        arguments = [sys.executable, "-c", f"{code}; os.execv(sys.executable, sys.argv[1:])"]
        arguments += [sys.executable, "-m", "reconciler", *command]
        # Python leaves bytecode files that are cut off at the limit, and fails when it reads them the next time.
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(arguments, cwd=small, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode in {0, 1}, ended.stderr
        assert ended.returncode == 0 or "error: " in ended.stderr


@pytest.mark.services
@pytest.mark.parametrize("name", ["data/big.yml", "environments/conda.yml", "mlgit.yml", "plan.json", "src/.amlignore"])
def test_a_file_of_any_size_takes_little_memory(small, name):
    line = b"{}," if name.endswith("json") else b"# a*b*c\n"
    with (small / name).open("wb") as file:
        for _ in range(48):
            file.write(line * (1_000_000 // len(line)))
    edit(small, "environments/plain.yml", '{dependencies: ["python>=3.11"]}', "conda.yml")
    for command in (("validate",), ("validate", "."), ("plan",), ("show", "plan.json")):
        arguments = [sys.executable, "-c", MEASURE, *command]
        measured = subprocess.run(arguments, cwd=small, capture_output=True, text=True, check=True)
        assert int(measured.stdout) < 200_000, command  # KiB
