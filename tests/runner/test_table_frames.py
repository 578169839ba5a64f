"""The DataFrames of a table have the rows that the package mltable reads, as far as a parallel step reads them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.format.mltables import PARALLEL_READER, find_unsupported, match_paths, read_mltable
from reconciler.runner.parallel.partitions import parse_partition_format
from reconciler.runner.parallel.text_tables import TableError

ROOT = Path(__file__).parent.parent.parent
REFERENCE = json.loads((ROOT / "tests" / "tables" / "mltable_reference.json").read_text("utf-8"))
# Read in the environment of a job: all cases by one process.
READ = """
import json, sys

sys.path.insert(0, sys.argv[1])
from parallel.frames import read_frames
from parallel.settings import Table

import pandas

def plain(value):
    if value is None or value != value or type(value).__name__ == "NaTType":
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value

def read(folder, table):
    try:
        frames = list(read_frames(folder, Table(**table)))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    frame = pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()
    rows = [[plain(value) for value in row] for row in frame.astype(object).values.tolist()]
    return {"columns": list(map(str, frame.columns)), "rows": rows}

print(json.dumps({name: read(sys.argv[2], table) for name, table in json.load(sys.stdin).items()}))
"""
# What differs on purpose, as in `mlgit data head`: a float after integers is missing in mltable, and columns that only
# some lines of JSON have; the path of a file is from the folder of the table.
DIFFERENT = {"json", "json_word"}


def table_of(mltable: Any) -> dict[str, Any] | None:
    """Return the table as the program of a step has it, None for one that needs mltable or is wrong."""
    definition, _ = read_mltable("MLTable", json.dumps(mltable).encode())
    if definition is None or list(find_unsupported(definition, PARALLEL_READER)) or not definition.steps:
        return None
    names = {step.name for step in definition.steps}
    files = [name for form, path, _ in definition.paths for name in match_paths(form, path, REFERENCE["files"])]
    if not files or not definition.steps[0].name.startswith("read_") or PARTITION in names:
        return None
    return {"files": files, "steps": [(step.name, step.arguments) for step in definition.steps]}


PARTITION = "extract_columns_from_partition_format"


@pytest.mark.slow
def test_a_table_has_the_rows_that_mltable_reads(tmp_path: Path, environment_with: Any) -> None:
    for name, text in REFERENCE["files"].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1" if name == "lat.csv" else "utf-8"))
    cases = {name: table for name, case in REFERENCE["cases"].items() if (table := table_of(case["mltable"]))}
    python = environment_with("parallel-tables", "pandas==2.2.3", "pyarrow>=18") / "python"
    shutil.copytree(ROOT / "reconciler" / "runner" / "parallel", tmp_path / "program" / "parallel")
    command = [python, "-c", READ, str(tmp_path / "program"), str(tmp_path)]
    output = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=True).stdout
    different = {}
    for name, found in json.loads(output).items():
        expected = REFERENCE["cases"][name]["result"]
        if "error" in expected or expected["rows"] == [] or name in DIFFERENT:
            continue
        rows = json.loads(json.dumps(expected["rows"]).replace('"DIR/', '"'))
        if found != {"columns": expected["columns"], "rows": rows}:
            different[name] = (found, expected)
    assert different == {}
    assert len(cases) > 40


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("{store}/{brand}/{name}.csv", "x/oslo/a/1.csv", {"store": "oslo", "brand": "a", "name": "1"}),
        (
            "{store}/{brand}/{name}.{kind}",
            "oslo/a/1.b.csv",
            {"store": "oslo", "brand": "a", "name": "1.b", "kind": "csv"},
        ),
        ("/store={store}/brand={brand}", "data/store=7/brand=a b/1.csv", {"store": "7", "brand": "a b"}),
        ("./{store}/*.csv", "oslo/1.csv", {"store": "oslo"}),
        ("{day:yyyy/MM/dd}/data.csv", "2024/02/29/data.csv", {"day": "2024-02-29 00:00:00"}),
        ("{store}/data.csv", "data.csv", None),
        ("{day:yyyy-MM-dd}.csv", "2023-02-29.csv", None),
        ("{store}.csv", "oslo.csv2", None),
    ],
)
def test_a_path_has_the_columns_of_a_partition_format(text: str, path: str, expected: dict[str, str] | None) -> None:
    partition_format = parse_partition_format({"partition_format": text})
    if expected is None:
        with pytest.raises(TableError, match="does not match partition_format"):
            partition_format.extract(path)
    else:
        assert {name: str(value) for name, value in partition_format.extract(path).items()} == expected


@pytest.mark.parametrize(
    ("text", "message"), [("data.csv", "has no column in braces"), ("{a}/{a}.csv", "has the column a twice")]
)
def test_a_partition_format_that_is_none_is_an_error(text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        parse_partition_format({"partition_format": text})
