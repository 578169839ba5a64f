"""Parallel steps over the rows of a table and over partitions: how it is divided, and what a script gets of it."""

from __future__ import annotations

from typing import Any

import pytest
from runner.test_parallel_step import lines, reason

from reconciler.model.parallel_work import ParallelWork

DELIMITED = ["read_delimited", {}]
PATHS = ["extract_columns_from_partition_format", {"partition_format": "{store}/{brand}/{name}.csv"}]
SHOPS = {
    "oslo/a/1.csv": "day,sold\n1,10\n2,20\n",
    "oslo/b/1.csv": "day,sold\n1,30\n",
    "bern/a/1.csv": "day,sold\n2,40\n3,50\n",
    "oslo/a/2.csv": "day,sold\n4,60\n",
}
SUM = """
def run(mini_batch, mini_batch_context):
    return [f"{mini_batch_context.partition_key_value} {mini_batch.sold.sum()}"]
"""
VALUES = "def run(mini_batch):\n    return [' '.join(map(str, row)) for row in mini_batch.values.tolist()]\n"


@pytest.fixture(scope="session")
def pandas_folder(environment_with: Any) -> str:
    return str(environment_with("parallel-tables", "pandas==2.2.3", "pyarrow>=18"))


@pytest.fixture
def table_step(bench: Any, pandas_folder: str) -> Any:
    """Return a function that runs a step over a table of files, and returns its result."""

    def run(script: str, files: dict[str, str], steps: list[Any], **settings: Any) -> dict[str, Any]:
        result: dict[str, Any] = bench.run(**prepare_table(bench, pandas_folder, script, files, steps, **settings))
        return result

    return run


def prepare_table(
    bench: Any, environment: str, script: str, files: dict[str, str], steps: list[Any], **settings: Any
) -> dict[str, Any]:
    """Return the changes of a spec that make it a parallel step over a table."""
    given = {"output": "lines", "concurrency": 2, "max_retries": 0, "timeout": 120, "mini_batch_error_threshold": 0}
    has_rows = any(name.startswith("read_") for name, _ in steps)
    table = {"files": list(files), "steps": steps, "needs_mltable": settings.pop("needs_mltable", "")}
    instances = settings.pop("instances", 1)
    work = ParallelWork("entry.py", "data", **{**given, "size_unit": "", **settings})
    bench.spec["code"] = [bench.row("entry.py", script)]
    rows = [bench.row(path, text) for path, text in {"MLTable": "", **files}.items()]
    several = {"instances": instances, "distribution": {"type": "parallel"}} if instances > 1 else {}
    return {
        **several,
        "command": "",
        "environment": {"path": [environment], "variables": {}},
        "inputs": {"data": bench.files("mltable", "eval_mount", *rows)},
        "outputs": {"lines": {"type": "uri_file"}},
        "parallel": {**work.to_json(), "table": {**table, "has_rows": has_rows}},
    }


def numbered(count: int) -> str:
    return "number,text\n" + "".join(f"{number},x{number}\n" for number in range(count))


@pytest.mark.slow
def test_a_script_gets_data_frames_of_so_many_bytes_and_results_are_in_the_order_of_the_table(
    bench: Any, table_step: Any
) -> None:
    script = """
import pandas, time

def run(mini_batch):
    assert isinstance(mini_batch, pandas.DataFrame)
    assert mini_batch.index.tolist() == list(range(len(mini_batch)))
    time.sleep(0.02 * (mini_batch.number[0] % 3))
    return [f"{number} of {len(mini_batch)}" for number in mini_batch.number]
"""
    files = {"a.csv": numbered(10), "b.csv": "number,text\n10,x10\n11,x11\n"}
    result = table_step(script, files, [DELIMITED], mini_batch_size=25, size_unit="bytes")
    assert result["status"] == "completed", bench.log()
    sizes = [5] * 10 + [2] * 2  # a row has 5 characters with those between, the last two have 7
    assert lines(bench) == [f"{number} of {size}" for number, size in enumerate(sizes)]
    assert "parallel: 12 rows in 3 mini-batches, 2 worker processes" in bench.log()
    assert not (bench.folder / "parallel" / "rows").exists()


@pytest.mark.slow
def test_a_size_that_is_not_given_is_a_mebibyte_of_text(bench: Any, table_step: Any) -> None:
    script = "def run(mini_batch):\n    return [len(mini_batch)] * len(mini_batch)\n"
    files = {"a.csv": "text\n" + f"{'x' * 99_999}\n" * 12}
    assert table_step(script, files, [DELIMITED])["status"] == "completed", bench.log()
    assert lines(bench) == ["10"] * 10 + ["2"] * 2


