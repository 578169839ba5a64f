"""Command jobs as people write them for Azure ML, run as they are: what each gives is in the file beside it.

``log`` are the lines of its log, beside those of other people's packages in a job that needs the package ``index``;
``outputs`` the files of its outputs with their text, ``files`` the names of some of them; ``metrics`` and ``params``
what it logged with MLflow; ``needs`` is a program that the machine has to have; ``note`` and ``warning`` are in what is
said of a job before it runs, ``refused`` in what is said of one that cannot run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from services.open_mpi import needs_mpirun
from workspaces import commit, git

pytestmark = [pytest.mark.slow, pytest.mark.services]

JOBS = Path(__file__).parent
FOLDERS = ("assets", "basics", "training")
EXPECTED = {
    path.relative_to(JOBS).with_name(path.name.replace(".expected.json", ".yml")).as_posix(): json.loads(
        path.read_text("utf-8")
    )
    for name in FOLDERS
    for path in sorted((JOBS / name).glob("*.expected.json"))
}
REFUSED = [name for name, expected in EXPECTED.items() if "refused" in expected]
COMPLETED = [name for name in EXPECTED if name not in REFUSED]
# Jobs that install packages take seconds: each of them is run in one of the two ways.
# Those with data on a web server need a workspace, which has a mirror.
RUN = [
    name for name in COMPLETED if "https" not in name and ("index" not in EXPECTED[name] or name.startswith("basics/"))
]
RERUN = [name for name in COMPLETED if "index" not in EXPECTED[name] or name not in RUN]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with the jobs and what they use; no file of it is ours."""
    folder = tmp_path / "jobs"
    for name in FOLDERS:
        shutil.copytree(JOBS / name, folder / name, ignore=shutil.ignore_patterns("*.expected.json"))
    git(folder, "init", "--quiet")
    commit(folder, "jobs")
    return folder


MIRRORS = """
mirrors:
  "https://data.example.org/tables/": assets/tables
"""


@pytest.fixture
def workspace(repository: Path, mlgit: Any) -> Path:
    """Make a workspace of the repository, without a change of any of its files, for a machine without internet."""
    assert mlgit("init", "--here", cwd=repository).code == 0
    assert git(repository, "status", "--porcelain", "--untracked-files=no") == ""
    with (repository / "mlgit.yml").open("a") as file:
        file.write(MIRRORS)
    commit(repository, "mlgit")
    return repository


def test_every_job_has_an_expected_outcome():
    files = {path.relative_to(JOBS).as_posix() for name in FOLDERS for path in (JOBS / name).glob("*.yml")}
    assert files == set(EXPECTED)


def mark_needs(jobs: Iterable[str]) -> list[Any]:
    """Return parameters of tests; those of jobs that need mpirun are left out where it is missing."""
    return [pytest.param(job, marks=needs_mpirun) if "needs" in EXPECTED[job] else job for job in jobs]


@pytest.mark.parametrize("job", mark_needs(RUN))
def test_a_job_file_gives_what_azure_ml_gives(repository, mlgit, job):
    ended = mlgit("run", job, cwd=repository)
    assert ended.code == 0, ended.err + ended.out
    assert EXPECTED[job].get("note", "") in ended.out
    run = ended.out.partition(": run ")[2].partition(" ")[0]
    check_run(lambda *arguments: mlgit(*arguments, cwd=repository).out, run, EXPECTED[job])


@pytest.mark.parametrize("job", mark_needs(RERUN))
def test_a_job_of_a_repository_gives_what_azure_ml_gives(workspace, mlgit, job):
    ended = mlgit("job", "rerun", job, "--auto-approve", "--wait", cwd=workspace)
    assert ended.code == 0, ended.err + mlgit("job", "logs", job, cwd=workspace).out
    assert EXPECTED[job].get("note", "") in ended.out
    assert EXPECTED[job].get("warning", "") in ended.err
    assert ended.err == "" or "warning" in EXPECTED[job]
    check_run(lambda *arguments: mlgit(*arguments, cwd=workspace).out, job, EXPECTED[job])


@pytest.mark.parametrize("command", [("run",), ("job", "rerun", "--auto-approve", "--wait")], ids=["run", "rerun"])
@pytest.mark.parametrize("job", REFUSED)
def test_a_job_that_cannot_run_says_so_before_anything_starts(workspace, mlgit, job, command):
    ended = mlgit(*command, job, cwd=workspace)
    assert (ended.code, ended.out) == (1, "")
    assert EXPECTED[job]["refused"] in ended.err
    assert f"{job}:" in ended.err
    assert mlgit("job", "list", cwd=workspace).out == "There are no runs yet.\n"


def check_run(mlgit_out: Callable[..., str], job: str, expected: Mapping[str, Any]) -> None:
    """Compare a run, or the last run of a job, with what is expected of it."""
    run = json.loads(mlgit_out("job", "show", job, "--format", "json"))
    assert run["status"] == "completed"
    lines = mlgit_out("job", "logs", job).splitlines()
    if "index" in expected:
        assert set(lines) >= set(expected.get("log", ()))
    else:
        assert lines == expected["log"]
    assert run.get("metrics", {}) == pytest.approx(expected.get("metrics", {}), abs=0.001)
    assert run.get("params", {}).items() >= expected.get("params", {}).items()
    outputs = Path(run["output_folder"])
    files = {path.relative_to(outputs).as_posix(): path for path in outputs.rglob("*") if path.is_file()}
    texts = {name: path.read_text("utf-8") for name, path in files.items() if name in expected.get("outputs", {})}
    assert texts == expected.get("outputs", {})
    assert set(files) >= set(expected.get("files", ()))
    assert set(run.get("outputs", {})) == {name.partition("/")[0] for name in files}
    if "files" not in expected:
        assert set(files) == set(texts)
