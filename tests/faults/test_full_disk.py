"""No room left: a clear error, nothing half-done, and the next apply goes on once there is room."""

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
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "mlgit-test", str(place)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs to be root, and to be let mount a disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk):
    """Leave no room on a disk."""
    filler = disk / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, b"0" * 4096)
    os.close(descriptor)
    return filler


def test_an_apply_on_a_full_disk_says_so_and_the_next_one_goes_on(applied, small_disk, mlgit):
    shutil.rmtree(applied / ".mlgit")
    (applied / ".mlgit").mkdir()
    folder = shutil.copytree(applied, small_disk / "small")
    git(folder, "update-ref", "-d", "refs/mlgit/small/default/live")
    filler = fill(small_disk)
    ended = mlgit(*APPLY, cwd=folder)
    assert ended.code == 1, ended.err[-3000:]
    assert "no space left" in ended.err + ended.out
    assert "Traceback" not in ended.err
    filler.unlink()
    again = mlgit(*APPLY, cwd=folder)
    assert again.code == 0, again.err
    assert mlgit("plan", cwd=folder).out.startswith("No changes. ")
