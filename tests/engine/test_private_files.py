"""Who may read what a clone and its runs keep on the disk: its owner alone, whatever the umask."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import SMALL, commit, edit, git

pytestmark = pytest.mark.slow

SECRET = "hunter2-of-the-job"  # noqa: S105 - made up
WRITING = """
    import os, pathlib, subprocess, sys
    folder = pathlib.Path(sys.argv[3])
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "total.txt").write_text(os.environ["DB_PASSWORD"])
    (folder / "tool.sh").write_text("#!/bin/sh")
    subprocess.run(["cp", sys.argv[1], "copy.csv"], check=True)
    pathlib.Path("outputs").mkdir(exist_ok=True)
    pathlib.Path("outputs", "x.txt").write_text("x")
    """


def open_to_others(folder: Path) -> list[str]:
    """Return what others than the owner may use, of a folder and all that is below it."""
    paths = (folder, *folder.rglob("*"))
    return [
        f"{path} {path.stat().st_mode:o}" for path in paths if not path.is_symlink() and path.stat().st_mode & 0o077
    ]


OTHER_UMASKS = [pytest.param(umask, marks=pytest.mark.services) for umask in (0o022, 0o077)]


@pytest.fixture(params=[0o000, *OTHER_UMASKS], ids=["0o0", "0o22", "0o77"])
def folder(request, tmp_path):
    """Apply a workspace, shared with a remote, under a umask; then use the other commands that write."""
    remote, folder = tmp_path / "remote.git", tmp_path / "small"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", str(remote))
    config = SMALL["mlgit.yml"].replace("name: small,", "name: small, remote: origin,")
    config = config.replace("path: .mlgit/store}", "path: .mlgit/store, host: here}")
    config = config.replace("{type: local}", "{type: local, host: here}")
    job = SMALL["jobs/sum.yml"].rstrip() + f"\n        environment_variables: {{DB_PASSWORD: {SECRET}}}\n"
    commit(folder, "start", {**SMALL, "mlgit.yml": config, "jobs/sum.yml": job, "src/sum.py": WRITING})
    environment = {**os.environ, "MLGIT_HOST": "here"}

    def mlgit(*arguments, code=0):
        command = [sys.executable, "-m", "reconciler", *arguments]
        ended = subprocess.run(
            command, check=False, cwd=folder, env=environment, capture_output=True, text=True, umask=request.param
        )
        assert ended.returncode == code, ended.stdout + ended.stderr

    for command in (("plan",), ("validate", "."), ("apply", "--auto-approve", "--wait"), ("status",), ("drift",)):
        mlgit(*command)
    commit(folder, "bad", {"src/sum.py": "import sys; sys.exit('failed')"})
    mlgit("apply", "--auto-approve", "--wait", code=1)
    return folder


def test_what_runs_and_the_clone_keep_is_for_their_owner_alone(folder):
    kept = folder / ".mlgit/store/runs", folder / ".git/mlgit"
    assert [path for path in kept[0].rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert all((kept[1] / name).exists() for name in ("cache.sqlite", "journal-small-default.jsonl"))
    assert [open_to_others(path) for path in kept] == [[], []]


def test_folders_that_an_older_mlgit_made_are_closed(applied, mlgit):
    folders = applied / ".git/mlgit", applied / ".mlgit/store/runs"
    for path in folders:
        path.chmod(0o755)
    edit(applied, "src/sum.py", 'print("total", total)', 'print("again", total)')
    commit(applied)
    assert mlgit("apply", "--auto-approve", "--wait", cwd=applied).code == 0
    assert [stat.S_IMODE(path.stat().st_mode) for path in folders] == [0o700, 0o700]
