"""The process that reads tables ends in time, within its memory, and takes no other table with it."""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.parquet as pq

from reconciler.runner.parallel.text_tables import unique_names
from reconciler.tables.formats import table_format
from reconciler.tables.limits import MEMORY_REASON
from reconciler.tables.process import ask_worker


def head(path, **limits):
    request = {"file": str(path), "format": list(table_format(path.name)), "rows": 3}
    answers, reason = ask_worker(request, limits.get("seconds", 60.0), limits.get("memory", 1 << 30))
    return answers[0] if answers else {"error": reason}


def test_a_value_that_unzips_to_more_than_the_memory_is_an_error(tmp_path):
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"a": [b"\0" * 100_000_000]}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    assert head(path, memory=64 << 20) == {"error": MEMORY_REASON}
    assert head(path)["more"] is False


def test_a_process_that_does_not_end_is_ended(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a\n" + "1\n" * 3_000_000)
    side = {"path": str(path), "format": list(table_format(path.name))}
    started = time.monotonic()
    answers, reason = ask_worker({"pairs": [[side, side]] * 50}, 1.0)
    assert time.monotonic() - started < 60
    assert len(answers) < 50 or any(answer.get("error") == "more than 1 s" for answer in answers)
    assert reason in ("", "more than 1 s")


def test_the_process_has_no_variable_that_could_be_a_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "no"))
    monkeypatch.setenv("BLOB_KEY", "planted")
    (tmp_path / "pyarrow.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)  # what is in the current folder is not imported
    (tmp_path / "a.csv").write_text("a\n5\n")
    assert head(tmp_path / "a.csv")["rows"] == [[5]]


def test_a_table_with_thousands_of_equal_names_of_columns_takes_no_seconds():
    start = time.process_time()
    names = unique_names(["c"] * 9_000 + ["c.1"])
    assert time.process_time() - start < 2
    assert (names[:3], names[-1], len(set(names))) == (["c", "c.1", "c.2"], "c.1.1", 9_001)
