"""The folders of runs that a backend lists, and which of them it removes."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from reconciler.backends._local import LocalBackend
from reconciler.backends._local_processes import SPEC_FILE
from reconciler.backends._ray_node import RayNodeBackend
from reconciler.backends._slurm_node import SlurmNodeBackend
from reconciler.runner.result import RESULT_FILE

BACKENDS = {
    "local": LocalBackend,
    "ray": lambda folder: RayNodeBackend(folder, {"address": "http://127.0.0.1:1"}),
    "slurm": lambda folder: SlurmNodeBackend(folder, {}),
}


@pytest.fixture
def runs(tmp_path):
    for name in ("ended", "open"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / SPEC_FILE).write_text(json.dumps({"token": name}), encoding="utf-8")
    (tmp_path / "runs/ended" / RESULT_FILE).write_text("{}", encoding="utf-8")
    return tmp_path / "runs"


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_a_run_of_a_scheduler_without_a_result_is_active_and_stays(name, runs):
    backend = BACKENDS[name](runs.parent)
    folders = {folder.token: folder for folder in backend.run_folders()}
    assert {token: folder.is_active for token, folder in folders.items()} == {"ended": False, "open": True}
    assert [backend.remove_run_folder(folders[token]) for token in ("ended", "open")] == [True, False]
    assert [path.name for path in runs.iterdir()] == ["open"]


def test_a_run_of_this_machine_without_a_process_is_not_active(runs):
    backend = BACKENDS["local"](runs.parent)
    assert [folder.is_active for folder in backend.run_folders()] == [False, False]


def test_a_run_with_folders_nested_deeper_than_python_follows_is_listed_and_removed(runs, monkeypatch):
    monkeypatch.chdir(runs / "ended")
    for _ in range(3000):
        os.mkdir("a")  # noqa: PTH102 - below a path that is too long to be named
        os.chdir("a")
    os.chdir(runs.parent)
    (runs / "ended/b").symlink_to("/etc")
    backend = BACKENDS["local"](runs.parent)
    try:
        folder = {folder.token: folder for folder in backend.run_folders()}["ended"]
        assert folder.size < 1000
        assert backend.remove_run_folder(folder)
        assert [path.name for path in runs.parent.rglob("*") if "a" in path.name] == []
    finally:
        subprocess.run(["rm", "-rf", runs], check=True)
