"""mlgit gc that is killed at any step, and beside applies: everything that is recorded stays as it was stored."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults.seed import SEED
from workspaces import APPLY

from reconciler.storage.folder_store import FolderStore

pytestmark = [pytest.mark.slow, pytest.mark.services]
_KILLABLE = Path(__file__).with_name("killable.py")
_ROUNDS, _SAMPLES = 4, 3


def run(workspace: Path, *arguments: str, kill_at: int = 0) -> tuple[int, str]:
    command = [sys.executable, str(_KILLABLE), str(workspace.parent / "steps"), str(kill_at), *arguments]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False, timeout=180)
    return done.returncode, done.stdout + done.stderr


def age(workspace: Path) -> None:
    """Make all objects of the store and all files of runs old."""
    modified = time.time() - 100 * 86400
    for folder in ("files/md5", "runs"):
        for path in (workspace / ".mlgit/store" / folder).rglob("*"):
            if folder == "runs" or path.is_file():
                os.utime(path, (modified, modified), follow_symlinks=False)


def make_garbage(workspace: Path) -> None:
    """Store contents that no record names, and a run of a pipeline that no state has."""
    store = FolderStore(workspace / ".mlgit/store")
    (workspace / "x").write_text("graph")
    with (workspace / "x").open("rb") as file:
        graph = store.put_file("x", file)
    (workspace / "x").unlink()
    store.create("graphs/gone", json.dumps({"run": "x", "host": "h", "graph": graph.to_json()}).encode())
    store.create("events/gone.000001", b"{}")
    store.create("results/gone", b"{}")
    age(workspace)


def assert_whole(workspace: Path, *, applies: bool) -> None:
    code, output = run(workspace, "verify", "--deep")
    assert code == 0, output
    if applies:
        code, output = run(workspace, *APPLY, "--replace", "job/sum")
        assert code == 0, output
        code, output = run(workspace, "verify", "--deep")
        assert code == 0, output


@pytest.fixture
def steps(applied: Path) -> int:
    """Make garbage; return the number of steps that its removal takes."""
    make_garbage(applied)
    copy_of(applied)
    code, output = run(applied.parent / "copy", "gc", "--remove")
    count = len((applied.parent / "steps").read_text().splitlines())
    assert (code, count > 10) == (0, True), output
    return count


def copy_of(applied: Path) -> Path:
    copy = applied.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(["cp", "-R", "-p", applied, copy], check=True)
    return copy


def check_killed(applied: Path, step: int) -> None:
    copy = copy_of(applied)
    code, output = run(copy, "gc", "--remove", kill_at=step)
    assert code == -signal.SIGKILL, output
    assert_whole(copy, applies=step % 5 == 0)
    age(copy)
    code, output = run(copy, "gc", "--remove", "--format", "json")
    assert code == 0, output
    store = FolderStore(copy / ".mlgit/store")
    assert [store.list(group) for group in ("graphs/", "events/", "results/")] == [(), (), ()]
    code, output = run(copy, "gc", "--format", "json")
    assert [json.loads(output)["garbage"], json.loads(output)["run_folders"]["garbage"]] == [[], []]
    assert not any((copy / ".mlgit/store/removed").iterdir())


def test_killed_at_a_step_nothing_recorded_is_lost_and_the_next_one_ends_the_work(applied, steps):
    print("seed", SEED)
    for step in random.Random(SEED).sample(range(1, steps + 1), _SAMPLES):  # noqa: S311
        check_killed(applied, step)


@pytest.mark.soak
def test_killed_at_any_step_nothing_recorded_is_lost_and_the_next_one_ends_the_work(applied, steps):
    for step in range(1, steps + 1):
        check_killed(applied, step)


def test_an_apply_and_a_removal_at_once_lose_nothing(applied):
    for number in range(_ROUNDS):
        make_garbage(applied)
        command = [sys.executable, "-m", "reconciler"]
        collecting = subprocess.Popen(
            [*command, "gc", "--remove", "--history", "0"], cwd=applied, stdout=subprocess.PIPE, text=True
        )
        time.sleep(0.15 * number)
        code, output = run(applied, *APPLY, "--replace", "job/sum")
        assert code == 0, output
        collecting.communicate(timeout=180)
        assert collecting.returncode == 0
        assert_whole(applied, applies=False)
