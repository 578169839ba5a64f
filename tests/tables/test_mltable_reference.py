"""Tables of files MLTable have the rows that the package mltable 1.7 reads, as far as they are supported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.format.mltables import match_paths, parse_mltable
from reconciler.tables.head import head_of_mltable
from reconciler.tables.limits import Deadline

REFERENCE = json.loads((Path(__file__).parent / "mltable_reference.json").read_text("utf-8"))
CASES = REFERENCE["cases"]
# What mltable reads and mlgit refuses, by what it says.
REFUSED = {
    "filter_08": "None is not supported in a filter",
    "filter_19": "true is not supported in a filter",
    "filter_22": "is two comparisons",
    "stream_info": "the type stream_info is not supported",
    "read_second": "read_delimited after another step is not supported",
    "random": "take_random_sample is not supported",
    "partition": "extract_columns_from_partition_format is not supported",
    "delim_two": "the delimiter ;; is not supported",
    "filter_06": "does not fit the types of its columns",  # a date with a text
    "filter_09": "a column nope that the table does not have",  # mltable: no rows
    "filter_15": "does not fit the types of its columns",  # mltable: no rows
}
# What differs on purpose: mltable has no columns for tables without rows, and a float after integers is missing.
DIFFERENT = {"onlyhead", "take_zero", "json", "json_word"}


@pytest.fixture
def read(tmp_path):
    """Return a function that reads the table of a file MLTable beside the files of the reference."""
    for name, text in REFERENCE["files"].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1" if name == "lat.csv" else "utf-8"))

    def read_table(mltable):
        definition, diagnostics = parse_mltable("MLTable", json.dumps(mltable).encode())
        if definition is None:
            return diagnostics[0].message
        names = [name for form, path, _ in definition.paths for name in match_paths(form, path, REFERENCE["files"])]
        if not names:
            return "no file"
        files = [(str(tmp_path / name), f"DIR/{name}") for name in names]
        steps = [(step.name, step.arguments) for step in definition.steps]
        try:
            return head_of_mltable({"files": files, "steps": steps}, 1000, Deadline.after(60))
        except Exception as error:  # noqa: BLE001 - what the worker reports as a text
            return str(error)

    return read_table


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_table_has_the_rows_that_mltable_reads(read, case):
    expected, found = CASES[case]["result"], read(CASES[case]["mltable"])
    if case in REFUSED:
        assert REFUSED[case] in found
    elif "error" in expected:
        assert isinstance(found, str)
    elif case not in DIFFERENT:
        assert [column["name"] for column in found["columns"]] == expected["columns"]
        assert found["rows"] == expected["rows"]
    else:
        assert found["rows"] != expected["rows"] or expected["rows"] == []


def test_most_of_the_reference_is_read_alike():
    assert len(CASES) > 90
    assert len(REFUSED) + len(DIFFERENT) <= 15
