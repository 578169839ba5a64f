from __future__ import annotations

import pytest

from reconciler.format.rules import DATA_RULES, JOB_RULES, mltables

pytestmark = pytest.mark.fast

ASSET = "type: mltable\npath: ./table"
INPUT = "inputs:\n  a: {type: mltable, path: ./table}"
NODE = "type: pipeline\njobs:\n  n:\n    inputs:\n      a: {type: mltable, path: ./table}"
USERS = {"asset": (mltables.DATA_RULES, ASSET), "input": (mltables.EXECUTABLE_RULES, INPUT)}
USERS["node"] = (mltables.EXECUTABLE_RULES, NODE)


def table(entry: str) -> dict[str, str]:
    text = f"type: mltable\npaths:\n  - folder: ./ok\n  - {entry}\n"
    return {"jobs/table/MLTable": text, "jobs/table/a.csv": "", "jobs/table/ok/a.csv": ""}


@pytest.mark.parametrize("user", USERS)
def test_a_table_without_an_mltable_file_is_a_warning(check, user):
    rules, text = USERS[user]
    (line,) = check(rules, text, {"jobs/table/a.csv": ""})
    assert line.startswith("mltable-missing ")
    assert line.endswith(" warning")
    assert check(rules, text, {"jobs/table/MLTable": "paths: [{pattern: '*.csv'}]"}) == []


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("entry", ["file: ./*.csv", "file: a?.csv", "folder: ./part-[0-9]", "file: ./**/x.parquet"])
def test_a_wildcard_outside_of_a_pattern_is_a_warning_in_the_mltable_file(diagnose, user, entry):
    rules, text = USERS[user]
    (diagnostic,) = diagnose(rules, text, table(entry))
    assert (diagnostic.code, diagnostic.severity) == ("mltable-pattern", "warning")
    assert (diagnostic.span.path, diagnostic.span.line) == ("jobs/table/MLTable", 4)
    assert diagnostic.hint == f"write pattern: {entry.partition(': ')[2]}"


def test_the_path_may_be_that_of_the_mltable_file(check):
    assert check(mltables.DATA_RULES, f"{ASSET}/MLTable", table("file: ./*.csv")) == ["mltable-pattern 4:11 warning"]


@pytest.mark.parametrize("entry", ["pattern: ./*.csv", "file: ./a.csv", "file: https://x.y/a.csv"])
def test_other_entries_are_fine(check, entry):
    assert check(mltables.DATA_RULES, ASSET, table(entry)) == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", ["yaml-empty 1:1 warning"]),
        ("- a", ["wrong-type 1:1 warning"]),
        ("paths: x", ["wrong-type 1:8 warning"]),
        ("paths: [", ["yaml-syntax 2:1 warning"]),
        ("paths:\n  - file: 5", ["wrong-type 2:11 warning"]),
        ("paths:\n  - {file: MLTable, folder: .}", ["wrong-value 2:5 warning"]),
        ("path:\n  - file: a", ["unknown-field 1:1 warning"]),
        ("paths: []\ntransformations:\n  - read_csv", ["wrong-value 3:5 warning"]),
        ("paths: []\ntransformations:\n  - read_delimited: {delimeter: ','}", ["unknown-field 3:22 warning"]),
        ("paths: []\ntransformations:\n  - take: many", ["wrong-type 3:11 warning"]),
        ("paths: []\ntransformations:\n  - convert_column_types: [{columns: a}]", ["field-missing 3:28 warning"]),
    ],
)
def test_what_the_package_mltable_would_refuse_is_a_warning_at_its_place(check, content, found):
    assert check(mltables.DATA_RULES, ASSET, {"jobs/table/MLTable": content}) == found


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ("file: ./no.csv", "mltable-path-missing", "file: ./no.csv not found: jobs/table/no.csv does not exist"),
        ("folder: none", "mltable-path-missing", "folder: none not found: jobs/table/none does not exist"),
        (
            "pattern: ./no/**/*.csv",
            "mltable-path-missing",
            "pattern: ./no/**/*.csv not found: jobs/table/no does not exist",
        ),
        (
            "file: ../x.csv",
            "mltable-path-outside",
            "file: ../x.csv is outside of the folder of the table, which is all that a job gets",
        ),
        (
            "pattern: /data/*.csv",
            "mltable-path-outside",
            "pattern: /data/*.csv is outside of the folder of the table, which is all that a job gets",
        ),
    ],
)
def test_a_local_path_that_does_not_exist_is_a_warning_in_the_mltable_file(diagnose, user, entry, code, message):
    rules, text = USERS[user]
    (found,) = diagnose(rules, text, table(entry))
    assert (found.code, found.message, found.severity) == (code, message, "warning")
    assert (found.span.path, found.span.line) == ("jobs/table/MLTable", 4)
    assert found.span.column == len(f"  - {entry.partition(': ')[0]}: ") + 1


@pytest.mark.parametrize(
    "entry", ["folder: .", "pattern: '**/*.csv'", "pattern: ./ok/*", "folder: ./ok/", "file: t.csv"]
)
def test_a_local_path_that_exists_or_that_dvc_tracks_is_fine(check, entry):
    out = "outs: [{md5: 0123456789abcdef0123456789abcdef, path: t.csv, hash: md5}]"
    assert check(mltables.DATA_RULES, ASSET, {**table(entry), "jobs/table/t.csv.dvc": out}) == []


