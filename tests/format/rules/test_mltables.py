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
    return {"jobs/table/MLTable": f"type: mltable\npaths:\n  - folder: ./ok\n  - {entry}\n", "jobs/table/a.csv": ""}


@pytest.mark.parametrize("user", USERS)
def test_a_table_without_an_mltable_file_is_a_warning(check, user):
    rules, text = USERS[user]
    (line,) = check(rules, text, {"jobs/table/a.csv": ""})
    assert line.startswith("mltable-missing ")
    assert line.endswith(" warning")
    assert check(rules, text, {"jobs/table/MLTable": ""}) == []


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


@pytest.mark.parametrize(
    "entry", ["pattern: ./*.csv", "file: ./a.csv", "file: https://x.y/a.csv", "file: 5", "x", "file: {a: '*'}"]
)
def test_other_entries_are_fine(check, entry):
    assert check(mltables.DATA_RULES, ASSET, table(entry)) == []


@pytest.mark.parametrize("content", ["", "- a", "paths: x", "paths: [", "a: b: c", "paths:\n  file: '*'"])
def test_an_mltable_file_of_another_form_is_not_checked(check, content):
    assert check(mltables.DATA_RULES, ASSET, {"jobs/table/MLTable": content}) == []


def test_only_tables_have_an_mltable_file(check):
    text = ASSET.replace("mltable", "uri_folder")
    assert check(mltables.DATA_RULES, text, table("file: ./*.csv")) == []
    assert mltables.check_table_asset in DATA_RULES
    assert mltables.check_table_inputs in JOB_RULES
