"""What a person must know of an environment is in the plan, and on a terminal it is still there after the apply."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from workspaces import commit, write

NOTE = "the venv builder does not use image"
ENVIRONMENT = """
    $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
    name: {}
    image: python
    conda_file: {{dependencies: ["python>=3.11"], name: {}}}
    """


def on_terminal(*arguments: str, cwd: Path) -> str:
    """Run mlgit on a terminal, and return the lines that it leaves there."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "reconciler", *arguments]
    process = subprocess.Popen(command, cwd=cwd, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    output = b""
    with suppress(OSError):  # the end of a terminal is an error on Linux
        while chunk := os.read(controller, 65536):
            output += chunk
    os.close(controller)
    assert process.wait() == 0
    return _remaining_lines(output.decode())


def _remaining_lines(output: str) -> str:
    """Return the lines of an output after the lines that were moved back to and erased."""
    lines = [""]
    for part in re.split(r"(\x1b\[\d*A|\x1b\[2K|\r?\n|\r|\x1b\[[?0-9;]*[a-zA-Z])", output):
        if re.fullmatch(r"\x1b\[\d*A", part):
            lines = lines[: len(lines) - int(part[2:-1] or 1)] or [""]
        elif part == "\x1b[2K":
            lines[-1] = ""
        elif part in {"\n", "\r\n"}:
            lines.append("")
        elif not part.startswith(("\x1b", "\r")):
            lines[-1] += part
    return "\n".join(lines)


def test_a_note_of_the_builder_is_in_the_plan_once_for_all_environments(small, mlgit):
    assert mlgit("plan", cwd=small).out.count(f"environment/plain: {NOTE}") == 1
    write(small, {f"environments/{name}.yml": ENVIRONMENT.format(name, name) for name in "ab"})
    printed = mlgit("plan", cwd=small).out
    assert printed.count(NOTE) == 1
    places = "environments/a.yml:3:8, environments/b.yml:3:8, environments/plain.yml:3:8"
    assert f"environment/a, environment/b, environment/plain: {NOTE} ({places}): " in printed
    assert NOTE not in mlgit("plan", "--select", "data", cwd=small).out


@pytest.mark.slow
def test_a_note_of_the_builder_remains_on_a_terminal_after_the_apply(small):
    write(small, {"environments/other.yml": ENVIRONMENT.format("other", "other")})
    commit(small)
    remaining = on_terminal("apply", "--auto-approve", "--select", "environment", cwd=small)
    assert remaining.count(NOTE) == 1
    assert "Applied 4 changes." in remaining
