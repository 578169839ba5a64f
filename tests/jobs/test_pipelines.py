"""Pipelines and sweeps as people write them for Azure ML, run as they are: what each gives is in the file beside it.

``steps`` are the steps with their status, ``logs`` the lines of the logs of some, in any order, since the ranks of a
step write at the same time; ``outputs`` the files of its outputs with their text; ``metrics`` what its steps or its
best trial logged; ``note`` is in what is said of it before it runs, ``refused`` in what is said of one that cannot run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from workspaces import commit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]

JOBS = Path(__file__).parent
EXPECTED = {
    path.relative_to(JOBS).with_name(path.name.replace(".expected.json", ".yml")).as_posix(): json.loads(
        path.read_text("utf-8")
    )
    for path in sorted(JOBS.glob("pipelines/**/*.expected.json"))
}
REFUSED = [name for name, expected in EXPECTED.items() if "refused" in expected]
COMMANDS = {"run": ("run",), "rerun": ("job", "rerun", "--auto-approve", "--wait")}
MIRRORS = """
mirrors:
  "https://data.example.org/tables/": assets/tables
"""


@pytest.fixture(scope="module", params=COMMANDS)
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    """Make a workspace of a repository with the pipelines, without a change of any file; return it with a command."""
    folder = tmp_path_factory.mktemp("repository") / "jobs"
    for name in ("assets", "pipelines"):
        shutil.copytree(JOBS / name, folder / name, ignore=shutil.ignore_patterns("*.expected.json"))
    git(folder, "init", "--quiet")
    commit(folder, "pipelines")
    subprocess.run([sys.executable, "-m", "reconciler", "init", "--here"], cwd=folder, check=True, capture_output=True)
    assert git(folder, "status", "--porcelain", "--untracked-files=no") == ""
    with (folder / "mlgit.yml").open("a") as file:
        file.write(MIRRORS)
    commit(folder, "mlgit")
    return folder, COMMANDS[request.param]


def test_every_pipeline_has_an_expected_outcome():
    files = [path for path in JOBS.glob("pipelines/**/*.yml") if path.name != "component.yml"]
    assert {path.relative_to(JOBS).as_posix() for path in files if path.parent.name != "components"} == set(EXPECTED)


@pytest.mark.parametrize("job", [name for name in EXPECTED if name not in REFUSED])
def test_a_pipeline_gives_what_azure_ml_gives(
    workspace: tuple[Path, tuple[str, ...]], mlgit: Any, tmp_path: Path, job: str
) -> None:
    (folder, command), expected = workspace, EXPECTED[job]
    ended = mlgit(*command, job, cwd=folder)
    assert ended.code == 0, ended.err + ended.out
    assert expected.get("note", "") in ended.out
    run = json.loads(mlgit("job", "show", job.removesuffix(".yml"), "--format", "json", cwd=folder).out)
    statuses = {step["step"]: step["status"] for step in run["steps"]}
    assert run["status"] == "completed"
    assert statuses.items() >= expected["steps"].items()
    assert run.get("metrics", {}) == expected.get("metrics", {})
    for step, lines in expected.get("logs", {}).items():
        assert sorted(mlgit("job", "logs", f"{run['run']}/{step}", cwd=folder).out.splitlines()) == sorted(lines)
    if "outputs" in expected:
        assert mlgit("job", "download", run["run"], str(tmp_path / "out"), cwd=folder).code == 0
        found = {path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*")}
        texts = {name: path.read_text() for name, path in found.items() if path.is_file()}
        assert {name.partition("named-outputs/")[2]: text for name, text in texts.items()} == expected["outputs"]


@pytest.mark.parametrize("job", REFUSED)
def test_a_pipeline_that_cannot_run_says_so_before_anything_starts(
    workspace: tuple[Path, tuple[str, ...]], mlgit: Any, job: str
) -> None:
    folder, command = workspace
    ended = mlgit(*command, job, cwd=folder)
    assert (ended.code, ended.out) == (1, "")
    assert EXPECTED[job]["refused"] in ended.err
    assert ended.err.count(": error: ") == 1