@pytest.mark.slow
def test_partition_keys_can_be_parts_of_the_paths_of_files(bench: Any, table_step: Any) -> None:
    result = table_step(SUM, SHOPS, [DELIMITED, PATHS], partition_keys=["store", "brand"])
    assert result["status"] == "completed", bench.log()
    assert lines(bench) == [
        "{'store': 'oslo', 'brand': 'a'} 90",
        "{'store': 'oslo', 'brand': 'b'} 30",
        "{'store': 'bern', 'brand': 'a'} 90",
    ]
    assert "parallel: 6 rows in 3 mini-batches" in bench.log()


@pytest.mark.slow
def test_partition_keys_can_be_columns_whose_rows_are_in_several_files(bench: Any, table_step: Any) -> None:
    files = {
        "a.jsonl": '{"shop": 2, "sold": 1}\n{"shop": 1, "sold": 2}\n{"shop": 2, "sold": 4}\n',
        "b.jsonl": '{"shop": 1, "sold": 8}\n{"sold": 16}\n{"shop": 3, "sold": 32}\n',
    }
    result = table_step(SUM, files, [["read_json_lines", {}]], partition_keys=["shop"])
    assert result["status"] == "completed", bench.log()
    sums = [("2.0", 5), ("1.0", 10), ("None", 16), ("3.0", 32)]  # a column with a missing value has floats
    assert lines(bench) == [f"{{'shop': {shop}}} {total}" for shop, total in sums]


def test_a_table_without_rows_is_divided_by_the_paths_of_its_files_without_any_package(bench: Any) -> None:
    script = """
import pathlib

def run(mini_batch, mini_batch_context):
    names = [pathlib.Path(path).read_text().count("\\n") for path in mini_batch]
    return [f"{mini_batch_context.minibatch_index} {mini_batch_context.partition_key_value} {names}"]
"""
    folder = bench.spec["environment"]["path"][0]
    changes = prepare_table(bench, folder, script, SHOPS, [PATHS], partition_keys=["brand"], form="files")
    assert bench.run(**changes)["status"] == "completed", bench.log()
    assert lines(bench) == ["0 {'brand': 'a'} [3, 3, 2]", "1 {'brand': 'b'} [2]"]
    assert "parallel: 4 files in 2 mini-batches" in bench.log()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "settings", "expected"),
    [
        (
            (SHOPS, [DELIMITED, PATHS]),
            {"partition_keys": ["store", "size"]},
            "partition_keys: the table has no column size; its columns: day, sold, store, brand, name",
        ),
        (
            ({**SHOPS, "rest.csv": "day,sold\n"}, [PATHS]),
            {"partition_keys": ["store"]},
            "the file rest.csv of the table does not match partition_format: {store}/{brand}/{name}.csv",
        ),
        (({"a.jsonl": "{}\n[1]\n"}, [["read_json_lines", {}]]), {}, "a.jsonl: line 2 is no JSON object"),
        (
            ({"a.jsonl": '{"a": [1]}\n'}, [["read_json_lines", {}]]),
            {"partition_keys": ["a"]},
            "partition_keys: a column has lists or mappings, by which rows cannot be divided",
        ),
        (({"a.csv": "a,b\n"}, [DELIMITED]), {}, "the input has no rows, so there is no mini-batch"),
        (({"a.csv": "a\n1\n"}, [["read_delimited", {"encoding": "utf16"}]]), {}, "a.csv: its text is not utf16"),
        (
            ({"a.csv": "a\n1\n"}, [DELIMITED]),
            {"needs_mltable": "data/MLTable:3:5: filter is not supported"},
            "the environment has no mltable; add it to its packages: data/MLTable:3:5: filter is not supported",
        ),
    ],
)
def test_a_table_that_cannot_be_divided_is_the_reason_of_the_step(
    bench: Any, table_step: Any, table: tuple[Any, Any], settings: Any, expected: str
) -> None:
    assert reason(table_step(VALUES, *table, **settings)) == expected
    assert not (bench.folder / "outputs" / "lines" / "lines").exists()


@pytest.mark.slow
def test_what_pandas_or_pyarrow_say_of_a_table_is_the_reason_of_the_step(bench: Any, table_step: Any) -> None:
    message = reason(table_step(VALUES, {"a.parquet": "no Parquet"}, [["read_parquet", {}]]))
    assert message.startswith("the table cannot be read: pyarrow.lib.ArrowInvalid: Parquet magic bytes not found")
    assert "Traceback" in bench.log()


