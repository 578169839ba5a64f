"""Parallel steps over tables by whole commands: rows and partitions, with the pandas of the step's own environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import APPLY, commit, edit, git

from pipelines.edits import make_repository

SHOPS = Path(__file__).parent / "shops"
JOB, DIVIDE, ADD = "jobs/shops.yml", "src/divide.py", "src/add.py"
KEYS = "    partition_keys: [store, brand]\n"
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    return make_repository(tmp_path / "shops", SHOPS)


def step(mlgit, folder) -> dict:
    run = json.loads(mlgit("job", "show", "shops", "--format", "json", cwd=folder).out)
    return next(item for item in run["steps"] if item["step"] == "add")


def totals(mlgit, folder, target) -> str:
    downloaded = mlgit("job", "download", "shops/add", str(target), cwd=folder)
    assert downloaded.code == 0, downloaded.err
    (path,) = (path for path in target.rglob("totals") if path.is_file())
    return path.read_text()


def test_partitions_then_rows_of_a_table_that_another_step_writes(folder, mlgit, tmp_path):
    applied = mlgit(*APPLY, cwd=folder)
    assert applied.code == 0, applied.out + applied.err
    assert totals(mlgit, folder, tmp_path / "one") == "bern a 55 2\noslo a 99 4\noslo b 44 2\n"
    assert step(mlgit, folder)["metrics"]["mini_batches_done"] == 3
    log = mlgit("job", "logs", "shops/add", cwd=folder).out
    assert "parallel: 8 rows in 3 mini-batches, 2 worker processes" in log
    edit(folder, JOB, KEYS, "    mini_batch_size: 1kb\n")
    (folder / ADD).write_text("def run(mini_batch):\n    return mini_batch[['sold', 'brand']]\n")
    git(folder, "commit", "-qam", "rows")
    applied = mlgit(*APPLY, cwd=folder)
    assert applied.code == 0, applied.out + applied.err
    rows = ["5 a", "50 a", "3 a", "30 a", "6 a", "60 a", "4 b", "40 b"]  # in the order of the paths
    assert totals(mlgit, folder, tmp_path / "two").splitlines() == rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            (JOB, "[store, brand]", "[shop]"),
            "partition_keys: the table has no column shop; its columns: day, sold, store",
        ),
        ((DIVIDE, '(folder / "MLTable")', '(folder / "Table")'), "the input sales has no file MLTable"),
        ((DIVIDE, "pattern: ./**", "pattern: ./none"), "sales/MLTable:2:14: no file of the table is at none/*.csv"),
        ((DIVIDE, "{delimiter", "{delimeter"), "sales/MLTable:4:22: unknown field delimeter in read_delimited"),
        (
            (DIVIDE, "  - drop_columns: [Path, file, kind]", '  - filter: col("sold") > 3'),
            "sales/MLTable:6:5: filter is not supported by a parallel step by itself",
        ),
        ((JOB, ', {pip: ["pandas==2.2.3"]}', ""), "the environment has no pandas; add it to its packages: run() gets"),
    ],
)
def test_what_cannot_be_divided_is_the_reason_of_the_step(folder, mlgit, change, message):
    edit(folder, *change)
    commit(folder)
    applied = mlgit(*APPLY, cwd=folder)
    assert applied.code == 1
    failed = step(mlgit, folder)
    assert failed["status"] == "failed"
    assert failed["message"].startswith(message)
    assert f"add failed: {message}" in applied.out + applied.err
