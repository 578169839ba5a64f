"""CSV files of others: their types are named alike by every command, and what is not UTF-8 is said to be so."""

from __future__ import annotations

import pytest

from reconciler.runner.parallel.text_tables import TableError
from reconciler.tables.batches import NOT_UTF_8, open_table
from reconciler.tables.compare import compare_tables
from reconciler.tables.formats import table_format
from reconciler.tables.head import head_of_file
from reconciler.tables.limits import Deadline

COLUMNS = {
    "zero and one": ("0", "1"),
    "integers": ("-3", "17", "9223372036854775807"),
    "fractions": ("1", "2.5", "1e3", "nan"),
    "words": ("true", "False"),
    "words and numbers": ("true", "1"),
    "letters": ("t", "f"),
    "days": ("2024-01-31", "2023-02-28"),
    "times": ("2024-01-31 10:20:30", "2024-01-31T10:20:30.5"),
    "days and times": ("2024-01-31", "2024-01-31 10:20"),
    "no day": ("2024-02-30",),
    "texts": ("a", "1"),
}


@pytest.mark.parametrize("texts", COLUMNS.values(), ids=COLUMNS.keys())
def test_head_and_diff_name_the_type_of_a_column_alike(tmp_path, texts):
    path, empty = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("\n".join(["column", *texts, ""]), "utf-8")
    empty.write_text("other\n", "utf-8")
    form, deadline = table_format("a.csv"), Deadline.after(60)
    head = head_of_file(str(path), form, 10, deadline)
    diff = compare_tables(*(open_table(str(file), form, deadline) for file in (empty, path)), deadline)
    assert [column["type"] for column in head["columns"]] == [column.type for column in diff.added]
    assert None not in [value for row in head["rows"] for value in row if texts[-1] != "nan"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32"])
def test_a_header_that_is_not_utf_8_is_no_column(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("größe,name\n1,x\n".encode(encoding))
    with pytest.raises(TableError, match=NOT_UTF_8):
        open_table(str(path), table_format("a.csv"), Deadline.after(60))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_json_lines_that_are_not_utf_8_are_said_to_be_so(tmp_path, encoding):
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"a": 1}\n'.encode(encoding))
    with pytest.raises(TableError, match=NOT_UTF_8):
        open_table(str(path), table_format("a.jsonl"), Deadline.after(60))
