"""The type of data against what its local path is; azure-ai-ml 1.35 refuses the same at `az ml data create`."""

from __future__ import annotations

import pytest

from reconciler.diagnostics import Severity
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules import DATA_RULES, JOB_RULES, data_types
from reconciler.format.yaml import parse_yaml
from reconciler.source.disk import DiskFiles

pytestmark = pytest.mark.fast

POINTER = "outs:\n  - {md5: 0123456789abcdef0123456789abcdefSUFFIX, path: NAME, hash: md5}\n"


@pytest.fixture
def check(tmp_path):
    """Return what is said of a text beside a file f.csv, a folder d, and what DVC tracks."""
    for path, text in {"f.csv": "1", "d/g.csv": "1", "t/MLTable": "paths: []", ".dvc/config": ""}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    for name, suffix in (("tracked", ".dir"), ("tracked.csv", "")):
        text = POINTER.replace("SUFFIX", suffix).replace("NAME", name)
        (tmp_path / f"{name}.dvc").write_text(text, "utf-8")

    def check(rules, text):
        document, problems = parse_yaml("it.yml", text.encode())
        assert problems == ()
        context = RuleContext("it.yml", document, document.data, DiskFiles(tmp_path, {}))
        return [diagnostic for rule in rules for diagnostic in rule(context)]

    return check


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "path: ./f.csv",
            "./f.csv is a file, and type: uri_folder takes a folder",
            "write the folder, path: ., or type: uri_file",
        ),
        (
            "type: uri_folder\npath: d/g.csv/",
            "d/g.csv/ is a file, and type: uri_folder takes a folder",
            "write the folder, path: d, or type: uri_file",
        ),
        (
            "type: URI_FILE\npath: ./d",
            "./d is a folder, and type: uri_file takes one file",
            "name a file of it, or write type: uri_folder",
        ),
        (
            "type: mltable\npath: t/MLTable",
            "t/MLTable is a file, and type: mltable takes a folder",
            "write the folder, path: t",
        ),
        (
            "type: mltable\npath: f.csv",
            "f.csv is a file, and type: mltable takes a folder",
            "write the folder, path: .",
        ),
        (
            "type: uri_file\npath: tracked",
            "tracked is a folder, and type: uri_file takes one file",
            "name a file of it, or write type: uri_folder",
        ),
        (
            "path: tracked.csv",
            "tracked.csv is a file, and type: uri_folder takes a folder",
            "write the folder, path: ., or type: uri_file",
        ),
    ],
)
def test_data_of_another_type_than_its_path_is_an_error(check, text, message, hint):
    (found,) = [item for item in check(DATA_RULES, text) if item.code != "name-missing"]
    assert (found.message, found.hint, found.severity) == (message, hint, Severity.ERROR)
    assert (found.span.line, found.span.column) == (text.count("\n") + 1, 7)
    assert found.code == ("data-not-a-file" if "takes one file" in message else "data-not-a-folder")


@pytest.mark.parametrize(
    "text",
    [
        "path: d",
        "path: .",
        "type: uri_file\npath: f.csv",
        "type: mltable\npath: t",
        "type: uri_file\npath: tracked.csv",
        "path: tracked/",
        "path: tracked/g.csv",
        "path: ./*.csv",
        "path: no.csv",
        "path: azureml://datastores/a/paths/f.csv",
        "type: uri_file\npath: https://example.com/d/",
    ],
)
def test_a_path_that_fits_or_is_elsewhere_is_fine(check, text):
    assert check(data_types.DATA_RULES, text) == []


def test_an_input_of_another_type_is_a_warning_if_a_type_stands_beside_it(check):
    text = "inputs:\n  a: {type: uri_folder, path: ./f.csv}\n  b: {type: uri_file, path: d}\n  c: {path: f.csv}\n"
    found = [
        (item.code, item.span.line, item.severity) for item in check(JOB_RULES, text) if item.code.startswith("data-")
    ]
    assert found == [("data-not-a-folder", 2, Severity.WARNING), ("data-not-a-file", 3, Severity.WARNING)]
