from __future__ import annotations

import pytest
import yaml

from reconciler.format.rules import COMPONENT_RULES, JOB_RULES, plain_scalars
from reconciler.format.scalars import is_read_differently, parse_plain_scalar

pytestmark = pytest.mark.fast

DATES = [
    "2024-01-31",
    "2024-1-3 1:00:00",
    "2024-01-31 10:00:00",
    "2024-01-31T10:00:00Z",
    "2001-12-14t21:59:43.10-05:00",
]
MISLEADING = [
    "NO",
    "no",
    "No",
    "yes",
    "on",
    "Off",
    "010",
    "-010",
    "0x1F",
    "0b11",
    "1_000",
    "12:30:45",
    "1:30",
    "1:30.5",
]
PLAIN = [
    "true",
    "False",
    "0",
    "10",
    "-1",
    "+5",
    "1.50",
    "abc",
    "n",
    "y",
    "null",
    "09",
    "01:30",
    "1.0.0",
    "1e3",
    "2024-1-3",
    "in 2024-01-31",
]


def value_of(form: str, text: str) -> str:
    return form.replace("VALUE", text)


FORMS = {
    "input of a job": "inputs:\n  a: VALUE\n",
    "default of a component": "inputs:\n  a:\n    type: string\n    default: VALUE\n",
    "value of a flow mapping": "inputs: {b: 1, a: VALUE}\n",
    "input of a node": "type: pipeline\njobs:\n  n:\n    type: command\n    inputs:\n      a: VALUE\n",
    "input of a nested component": "trial:\n  inputs:\n    a:\n      default: VALUE\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", DATES)
def test_an_unquoted_date_as_an_input_is_an_error_at_the_value(form, text, diagnose):
    (diagnostic,) = diagnose(plain_scalars.EXECUTABLE_RULES, value_of(FORMS[form], text))
    assert (diagnostic.code, diagnostic.severity) == ("value-ambiguous", "error")
    assert diagnostic.message == f"{text} is a date in YAML 1.1; quote it"
    line = value_of(FORMS[form], text).splitlines()[diagnostic.span.line - 1]
    assert line[diagnostic.span.column - 1 :].startswith(text)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", MISLEADING)
def test_a_word_that_yaml_reads_as_something_else_is_a_warning_with_the_value(form, text, diagnose):
    (diagnostic,) = diagnose(plain_scalars.EXECUTABLE_RULES, value_of(FORMS[form], text))
    assert (diagnostic.code, diagnostic.severity) == ("value-ambiguous", "warning")
    assert f"the job gets {yaml.safe_load(text)};" in diagnostic.hint


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("quote", ['"{}"', "'{}'"])
@pytest.mark.parametrize("text", [*DATES[:3], *MISLEADING[:3]])
def test_a_quoted_value_is_text(form, quote, text, check):
    assert check(plain_scalars.EXECUTABLE_RULES, value_of(FORMS[form], quote.format(text))) == []


@pytest.mark.parametrize("text", PLAIN)
def test_values_that_are_what_they_look_like_are_fine(text, check):
    assert check(plain_scalars.EXECUTABLE_RULES, value_of(FORMS["input of a job"], text)) == []


def test_a_truth_value_in_any_word_is_fine_where_one_is_declared(check):
    assert check(plain_scalars.EXECUTABLE_RULES, "inputs:\n  a: {type: boolean, default: yes}\n") == []


def test_a_date_in_tags_is_text(check):
    assert check((*JOB_RULES, *COMPONENT_RULES), "tags:\n  cut: 2024-01-31\n") == []


@pytest.mark.parametrize("field", ["start_time", "end_time"])
@pytest.mark.parametrize("text", DATES)
def test_an_unquoted_time_of_a_trigger_is_an_error(field, text, check):
    document = f"trigger:\n  type: cron\n  {field}: {text}\n"
    assert check(plain_scalars.SCHEDULE_RULES, document) == [f"value-ambiguous 3:{len(field) + 5}"]
    assert check(plain_scalars.SCHEDULE_RULES, document.replace(text, f'"{text}"')) == []


@pytest.mark.parametrize("text", [*MISLEADING, *PLAIN])
def test_numbers_and_truth_values_have_the_values_that_pyyaml_reads(text):
    expected = yaml.safe_load(text)
    value = parse_plain_scalar(text)[1]
    assert (value, type(value)) == (expected, type(expected))
    assert is_read_differently(text) == (text in MISLEADING)
