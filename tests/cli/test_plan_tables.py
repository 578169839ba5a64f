"""mlgit plan of data with tables: what it compares, where it stops, and that it stands whatever is in the files."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workspaces import commit

from reconciler.project import table_comparisons

pytestmark = pytest.mark.slow

ASSET = (
    "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: {0}\ntype: uri_folder\npath: {0}\n"
)
SCHEMA = Path(__file__).parents[2] / "schemas/event.schema.json"
SELECT = ("--select", "data/t", "--select", "data/u")
BEFORE, AFTER = "id,name\n1,ann\n2,bob\n", "id,name\n1,ann\n2,eve\n"


@pytest.fixture
def change(small, mlgit):
    """Return a function that applies files of data/t and data/u, and changes them."""

    def change_files(before, after):
        assets = {f"data/{name}.yml": ASSET.format(name) for name in "tu"}
        for files in ({**assets, "data/t/a.txt": "a", "data/u/a.txt": "a", **before}, after):
            for path, content in files.items():
                (small / path).parent.mkdir(parents=True, exist_ok=True)
                (small / path).write_bytes(content if isinstance(content, bytes) else content.encode())
            commit(small, "files")
            if files is not after:
                assert mlgit("apply", "--auto-approve", *SELECT, cwd=small).code == 0
        return small

    return change_files


def plan_lines(mlgit, folder):
    """Return what a plan says of the tables, without the folder's other lines."""
    result = mlgit("plan", *SELECT, cwd=folder)
    assert (result.code, result.err) == (0, "")
    return [line.removeprefix("      ") for line in result.out.splitlines() if line.startswith("      ")]


def plan_event(mlgit, folder):
    out = mlgit("plan", *SELECT, "--format", "json", cwd=folder).out
    (made,) = (event for event in map(json.loads, out.splitlines()) if event["type"] == "plan-made")
    return made


def test_tables_are_beside_the_plan_in_json_and_its_digest_does_not_know_them(change, mlgit, monkeypatch):
    folder = change({"data/t/a.csv": BEFORE}, {"data/t/a.csv": AFTER})
    made = plan_event(mlgit, folder)
    schema = json.loads(SCHEMA.read_text("utf-8"))["$defs"]["plan-made"]["properties"]["tables"]
    jsonschema.validate(made["tables"], schema)
    ((compared,),) = ([tables["files"] for tables in made["tables"]],)
    assert [(file["path"], file["table"]["values_changed"]) for file in compared] == [
        ("a.csv", [{"name": "name", "rows": 1}])
    ]
    monkeypatch.setattr("reconciler.tables.process.find_spec", lambda _name: None)
    assert plan_event(mlgit, folder)["digest"] == made["digest"]
    markdown = mlgit("plan", *SELECT, "--format", "markdown", cwd=folder).out
    assert "tables not compared: install 'mlgit[tables]' to see columns" in markdown


def test_without_pyarrow_there_is_one_hint(change, mlgit, monkeypatch):
    monkeypatch.setattr("reconciler.tables.process.find_spec", lambda _name: None)
    folder = change(
        dict.fromkeys(("data/t/a.csv", "data/u/a.csv"), BEFORE), {"data/t/a.csv": AFTER, "data/u/a.csv": ""}
    )
    assert plan_lines(mlgit, folder) == [
        "files: 1 changed (20 bytes)",
        "tables not compared: install 'mlgit[tables]' to see columns",
        "files: 1 changed (20 bytes -> 0 bytes)",
    ]


def test_data_without_tables_starts_no_reader(change, mlgit, monkeypatch):
    monkeypatch.setattr(table_comparisons, "compare_files", None)
    folder = change({}, {"data/t/a.txt": "other", "data/t/new.csv": BEFORE})
    assert plan_lines(mlgit, folder) == ["files: 1 added (20 bytes), 1 changed (1 byte -> 5 bytes)"]


def test_what_was_compared_in_full_is_not_compared_again(change, mlgit, monkeypatch):
    folder = change({"data/t/a.csv": BEFORE}, {"data/t/a.csv": AFTER})
    first = mlgit("plan", cwd=folder).out  # with the default options: only its output is remembered
    assert "          ~ column name: values differ in 1 row\n" in first
    monkeypatch.setattr(table_comparisons, "compare_files", None)
    assert mlgit("plan", cwd=folder).out == first


