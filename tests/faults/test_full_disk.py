"""A full disk: a clear error, nothing half-done, and the next apply resumes once there is space."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import suppress

import pytest
from workspaces import APPLY, git, has_ended, until

from reconciler.backends import load_backend
from reconciler.model import Phase
from reconciler.model.tasks import Prefix, Task
from reconciler.storage.folder_store import FolderStore

pytestmark = pytest.mark.slow

_MEGABYTES = 4


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of a few megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "mlgit-test", str(disk)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("requires root and permission to mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk):
    """Fill a disk and return the file that fills it."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, b"0" * 4096)
    os.close(descriptor)
    return filler


def test_an_apply_reports_a_full_disk_and_the_next_one_resumes(applied, small_disk, mlgit):
    shutil.rmtree(applied / ".mlgit")
    (applied / ".mlgit").mkdir()
    folder = shutil.copytree(applied, small_disk / "small")
    git(folder, "update-ref", "-d", "refs/mlgit/small/default/live")
    filler = fill(small_disk)
    refused = mlgit(*APPLY, cwd=folder)
    assert refused.code == 1, refused.err[-3000:]
    assert "-full]" in refused.err + refused.out
    assert "Traceback" not in refused.err
    filler.unlink()
    resumed = mlgit(*APPLY, cwd=folder)
    assert resumed.code == 0, resumed.err
    assert mlgit("plan", cwd=folder).out.startswith("No changes. ")


def test_a_run_that_fills_the_disk_with_its_outputs_has_failed_and_the_next_one_runs_once_there_is_space(
    small_disk, tmp_path
):
    backend = load_backend({"type": "local", "slots": 1}, small_disk / "backend")
    store = FolderStore(tmp_path / "store")

    def run(number, command):
        task = Task(f"run-{number}", "job/run", f"{number}" * 40, command, Prefix("/usr", "here"))
        handle = backend.submit(task, store)
        until(lambda: backend.poll([handle])[handle].phase not in (Phase.PENDING, Phase.RUNNING))
        return backend.poll([handle])[handle]

    full = run(1, "cat /dev/zero > outputs/large; echo $?; exit 3")
    assert (full.phase, full.result["failure"]["class"], full.result["failure"]["exit_code"]) == (
        Phase.FAILED,
        "user",
        3,
    )
    (large,) = small_disk.glob("backend/runs/run-1/**/large")
    assert large.stat().st_size > 1 << 20
    large.unlink()
    assert run(2, "true").phase is Phase.SUCCEEDED
    for path in small_disk.glob("backend/runs/*/supervisor.json"):
        until(lambda path=path: has_ended(json.loads(path.read_text())["pid"]))  # the disk is in use until then
