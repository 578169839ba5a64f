"""The wheel, tried in a clean environment: what a user installs, not what a checkout happens to have beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin
from workspaces import git

UV = find_uv_bin()
ROOT = Path(__file__).parent.parent
DATA = [path for name in ("schemas", "workspace-template") for path in (ROOT / name).rglob("*")]
DATA.append(ROOT / "docs" / "diagnostics.md")
RECIPES = (ROOT / "reconciler/catalogue").rglob("*.yml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", out, ROOT], check=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_schema_every_recipe_and_every_file_of_the_template(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"reconciler/{path.relative_to(ROOT)}" for path in DATA if path.is_file() and "__pycache__" not in path.parts
    }
    wanted |= {str(path.relative_to(ROOT)) for path in RECIPES}
    assert wanted - inside == set()


@pytest.mark.slow
def test_a_workspace_can_be_made_and_planned_from_the_wheel_alone(wheel, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    subprocess.run([UV, "pip", "install", "--quiet", "--python", venv / "bin/python", wheel], check=True)
    mlgit = venv / "bin" / "mlgit"
    subprocess.run([mlgit, "init", "iris"], cwd=tmp_path, check=True, capture_output=True)
    planned = subprocess.run([mlgit, "plan"], cwd=tmp_path / "iris", check=True, capture_output=True, text=True)
    assert planned.stdout.startswith("Plan: 12 changes, starts 2 runs.")
    assert (tmp_path / "iris" / ".gitignore").exists()
    assert git(tmp_path / "iris", "status", "--porcelain") == ""
