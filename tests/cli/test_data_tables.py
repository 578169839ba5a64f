"""mlgit diff of two versions of data, and mlgit data head: what people read, and what a broken file does."""

from __future__ import annotations

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workspaces import commit

pytestmark = pytest.mark.slow

ASSET = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {0}\ntype: {1}\npath: {0}\n"
TRAIN = "id,name,score\n1,ann,1.5\n2,bob,2.5\n3,cid,\n"
MLTABLE = """
    type: mltable
    paths:
      - pattern: ./*.csv
    transformations:
      - read_delimited: {delimiter: ","}
      - filter: col("id") > 1
      - keep_columns: [id, score]
    """
START = {
    "data/t.yml": ASSET.format("t", "uri_folder"),
    "data/t/train.csv": TRAIN,
    "data/t/rows.jsonl": '{"a": 1, "b": "x"}\n{"a": 2}\n',
    "data/t/old.txt": "old\n",
    "data/table.yml": ASSET.format("table", "mltable"),
    "data/table/MLTable": MLTABLE,
    "data/table/train.csv": TRAIN,
}


@pytest.fixture
def tables(small, mlgit):
    """Make a workspace with data in tables, applied."""
    commit(small, "tables", START)
    assert mlgit("apply", "--auto-approve", "--select", "data/t", "--select", "data/table", cwd=small).code == 0
    return small


def change_data(workspace):
    """Commit changes of all sorts to the files of data/t."""
    (workspace / "data/t/old.txt").unlink()
    new = "id,name,score,extra\n1,ann,1.5,a\n2,bob,2.75,b\n3,cid,,c\n4,dan,x,d\n"
    files = {"data/t/train.csv": new, "data/t/new \x1b[31mfile.txt": "new\n"}
    commit(workspace, "change", {**files, "data/t/rows.jsonl": '{"a": 1, "b": "x"}\n{"a": 2.5, "n": [1]}\n'})


@pytest.fixture
def changed(tables, mlgit):
    """Change the data, and apply it."""
    change_data(tables)
    assert mlgit("apply", "--auto-approve", "--select", "data/t", cwd=tables).code == 0
    return tables


def test_files_columns_types_rows_and_values_of_two_versions_are_compared(changed, mlgit, golden):
    result = mlgit("diff", "data/t@1", "data/t@2", cwd=changed)
    assert (result.code, result.err) == (0, "")
    golden("cli/data/diff.txt", result.out)
    golden("cli/data/diff.json", mlgit("diff", "data/t@1", "--format", "json", cwd=changed).out)


def test_a_version_is_equal_to_itself(changed, mlgit):
    assert (
        mlgit("diff", "data/t", cwd=changed).out == "From data/t@2 to data/t@2: no file differs (3 files, 108 bytes).\n"
    )


def test_revisions_are_compared_as_before(changed, mlgit):
    assert "data/t: version 1 -> 2" in mlgit("diff", "~1", cwd=changed).out


def test_a_version_that_is_not_there_is_named(changed, mlgit):
    result = mlgit("diff", "data/t@7", cwd=changed)
    assert (result.code, result.err.splitlines()[0]) == (1, "error: data/t@7 is not live [version-unknown]")


def test_a_version_is_not_compared_with_a_revision(changed, mlgit):
    result = mlgit("diff", "data/t@1", "HEAD", cwd=changed)
    assert result.code == 1
    assert "HEAD is no KIND/NAME@VERSION: data/t@1 is compared with a version" in result.err


def test_one_row_is_a_row(tables, mlgit):
    result = mlgit("data", "head", "data/t", "--file", "rows.jsonl", "-n", "1", cwd=tables)
    assert result.err == "data/t@1, rows.jsonl: the first 1 row.\n"


def test_without_pyarrow_the_files_are_compared_and_columns_need_an_extra(changed, mlgit, monkeypatch):
    monkeypatch.setattr("reconciler.tables.process.find_spec", lambda _name: None)
    out = mlgit("diff", "data/t@1", cwd=changed).out
    assert "1 file added, 1 removed, 2 changed" in out
    assert "not compared: install 'mlgit[tables]' to see columns" in out
    head = mlgit("data", "head", "data/table", cwd=changed)
    assert head.code == 1
    assert "run `pip install 'mlgit[tables]'`" in head.err


