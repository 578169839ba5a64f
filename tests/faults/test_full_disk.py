"""A full disk: a clear error, nothing half-done, and the next apply resumes once there is space."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress

import pytest
from workspaces import APPLY, git

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
