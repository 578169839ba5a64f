"""Tables are compared by columns, types, rows and values, a block of added or removed rows apart."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reconciler.model.data_diff import Column, RowBlock, TableDiff, TypeChange, ValueChange
from reconciler.runner.parallel.text_tables import TableError
from reconciler.tables.batches import open_table
from reconciler.tables.compare import compare_tables
from reconciler.tables.formats import table_format
from reconciler.tables.limits import Deadline


def write_parquet(path, rows):
    names = list(rows[0])
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path, row_group_size=7)


def write_csv(path, rows):
    lines = [
        ",".join(rows[0]),
        *(",".join("" if value is None else str(value) for value in row.values()) for row in rows),
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_json_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


WRITERS = {"parquet": write_parquet, "csv": write_csv, "jsonl": write_json_lines}


@pytest.fixture(params=sorted(WRITERS))
def compare(request, tmp_path):
    """Return a function that compares two lists of rows, in each form of a table."""

    def compare_rows(before, after, seconds=60.0):
        deadline = Deadline.after(seconds)
        tables = []
        for name, rows in (("before", before), ("after", after)):
            path = tmp_path / f"{name}.{request.param}"
            WRITERS[request.param](path, rows)
            tables.append(open_table(str(path), table_format(path.name), deadline))
        return compare_tables(*tables, deadline)

    return compare_rows


def rows(count, **others):
    return [{"id": number, "name": f"n{number}", "score": number + 0.5, **others} for number in range(count)]


def test_equal_tables_have_no_difference(compare):
    diff = compare(rows(20), rows(20))
    assert diff == TableDiff(20, 20, equal=3)


def test_a_changed_value_is_counted_in_its_column(compare):
    after = rows(20)
    after[3]["score"] = after[15]["score"] = 99.5
    diff = compare(rows(20), after)
    assert diff.values == (ValueChange("score", 2),)
    assert (diff.rows_before, diff.rows_after, diff.equal) == (20, 20, 2)


def test_a_missing_value_differs_from_one_that_is_there(compare):
    after = rows(5)
    after[2]["name"] = None
    assert compare(rows(5), after).values == (ValueChange("name", 1),)


def test_columns_that_are_new_or_gone_are_named_with_their_types(compare):
    after = [{"id": row["id"], "score": row["score"], "flag": "yes"} for row in rows(5)]
    diff = compare(rows(5), after)
    assert diff.added == (Column("flag", "string"),)
    assert diff.removed == (Column("name", "string"),)
    assert diff.equal == 2


def test_a_type_that_changed_is_said(compare):
    after = [{**row, "id": row["id"] + 0.25} for row in rows(5)]
    assert compare(rows(5), after).types == (TypeChange("id", "int64", "double"),)


@pytest.mark.parametrize(("place", "count"), [(0, 1), (8, 3), (20, 2)])
def test_a_block_of_new_rows_changes_no_column(compare, place, count):
    new = [{"id": 100 + number, "name": "new", "score": 0.25} for number in range(count)]
    whole = rows(20)
    diff = compare(whole, [*whole[:place], *new, *whole[place:]])
    assert (diff.rows_before, diff.rows_after) == (20, 20 + count)
    assert (diff.values, diff.equal, diff.block) == ((), 3, RowBlock(count, place))
    removed = compare([*whole[:place], *new, *whole[place:]], whole)
    assert (removed.values, removed.block) == ((), RowBlock(-count, place))


def test_a_column_that_changed_beside_a_block_of_new_rows_is_named(compare):
    after = [*rows(20), {"id": 100, "name": "new", "score": 0.25}]
    after[2]["score"] = after[10]["score"] = 77.5
    diff = compare(rows(20), after)
    assert diff.values == (ValueChange("score", None),)
    assert (diff.equal, diff.block) == (2, RowBlock(1, 20))


def test_rows_that_were_replaced_everywhere_are_no_block(compare):
    diff = compare(rows(20), [{**row, "id": row["id"] + 50, "name": "x", "score": 1.25} for row in rows(25)])
    assert (diff.equal, diff.block) == (0, None)
    assert [change.name for change in diff.values] == ["id", "name", "score"]


def test_what_was_not_compared_in_time_is_said(compare):
    after = [{**row, "name": "x"} for row in rows(70_000)]
    try:
        diff = compare(rows(70_000), after, seconds=0.0)
    except TableError as error:  # JSON lines have to be read for their types
        diff = TableDiff(rows_compared=1, not_compared=str(error))
    assert diff.not_compared == "more than 0 s"
    assert 0 < diff.rows_compared < 70_000


def test_two_values_that_are_no_number_are_equal(tmp_path):
    deadline = Deadline.after(60)
    for name, last in (("a", 1.0), ("b", 2.0)):
        pq.write_table(pa.table({"x": [math.nan, None, last], "l": [[1], None, [last]]}), tmp_path / f"{name}.parquet")
    form = table_format("a.parquet")
    tables = [open_table(str(tmp_path / f"{name}.parquet"), form, deadline) for name in "ab"]
    assert compare_tables(*tables, deadline).values == (ValueChange("x", 1), ValueChange("l", None))


def test_a_difference_is_the_same_after_json(compare):
    diff = compare(rows(3), [{**row, "name": "z"} for row in rows(4)])
    assert TableDiff.from_json(json.loads(json.dumps(diff.to_json()))) == diff
