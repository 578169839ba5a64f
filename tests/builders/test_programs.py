"""The programs that builders run: a build whose mlgit was killed is not done twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from workspaces import until

from reconciler.builders._prefix_files import lock_path

BUILD = """
import sys
from pathlib import Path
from reconciler.builders._prefix_files import exclusive_lock
from reconciler.builders._programs import run_command
with exclusive_lock(Path(sys.argv[1]), "key", print):
    run_command(["/bin/sh", "-c", f"echo $$ > {sys.argv[1]}/pid; exec sleep 300"], {})
"""


@pytest.mark.skipif(os.name != "posix", reason="programs inherit no locks there")
def test_a_program_that_outlives_mlgit_holds_the_lock_of_its_build(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", BUILD, str(tmp_path)]) as build:
        program = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text("utf-8")))
        build.kill()
    lock = FileLock(lock_path(tmp_path, "key"))
    with pytest.raises(Timeout):
        lock.acquire(timeout=0)
    os.kill(program, signal.SIGKILL)
    lock.acquire(timeout=120)
    lock.release()