def test_an_environment_without_pandas_is_the_reason_of_the_step(bench: Any) -> None:
    folder = bench.spec["environment"]["path"][0]
    changes = prepare_table(bench, folder, VALUES, {"a.csv": "a\n1\n"}, [DELIMITED])
    expected = "the environment has no pandas; add it to its packages: run() gets the rows of a table as a DataFrame"
    assert reason(bench.run(**changes)).startswith(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "run() returned 4 results for 5 rows: 1 of 2 mini-batches failed, mini_batch_error_threshold is 0"),
        (
            {"error_threshold": 0, "mini_batch_error_threshold": -1},
            "run() returned 4 results for 5 rows: 1 items failed, error_threshold is 0",
        ),
        (
            {"partition_keys": ["text"]},
            (
                "run() returned 0 results for the partition text=x0: "
                "1 of 10 mini-batches failed, mini_batch_error_threshold is 0"
            ),
        ),
        ({"error_threshold": 1, "mini_batch_error_threshold": -1}, ""),
    ],
)
def test_fewer_results_than_rows_or_none_for_a_partition_are_a_failure(
    bench: Any, table_step: Any, settings: dict[str, Any], expected: str
) -> None:
    script = "def run(mini_batch):\n    return [row for row in mini_batch.number.tolist() if row]\n"
    size = {"mini_batch_size": 25, "size_unit": "bytes"}
    result = table_step(script, {"a.csv": numbered(10)}, [DELIMITED], **size, **settings)
    if expected:
        assert reason(result) == expected
    else:
        assert result["status"] == "completed", bench.log()
        assert lines(bench) == [str(number) for number in range(5, 10)]


@pytest.mark.slow
@pytest.mark.parametrize("instances", [1, 2])
@pytest.mark.parametrize("divided", [{"mini_batch_size": 60, "size_unit": "bytes"}, {"partition_keys": ["key"]}])
def test_no_row_is_lost_or_doubled_while_workers_are_killed(
    bench: Any, pandas_folder: str, instances: int, divided: dict[str, Any]
) -> None:
    script = """
import os, pathlib, signal

def run(mini_batch):
    first = mini_batch.number[0]
    mark = pathlib.Path(f"mark-{first}")
    if first % 7 == 0 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if first % 7 == 1 and not mark.exists():
        mark.touch()
        raise ValueError("not yet")
    return [f"{number} {text}" for number, text in zip(mini_batch.number, mini_batch.text)]
"""
    rows = [(number, number // 5, f"x{number}") for number in range(200)]
    text = "number,key,text\n" + "".join(f"{number},{key},{text}\n" for number, key, text in rows)
    files = {"a.csv": text}
    changes = prepare_table(
        bench, pandas_folder, script, files, [DELIMITED], **divided, max_retries=1, instances=instances
    )
    result = bench.run(**changes)
    assert result["status"] == "completed", bench.log()
    assert lines(bench) == [f"{number} {text}" for number, _, text in rows]
    assert bench.log().count("was ended by SIGKILL; another one repeats it") == len(marks(bench, 0)) > 3
    assert bench.log().count("failed (try 1 of 2): ValueError: not yet") == len(marks(bench, 1)) > 3
    assert result["metrics"]["mini_batches_failed"] == 0


def marks(bench: Any, rest: int) -> list[str]:
    """Return the marks that calls with a number of this rest have left."""
    names = [path.name for path in (bench.folder / "code").glob("mark-*")]
    return [name for name in names if int(name[5:]) % 7 == rest]


@pytest.mark.services
def test_what_a_step_does_not_do_by_itself_is_done_by_the_mltable_of_the_environment(
    bench: Any, environment_with: Any
) -> None:
    folder = str(environment_with("parallel-mltable", "mltable==1.7.0", "pandas", "setuptools<80"))
    definition = 'paths: [{file: ./a.csv}]\ntransformations: [read_delimited, {filter: col("number") > 6}]\n'
    files = {"a.csv": numbered(10)}
    changes = prepare_table(
        bench, folder, VALUES, files, [DELIMITED], needs_mltable="MLTable:2:37: filter", max_retries=1
    )
    rows = [bench.row(path, text) for path, text in {"MLTable": definition, **files}.items()]
    changes["inputs"] = {"data": bench.files("mltable", "eval_mount", *rows)}
    assert bench.run(**changes)["status"] == "completed", bench.log()
    assert lines(bench) == ["7 x7", "8 x8", "9 x9"]
