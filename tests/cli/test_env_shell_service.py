"""mlgit env shell in a container image: a real engine, and a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from services import docker

pytestmark = pytest.mark.services
CONFIG = """
state: {name: shell, lineage: '11111111111111111111111111111111'}
store: {path: .mlgit/store}
builders: {docker: {type: docker}}
"""


@pytest.mark.usefixtures("docker_host")
def test_a_shell_in_an_image_has_the_terminal_and_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/base.yml").write_text(f"name: base\nimage: {docker.BASE}\n", "utf-8")
    (tmp_path / "mlgit.yml").write_text(CONFIG, "utf-8")
    (tmp_path / ".gitignore").write_text(".mlgit/\n", "utf-8")
    for command in ("init --quiet", "add --all", "commit --quiet --message start"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    leader, terminal = pty.openpty()
    words = [sys.executable, "-m", "reconciler", "env", "shell", "base"]
    with subprocess.Popen(words, cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal) as shell:
        os.close(terminal)
        os.write(leader, b"pwd; tty; echo from-$((6*7)); exit 5\n")
        output = b""
        try:
            while part := os.read(leader, 4096):
                output += part
        except OSError:  # the terminal is closed
            pass
        os.close(leader)
        assert shell.wait(180) == 5
    lines = output.decode().splitlines()
    assert str(tmp_path) in lines
    assert "/dev/pts/0" in lines
    assert "from-42" in lines