def test_only_tables_have_an_mltable_file(check):
    text = ASSET.replace("mltable", "uri_folder")
    assert check(mltables.DATA_RULES, text, table("file: ./*.csv")) == []
    assert mltables.check_table_asset in DATA_RULES
    assert mltables.check_table_inputs in JOB_RULES


def evaluated(mode: str, type_: str = "mltable") -> str:
    return f"inputs:\n  a: {{type: {type_}, path: ./table, mode: {mode}}}"


@pytest.mark.parametrize("mode", ["eval_mount", "Eval_Download"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "paths: [{pattern: ./*.csv}, {file: 'https://x.y/a.csv'}]",
            "the command gets the folder of the table as it is: https://x.y/a.csv is not brought",
        ),
        ("paths: [{pattern: ./*.csv}]\ntransformations: [{take: 1}]", "its transformations are not applied"),
    ],
)
def test_what_of_an_evaluated_table_is_not_done_is_a_warning_at_the_mode(diagnose, mode, text, message):
    (diagnostic,) = diagnose(mltables.EXECUTABLE_RULES, evaluated(mode), {"jobs/table/MLTable": text})
    assert (diagnostic.code, diagnostic.severity) == ("mltable-not-evaluated", "warning")
    assert (diagnostic.span.line, diagnostic.span.column) == (2, 43)
    assert diagnostic.message.startswith(f"mode: {mode.lower()}: ")
    assert diagnostic.message.endswith(message)


def test_a_table_of_files_in_its_folder_is_evaluated_by_its_folder(check):
    files = {"jobs/table/MLTable": "paths: [{pattern: ./*.csv}]", "jobs/table/a.csv": ""}
    assert check(mltables.EXECUTABLE_RULES, evaluated("eval_mount"), files) == []


@pytest.mark.parametrize(("mode", "plain"), [("eval_mount", "ro_mount"), ("eval_download", "download")])
def test_an_evaluating_mode_of_what_is_no_table_is_a_warning(diagnose, mode, plain):
    (diagnostic,) = diagnose(mltables.EXECUTABLE_RULES, evaluated(mode, "uri_folder"), {"jobs/table/a.csv": ""})
    assert diagnostic.message == f"mode: {mode} evaluates a table, and this is a uri_folder: it is as {plain}"


PARALLEL = """
type: pipeline
jobs:
  score:
    type: parallel
    inputs: {{table: {{type: mltable, path: ./table, mode: {mode}}}}}
    input_data: ${{{{inputs.{name}}}}}
"""
READS = "paths: [{file: a.csv}]\ntransformations:\n  - read_delimited\n"
EXTRACTS = "  - extract_columns_from_partition_format: {partition_format: '{x}.csv'}\n"


@pytest.mark.parametrize(("name", "codes"), [("table", []), ("other", ["mltable-not-evaluated"])])
def test_the_table_that_a_parallel_step_divides_is_evaluated(check, name, codes):
    files = {"jobs/table/MLTable": READS + EXTRACTS, "jobs/table/a.csv": ""}
    lines = check(mltables.EXECUTABLE_RULES, PARALLEL.format(name=name, mode="eval_mount"), files)
    assert [line.split()[0] for line in lines] == codes


@pytest.mark.parametrize(
    ("mode", "text", "message", "hint"),
    [
        (
            "direct",
            f"{READS}  - take_random_sample: {{probability: 0.1}}\n",
            "take_random_sample is not supported by",
            "add",
        ),
        (
            "direct",
            f"{READS}{EXTRACTS}  - filter: col('a') > 1\n",
            "filter is not supported by a parallel step",
            "a par",
        ),
        (
            "direct",
            "paths: [{file: a.csv}]\ntransformations: [{take: 5}]",
            "take is not supported for a table whose",
            "read",
        ),
        (
            "ro_mount",
            "paths: [{file: 'https://x.y/a.csv'}]",
            "https://x.y/a.csv is not brought to a parallel step",
            "put",
        ),
    ],
)
def test_what_a_parallel_step_cannot_do_with_a_table_is_a_warning_at_its_line(diagnose, mode, text, message, hint):
    files = {"jobs/table/MLTable": text, "jobs/table/a.csv": ""}
    (diagnostic,) = diagnose(mltables.EXECUTABLE_RULES, PARALLEL.format(name="table", mode=mode), files)
    assert (diagnostic.code, diagnostic.severity) == ("mltable-not-supported", "warning")
    assert diagnostic.span.path == "jobs/table/MLTable"
    assert diagnostic.message.startswith(message)
    assert diagnostic.hint.startswith(hint)


def test_steps_of_a_table_whose_files_are_listed_are_none_of_a_parallel_step(check):
    files = {"jobs/table/MLTable": f"{READS}  - take_random_sample: {{probability: 0.1}}\n", "jobs/table/a.csv": ""}
    assert check(mltables.EXECUTABLE_RULES, PARALLEL.format(name="table", mode="ro_mount"), files) == []