def test_the_plan_says_how_many_files_change_and_their_bytes(tables, mlgit):
    commit(tables, "change", {"data/t/train.csv": "id\n1\n", "data/t/new.txt": "new\n"})
    plan = mlgit("plan", "--select", "data/t", cwd=tables).out
    assert "      files: 1 added (4 bytes), 1 changed (41 bytes -> 5 bytes)\n" in plan
    events = map(json.loads, mlgit("plan", "--select", "data/t", "--format", "json", cwd=tables).out.splitlines())
    (body,) = (event["body"] for event in events if event["type"] == "plan-made")
    expected = {"added": {"files": 1, "bytes": 4}, "changed": {"files": 1, "before": 41, "after": 5}}
    assert body["actions"][0]["content"] == expected


def test_the_plan_says_what_differs_in_tables_in_the_words_of_diff(tables, mlgit, golden):
    change_data(tables)
    plan = mlgit("plan", "--select", "data/t", cwd=tables)
    assert (plan.code, plan.err) == (0, "")
    golden("cli/data/plan.txt", plan.out)


def test_the_first_rows_of_a_table_are_printed(tables, mlgit, golden):
    golden("cli/data/head.txt", mlgit("data", "head", "data/table", cwd=tables).out)
    golden("cli/data/head.json", mlgit("data", "head", "data/table", "-n", "1", "--format", "json", cwd=tables).out)
    assert mlgit("data", "head", "data/t", "--file", "rows.jsonl", cwd=tables).out == "a  b\n1  x\n2\n"


def test_an_asset_with_several_tables_asks_for_one(tables, mlgit):
    result = mlgit("data", "head", "data/t", cwd=tables)
    assert result.code == 1
    assert "data/t@1 has 2 tables [table-unknown]" in result.err
    assert "name one with --file: rows.jsonl, train.csv" in result.err


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("- take_random_sample: {probability: 0.5}", "take_random_sample is not supported by `mlgit data head`"),
        ("- filter: col('id') in [1]", "the filter cannot be used: col('id') in [1] is not supported in a filter"),
        ("- keep_columns: {pattern: a.*}", "a pattern of columns is not supported"),
    ],
)
def test_what_is_not_supported_is_named_at_its_line(tables, mlgit, step, message):
    commit(tables, "step", {"data/table/MLTable": MLTABLE.rstrip() + f"\n      {step}\n"})
    assert mlgit("apply", "--auto-approve", "--select", "data/table", cwd=tables).code == 0
    result = mlgit("data", "head", "data/table", cwd=tables)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("data/table@2/MLTable:8:")
    assert message in result.err


def test_a_path_without_a_file_is_named_at_its_line(tables, mlgit):
    commit(tables, "path", {"data/table/MLTable": "paths:\n  - file: ./trian.csv\n"})
    assert mlgit("apply", "--auto-approve", "--select", "data/table", cwd=tables).code == 0
    result = mlgit("data", "head", "data/table", cwd=tables)
    assert "data/table@2/MLTable:2:11: error: no file of the table is at trian.csv [path-missing]" in result.err
    assert "did you mean train.csv?" in result.err


def broken_files(folder):
    pq.write_table(pa.table({"a": [1, 2]}), folder / "cut.parquet")
    (folder / "cut.parquet").write_bytes((folder / "cut.parquet").read_bytes()[:-9])
    (folder / "noise.csv").write_bytes(random.Random(1).randbytes(5_000))  # noqa: S311
    (folder / "deep.jsonl").write_text('{"a":' + "[" * 300_000 + "\n")
    (folder / "long.csv").write_text("a,b\n" + "x" * 20_000_000)
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(b"0" * 100_000_000, 1))
    return ("cut.parquet", "noise.csv", "deep.jsonl", "long.csv", "bomb.csv.gz")


def test_broken_files_and_zip_bombs_are_one_line_each(tables, mlgit):
    folder = tables / "data/t"
    names = broken_files(folder)
    commit(tables, "broken")
    assert mlgit("apply", "--auto-approve", "--select", "data/t", cwd=tables).code == 0
    for name in names:
        result = mlgit("data", "head", "data/t", "--file", name, cwd=tables)
        assert (result.code, result.out) == (1, "")
        error, _hint = result.err.splitlines()
        assert error.startswith(f"error: data/t@2, {name} cannot be read as a table: ")
        assert len(error) < 500
        (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    commit(tables, "again")
    assert mlgit("apply", "--auto-approve", "--select", "data/t", cwd=tables).code == 0
    lines = mlgit("diff", "data/t@2", "data/t@3", cwd=tables).out.splitlines()
    assert sum(line.startswith("      not compared: ") for line in lines) == len(names)
    assert len(lines) == 1 + 2 * len(names)