def test_beyond_its_limits_a_plan_names_the_command_that_compares_more(change, mlgit, monkeypatch):
    monkeypatch.setattr(table_comparisons, "MAX_TABLES", 2)
    monkeypatch.setattr(table_comparisons, "MAX_BYTES", 60)
    names = ("data/t/a.csv", "data/t/b.csv", "data/t/c.csv", "data/t/d.csv")
    folder = change(dict.fromkeys(names, BEFORE), dict.fromkeys(names, AFTER))
    assert plan_lines(mlgit, folder) == [
        "files: 4 changed (80 bytes)",
        "~ a.csv  20 bytes",
        "    2 rows, as before",
        "    ~ column name: values differ in 1 row",
        "    1 column: values equal",
        "~ b.csv  20 bytes",
        "    not compared: a plan reads tables of 32 MiB at most",
        "and 2 other tables, not compared",
        "`mlgit diff data/t@1 data/t@2` compares more once the version is registered",
    ]
    assert mlgit("apply", "--auto-approve", *SELECT, cwd=folder).code == 0
    assert "values differ in 1 row" in mlgit("diff", "data/t@1", "data/t@2", cwd=folder).out.split("d.csv")[1]


def test_a_table_that_takes_too_long_is_said_to(change, mlgit, monkeypatch):
    monkeypatch.setattr(table_comparisons, "MAX_SECONDS", 0.05)
    monkeypatch.setattr(table_comparisons, "_LIMITS", {"more than 0.05 s"})
    wide = [",".join(f"{text}{number}" for number in range(10_000)) for text in ("c", "1", "2")]
    folder = change({"data/t/a.csv": "\n".join(wide[:2])}, {"data/t/a.csv": "\n".join(wide[::2])})
    lines = plan_lines(mlgit, folder)
    assert lines[2:] == [
        "    not compared: more than 0.05 s",
        "`mlgit diff data/t@1 data/t@2` compares more once the version is registered",
    ]


def test_a_machine_without_room_for_the_files_plans_without_columns(change, mlgit, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    folder = change({"data/t/a.csv": BEFORE}, {"data/t/a.csv": AFTER})
    monkeypatch.setattr(table_comparisons, "tempfile", SimpleNamespace(TemporaryDirectory=refuse))
    assert plan_lines(mlgit, folder)[1:] == [
        "~ a.csv  20 bytes",
        "    not compared: [Errno 28] No space left on device",
    ]


def bomb(path):
    """Write a Parquet file of some kB with a text of 8 MiB in each of its 100,000 rows."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * (8 << 20)]))
    pq.write_table(pa.table({"x": text}), path, compression="zstd", store_schema=False)
    return path.read_bytes()


WIDE = ",".join(f"c{number}" for number in range(10_000))
HOSTILE = {
    "a huge header": ("h.csv", "x" * (20 << 20), "a\n1\n", "not compared: a line has more than 16 MiB"),
    "a huge name": ("h.csv", "x" * 100_000 + "\n1\n", "a\n1\n", "- column xxx"),
    "many columns": ("h.csv", f"{WIDE}\n", "a\n", "not compared: more than 1,000 columns differ"),
    "no UTF-8": ("h.csv", "größe\n1\n".encode("latin-1"), "größe\n1\n", "not compared: its text is not UTF-8"),
    "not a number": ("h.csv", "a,b\nnan,1\n", "a,b\nnan,2\n", "~ column b: values differ in 1 row"),
    "a name of lines": ("h.csv", "a\n1\n", '"a\x1b[31m\u202eb"\n1\n', "+ column a\\x1b[31m\\u202eb: int64"),
    "no Parquet": ("h.parquet", b"PAR1" + b"x" * 99, b"PAR1", "not compared: "),
    "deep JSON": ("h.jsonl", '{"a": ' * 50_000, "{}\n", "not compared: "),
    "JSON with a name in another encoding": ("h.jsonl", b'{"\xe9": 1}\n', "{}\n", "not compared: "),
}


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_do_not_break_a_plan(change, mlgit, case):
    name, before, after, expected = case
    folder = change({f"data/t/{name}": before}, {f"data/t/{name}": after})
    started = time.monotonic()
    lines = plan_lines(mlgit, folder)
    assert time.monotonic() - started < 60
    assert any(line.strip().startswith(expected) for line in lines), lines
    assert len(lines) < 8
    assert max(map(len, lines)) < 500


def test_a_file_that_becomes_huge_when_it_is_read_does_not_break_a_plan(change, mlgit, tmp_path):
    files = {"data/t/a.parquet": bomb(tmp_path / "bomb.parquet"), "data/t/b.csv": BEFORE}
    pq.write_table(pa.table({"x": ["a"]}), tmp_path / "a.parquet")
    folder = change(files, {"data/t/a.parquet": (tmp_path / "a.parquet").read_bytes(), "data/t/b.csv": AFTER})
    lines = plan_lines(mlgit, folder)
    assert any(line.startswith("    not compared: ") for line in lines), lines
    assert "`mlgit diff data/t@1 data/t@2` compares more once the version is registered" in lines
