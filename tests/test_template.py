"""The workspace that `mlgit init` writes, for real: packages from the index, a model trained, and every single edit.

It is applied once; each test works on a copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from workspaces import commit

pytestmark = [pytest.mark.slow, pytest.mark.services]

Edit = Callable[[Path], None]


def mlgit_out(folder: Path, *arguments: str, code: int = 0) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "iris-demo"
    mlgit_out(folder.parent, "init", str(folder))
    mlgit_out(folder, "apply", "--auto-approve", "--wait")
    return folder


@pytest.fixture
def workspace(applied: Path, tmp_path: Path) -> Path:
    return shutil.copytree(applied, tmp_path / "iris-demo", symlinks=True)


def replaced(name: str, old: str, new: str) -> Edit:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), "utf-8")

    return edit


def blank_lines_and_comments(folder: Path) -> None:
    for path in folder.rglob("*.yml"):
        text = path.read_text("utf-8")
        path.write_text(f"# a comment\n\n{text}\n\n# and another\n", "utf-8")


EDITS: dict[str, Edit] = {
    "code": replaced("components/train/src/train.py", "epoch % 50", "epoch % 40"),
    "data": replaced("data/iris.csv", "5.1,3.5,1.4,0.2,setosa", "5.1,3.5,1.4,0.3,setosa"),
    "environment": replaced("environments/sklearn/conda.yml", "- pandas", "- pandas>=2"),
    "parameter": replaced("jobs/train.yml", "lr: 0.1", "lr: 0.2"),
    "description": replaced("models/iris.yml", "Tells", "Says"),
    "whitespace-and-comments": blank_lines_and_comments,
}


@pytest.mark.parametrize("name", EDITS)
def test_a_plan_after_one_edit_names_exactly_what_follows_from_it(name, workspace, golden):
    EDITS[name](workspace)
    golden(f"template/{name}.txt", mlgit_out(workspace, "plan"))


def test_the_second_plan_is_empty(applied):
    assert mlgit_out(applied, "plan", "--detailed-exitcode").startswith("No changes.")


def test_a_parameter_set_back_adopts_the_first_run_and_submits_nothing(workspace, golden):
    EDITS["parameter"](workspace)
    commit(workspace, "a higher learning rate")
    mlgit_out(workspace, "apply", "--auto-approve", "--wait")
    replaced("jobs/train.yml", "lr: 0.2", "lr: 0.1")(workspace)
    commit(workspace, "back")
    golden("template/parameter-set-back.txt", mlgit_out(workspace, "plan"))
    mlgit_out(workspace, "apply", "--auto-approve", "--wait")
    assert mlgit_out(workspace, "plan").startswith("No changes.")
    runs = [line.split()[0] for line in mlgit_out(workspace, "job", "list").splitlines() if line.startswith("  ")]
    assert sorted(run.rsplit("-", 1)[0] for run in runs) == ["iris-pipeline", "train", "train"]


def test_a_second_workspace_reuses_the_environment(applied, tmp_path):
    mlgit_out(tmp_path, "init", "another")
    out = mlgit_out(tmp_path / "another", "apply", "--auto-approve")
    assert "already built on this machine" in out
    mlgit_out(tmp_path / "another", "job", "cancel", "train")


def test_the_model_knows_where_it_came_from(applied):
    shown = mlgit_out(applied, "show", "model/iris")
    for phrase in ("run: train-", "data/iris@1", "environment/sklearn@1", "commit: "):
        assert phrase in shown


def test_metrics_logged_with_plain_mlflow_are_caught(applied):
    shown = mlgit_out(applied, "job", "metrics", "train")
    assert "accuracy" in shown
    assert "loss" in shown


def test_the_demo_script_goes_through(tmp_path):
    script = Path(__file__).parent.parent / "docs" / "demo.sh"
    command = f"{sys.executable} -m reconciler"
    (tmp_path / "mlgit").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    (tmp_path / "mlgit").chmod(0o755)
    env = {**os.environ, "MLGIT": str(tmp_path / "mlgit")}
    ended = subprocess.run(["sh", script, tmp_path / "iris-demo"], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "No changes." in ended.stdout
