"""PATH=VALUE options: what they set in the data of a document, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.format.document import Document
from reconciler.format.overridden_document import override_document
from reconciler.format.overrides import format_options, format_path, override_data, parse_option
from reconciler.format.pointers import find_value
from reconciler.format.yaml import parse_yaml

pytestmark = pytest.mark.fast

DATA = {
    "inputs": {"lr": 0.1, "data": {"type": "uri_file"}},
    "trials": [{"x": 1}, {"x": 2}],
    "environment": "azureml:e:1",
}
JOB = b"""
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: echo ${{inputs.lr}}
environment: azureml:plain@latest
compute: local
inputs:
  lr: 0.1
"""


def set_in_job(*options: str) -> tuple[Document, list[str]]:
    document, _ = parse_yaml("job.yml", JOB)
    overridden, diagnostics = override_document(document, "job", options)
    return overridden, [str(diagnostic) for diagnostic in diagnostics]


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("inputs.lr=0.3", ("inputs", "lr"), 0.3),
        ("inputs.lr=1e-3", ("inputs", "lr"), 0.001),
        ("inputs.lr= 3 ", ("inputs", "lr"), 3),
        ("inputs.flag=true", ("inputs", "flag"), True),
        ("inputs.flag=True", ("inputs", "flag"), "True"),
        ("inputs.none=null", ("inputs", "none"), None),
        ("inputs.list=[1, 2]", ("inputs", "list"), [1, 2]),
        (
            'inputs.data={"type": "uri_file", "path": "a.csv"}',
            ("inputs", "data"),
            {"type": "uri_file", "path": "a.csv"},
        ),
        ("inputs.data.path=a=b.csv", ("inputs", "data", "path"), "a=b.csv"),
        ('inputs.lr="0.3"', ("inputs", "lr"), "0.3"),
        ("inputs.lr='0.3'", ("inputs", "lr"), "0.3"),
        ("inputs.lr=", ("inputs", "lr"), ""),
        ("inputs.lr=NaN", ("inputs", "lr"), "NaN"),
        ("display_name=a fast run", ("display_name",), "a fast run"),
        ("tags.stage.name=x", ("tags", "stage", "name"), "x"),
        (r"tags.a\.b=x", ("tags", "a.b"), "x"),
        ("trials[1].x=5", ("trials", 1, "x"), 5),
        ("trials.1.x=5", ("trials", 1, "x"), 5),
        ("trials[0]=5", ("trials", 0), 5),
        ("environment=azureml:f:2", ("environment",), "azureml:f:2"),
        ("environment_variables.N=1", ("environment_variables", "N"), 1),
        ("environment_variables.N=1e5", ("environment_variables", "N"), "1e5"),
        ("environment_variables.N=true", ("environment_variables", "N"), "true"),
        ("environment_variables.N=null", ("environment_variables", "N"), "null"),
    ],
)
def test_a_value_is_json_or_text_at_its_path(option, path, value):
    data, diagnostics = override_data(DATA, [option])
    assert diagnostics == ()
    assert json.dumps(find_value(data, path)) == json.dumps(value)


def test_options_leave_the_data_and_what_they_do_not_name_as_it_was():
    before = json.dumps(DATA)
    data, _ = override_data(DATA, ["inputs.lr=0.3", "trials[0].x=9", "tags.a=b"])
    assert json.dumps(DATA) == before
    assert data == {
        "inputs": {"lr": 0.3, "data": {"type": "uri_file"}},
        "trials": [{"x": 9}, {"x": 2}],
        "environment": "azureml:e:1",
        "tags": {"a": "b"},
    }


def test_the_last_of_several_options_for_a_path_counts():
    data, _ = override_data(DATA, ["inputs.lr=1", 'inputs={"lr": 2, "more": 3}', "inputs.lr=4"])
    assert data["inputs"] == {"lr": 4, "more": 3}


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        ("inputs.lr", "set-malformed", "there is no = between a path and a value"),
        ("=3", "set-malformed", "nothing is not a path"),
        (".=3", "set-malformed", ". is not a path"),
        ("inputs..lr=3", "set-malformed", "inputs..lr is not a path"),
        ("inputs.lr.=3", "set-malformed", "inputs.lr. is not a path"),
        ("[0]=3", "set-malformed", "[0] is not a path"),
        ("trials[x]=3", "set-malformed", "trials[x] is not a path"),
        ("trials[-1]=3", "set-malformed", "trials[-1] is not a path"),
        ("trials[0=3", "set-malformed", "trials[0 is not a path"),
        ("tags={stage: test}", "set-malformed", "the value begins as JSON, and is not valid JSON"),
        ("tags=[1,", "set-malformed", "the value begins as JSON, and is not valid JSON"),
        ("tags=" + "[" * 60 + "]" * 60, "set-malformed", "the value is nested more than 50 levels deep"),
        ("tags=" + "[" * 9999 + "]" * 9999, "set-malformed", "the value begins as JSON"),
        ('tags.a="\\u0000"', "set-malformed", "has a character that no file can have"),
        ('tags.a="\\ud800"', "set-malformed", "has a character that no file can have"),
        ("tags.a=\udcff", "set-malformed", "has a character that no file can have"),
        ("tags.a=\x1b[31m", "set-malformed", "has a character that no file can have"),
        ("name=other", "set-path", "name says what the file declares, and cannot be set"),
        ("$schema=other", "set-path", "$schema says what the file declares, and cannot be set"),
        ("environment.image=x", "set-path", 'environment is "azureml:e:1", and has nothing below it'),
        ("inputs.lr.min=1", "set-path", "inputs.lr is 0.1, and has nothing below it"),
        ("inputs.list[0]=1", "set-path", "inputs.list is not set, and has nothing below it"),
        ("inputs[0]=1", "set-path", "inputs is a mapping, and has no [0]"),
        ("trials.x=1", "set-path", "trials is a list, and has no x"),
        ("trials[2].x=1", "set-path", "trials has no [2]: it has 2 entries, counted from 0"),
    ],
)
def test_an_option_that_cannot_be_set_is_one_diagnostic_at_the_option(option, code, message):
    data, (diagnostic,) = override_data(DATA, [option])
    assert data == DATA
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert str(diagnostic).startswith(f"--set {option.partition('=')[0][:20]}")
    assert len(str(diagnostic.span)) < 120


def test_all_wrong_options_are_reported_at_once():
    _, diagnostics = override_data(DATA, ["a", "inputs.lr=3", "environment.image=x", "b"])
    assert [str(diagnostic.span) for diagnostic in diagnostics] == ["--set a", "--set b", "--set environment.image=x"]


@pytest.mark.parametrize("option", ["display_name=2024", "display_name=true", "tags.year=2024", "experiment_name=1.5"])
def test_a_number_stays_text_where_the_schema_wants_text(option):
    document, diagnostics = set_in_job(option)
    path, _, text = option.partition("=")
    assert diagnostics == []
    assert find_value(document.data, path.split(".")) == text


def test_a_number_is_a_number_where_the_schema_wants_one():
    document, diagnostics = set_in_job("limits.timeout=60", "inputs.lr=3")
    assert diagnostics == []
    assert document.data["limits"] == {"timeout": 60}
    assert document.data["inputs"] == {"lr": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["inputs.lrr=3"], "--set inputs.lrr=3: error: this job has no input lrr (did you mean lr?)"),
        (["outputs.model.type=uri_folder"], "this job has no output model"),
        (
            ["inputs.rate.path=x"],
            "this job has no input rate (use it in the command as ${{inputs.rate}}, or correct it)",
        ),
    ],
)
def test_an_input_or_output_that_the_job_has_not_and_does_not_use_is_wrong(options, message):
    _, (diagnostic,) = set_in_job(*options)
    assert message in diagnostic


def test_an_input_that_the_command_uses_may_be_new():
    _, diagnostics = set_in_job("command=echo ${{inputs.lr}} ${{ inputs.rate }}", "inputs.rate=3")
    assert diagnostics == []


def test_a_value_of_an_option_has_the_option_as_its_place_and_any_other_its_line():
    document, _ = set_in_job("tags.a=b", "command=echo ${{inputs.lr}} $HOME")
    assert str(document.value_span("/tags/a")) == "--set tags.a=b"
    assert str(document.key_span("/tags")) == "--set tags.a=b"
    assert str(document.value_span("/inputs/lr")) == "job.yml:7:7"
    assert str(document.key_span("/resources")) == "job.yml:2:1"
    offset = document.offset_of(document.value_span("/command"))
    assert document.text[offset:].startswith("# command=echo")
    assert str(document.span_at(document.text.index("$HOME"))) == "--set command=echo ${{inputs.lr}} $HOME"
    assert str(document.span_at(document.text.index("azureml:plain"))) == "job.yml:4:14"


@pytest.mark.parametrize(
    "option",
    [
        "environment_variables.API_KEY=geheim123",
        'environment_variables={"API_KEY": "geheim123"}',
        "command=API_KEY=geheim123 python a.py",
        "tags.url=https://me:geheim123@example.org/",
        "environment_variables.API_KEY.x=geheim123",
        'environment_variables={"API_KEY": "geheim123"',
    ],
)
def test_an_option_is_shown_without_its_secrets(option):
    _, diagnostics = override_data({"environment_variables": "x"}, [option])
    shown = [*format_options([option]), *(str(diagnostic) for diagnostic in diagnostics)]
    assert "geheim123" not in "".join(shown)


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda key: "=" not in key and key == key.strip() and key not in {"name", "$schema", "environment_variables"}
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda children: st.lists(children) | st.dictionaries(KEYS, children),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.lists(KEYS, min_size=1, max_size=4), VALUES)
def test_any_json_value_can_be_set_at_any_path(keys, value):
    data, diagnostics = override_data({}, [f"{format_path(keys)}={json.dumps(value)}"])
    assert diagnostics == ()
    assert find_value(data, keys) == value


@given(st.text())
def test_any_text_is_set_or_reported(option):
    data, diagnostics = override_data(DATA, [option])
    if diagnostics:
        assert data == DATA
    else:
        override = parse_option(option)
        assert find_value(data, override.keys) == override.value
