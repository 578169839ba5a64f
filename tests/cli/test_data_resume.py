"""mlgit data get and put of many files, killed in the middle: the same command goes on, and sends no file twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import commit, signal_itself

pytestmark = pytest.mark.slow

FILES = 1000
CONFIG = """
    state: {name: small, lineage: "11111111111111111111111111111111"}
    datastores: {share: {type: local, path: ../share}}
    """


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "workspace").mkdir()
    (tmp_path / "share").mkdir()
    os.system(f"git -C {tmp_path}/workspace init --quiet")  # noqa: S605 - a fixed command
    commit(tmp_path / "workspace", "start", {"mlgit.yml": CONFIG, ".gitignore": "/.mlgit/\n"})
    return tmp_path / "workspace"


def make_files(folder: Path) -> None:
    for number in range(FILES):
        path = folder / f"{number % 7}" / f"{number:04}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(number.to_bytes(4) * 5000)


def whole_files(folder: Path) -> dict[str, int]:
    """Return the inodes of the files in a folder that have all of their bytes."""
    found = {path: path.stat() for path in folder.rglob("*.bin")}
    return {path.name: status.st_ino for path, status in found.items() if status.st_size == 20_000}


def run_killed(command: list[str], cwd: Path, event: str, text: str) -> None:
    """Run a command that is killed when it has sent or brought some files: before its event that comes with each."""
    environment = os.environ | signal_itself(cwd.parent / "start", signal.SIGKILL, event, text, 200)
    ended = subprocess.run([sys.executable, "-m", "reconciler", *command], cwd=cwd, env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_a_put_that_was_killed_goes_on_and_sends_no_file_again(folder, tmp_path, mlgit):
    make_files(tmp_path / "source")
    run_killed(["data", "put", "../source", "share/raw"], folder, "os.rename", ".bin")
    sent = whole_files(tmp_path / "share")
    assert 100 < len(sent) < FILES
    done = mlgit("data", "put", "../source", "share/raw", cwd=folder)
    assert done.code == 0, done.out + done.err
    assert f"wrote {FILES - len(sent)} of {FILES} files" in done.out
    now = whole_files(tmp_path / "share")
    assert len(now) == FILES
    assert {name: now[name] for name in sent} == sent, "a file that is written again has another inode"
    again = mlgit("data", "put", "../source", "share/raw", "--overwrite", cwd=folder)
    assert "already, verified" in again.out
    assert whole_files(tmp_path / "share") == now


def test_a_file_that_changed_on_either_side_since_it_was_put_is_not_taken_for_the_same(folder, tmp_path, mlgit):
    (tmp_path / "source").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "source" / name).write_text("first")
    assert mlgit("data", "put", "../source", "share/raw", cwd=folder).code == 0
    (tmp_path / "source/a").write_text("other")
    (tmp_path / "share/raw/b").write_text("wrong")
    refused = mlgit("data", "put", "../source", "share/raw", cwd=folder)
    assert refused.code == 1
    assert "2 other files: raw/a, raw/b" in refused.err
    replaced = mlgit("data", "put", "../source", "share/raw", "--overwrite", cwd=folder)
    assert "wrote 2 of 3 files" in replaced.out
    assert [(tmp_path / "share/raw" / name).read_text() for name in ("a", "b", "c")] == ["other", "first", "first"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_get_that_was_killed_goes_on_and_reads_no_file_again(folder, tmp_path, mlgit, exists):
    make_files(tmp_path / "share/raw")
    target = tmp_path / "new/out"
    (target if exists else tmp_path / "new").mkdir(parents=True)
    run_killed(["data", "get", "share/raw", str(target)], folder, "open", "/.mlgit-")
    (partial,) = [path for path in tmp_path.glob("new/**/.mlgit-*") if path.is_dir()]
    assert not (target / "0").exists(), "all of it is there, or nothing"
    brought = whole_files(partial)
    changed = max(brought)
    next((tmp_path / "share/raw").rglob(changed)).write_bytes(b"x" * 20_000)
    damaged = min(brought)
    next(partial.rglob(damaged)).write_bytes(b"y" * 20_000)
    done = mlgit("data", "get", "share/raw", str(target), cwd=folder)
    assert done.code == 0, done.out + done.err
    now = whole_files(target)
    assert len(now) == FILES
    # What was written last before the kill may not have been noted as whole.
    unchanged = {name for name in brought if now[name] == brought[name]}
    assert len(unchanged) >= len(brought) - 2 - 8
    assert next(target.rglob(changed)).read_bytes() == b"x" * 20_000
    assert next(target.rglob(damaged)).read_bytes() == int(damaged[:4]).to_bytes(4) * 5000
    assert not list(tmp_path.glob("new/**/.mlgit-*"))
    assert not list((folder / ".git/mlgit/downloads").iterdir())


def test_a_get_that_another_process_is_at_is_refused(folder, tmp_path, mlgit):
    make_files(tmp_path / "share/raw")
    command = [sys.executable, "-m", "reconciler", "data", "get", "share/raw", str(tmp_path / "out")]
    environment = os.environ | signal_itself(tmp_path / "start", signal.SIGSTOP, "open", "/.mlgit-")
    with subprocess.Popen(command, cwd=folder, env=environment) as first:
        os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        refused = mlgit("data", "get", "share/raw", str(tmp_path / "out"), cwd=folder)
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
    assert (refused.code, "[download-active]" in refused.err) == (1, True)
    assert len(whole_files(tmp_path / "out")) == FILES
