"""The script with which every action installs and runs mlgit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.services]

SCRIPT = Path(__file__).parents[2] / ".github/actions/mlgit.sh"
# What a pull request can put into the folder that an action works in.
HOSTILE = {
    "reconciler/__init__.py": "raise SystemExit('code of the repository')",
    "click.py": "raise SystemExit('code of the repository')",
    "venv.py": "raise SystemExit('code of the repository')",
    "sitecustomize.py": "raise SystemExit('code of the repository')",
    "uv.toml": 'index-url = "http://127.0.0.1:9/simple"\n',
    "pyproject.toml": '[tool.uv]\nindex-url = "http://127.0.0.1:9/simple"\n',
    "pip.conf": "[global]\nindex-url = http://127.0.0.1:9/simple\n",
    "requirements-ci.lock": "hostile==1.0\n",
}


@pytest.mark.parametrize("has_uv", [True, False])
def test_nothing_of_the_current_folder_is_executed_or_obeyed(has_uv, tmp_path):
    work, tools = tmp_path / "work", tmp_path / "tools"
    for name, text in HOSTILE.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    tools.mkdir()
    (tools / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))
    if has_uv:
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        assert uv
        (tools / "uv").symlink_to(uv)
    outer = re.compile("PYTHON|GITHUB_|RUNNER_")
    variables = {name: value for name, value in os.environ.items() if not outer.match(name)}
    variables |= {"PATH": f"{tools}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path / "temp")}
    command = ["bash", str(SCRIPT), "explain", "not-supported"]
    ended = subprocess.run(command, cwd=work, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("not-supported")
    assert {path.name for path in work.iterdir()} == {name.split("/")[0] for name in HOSTILE}


def test_a_directory_that_is_a_link_to_another_workspace_is_refused(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "ml").symlink_to("own")
    variables = {"PATH": "/usr/bin:/bin", "DIRECTORY": "ml", "RUNNER_TEMP": str(tmp_path)}
    ended = subprocess.run(
        ["bash", str(SCRIPT), "ci", "plan"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    message = "the directory of the workspace is reached through a link: restore the folder"
    assert (ended.stdout, ended.stderr) == ("", f"::error title=mlgit::{message}\n")
