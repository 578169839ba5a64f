from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from steps import count_steps

from reconciler.diagnostics import Diagnostic, Span
from reconciler.format import yaml, yaml_parser
from reconciler.format.document import Document
from reconciler.format.pointers import escape_key, find_value, split_pointer, unescape_key
from reconciler.format.yaml import parse_yaml

MAX_STEPS = 5_000  # calls of functions to refuse a file; without the limits of the parser, several times as many


def refusals(raw: bytes) -> tuple[Diagnostic, ...]:
    return parse_yaml("f.yml", raw)[1]


def data(text: str) -> Any:
    document, diagnostics = parse_yaml("f.yml", text.encode())
    assert diagnostics == ()
    return document.data


def bomb(levels: int, width: int) -> bytes:
    """Return a YAML text of the billion laughs attack."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels + 1)]
    return "\n".join(lines).encode()


def chain(length: int, depth: int) -> bytes:
    """Return a YAML text with aliases that are deep only together."""
    lines = ["a0: &a0 x"]
    lines += [f"a{n}: &a{n} {'[' * depth}*a{n - 1}{']' * depth}" for n in range(1, length + 1)]
    return "\n".join(lines).encode()


REFUSED: dict[str, tuple[bytes, str, int, int]] = {
    "a duplicate key": (b"a: 1\nb:\n  c: 1\n  c: 2\n", "yaml-duplicate-key", 4, 3),
    "a tab": (b"a:\n\tb: 1\n", "yaml-syntax", 2, 1),
    "a second document": (b"a: 1\n---\nb: 2\n", "yaml-documents", 2, 1),
    "a number as key": (b"a: 1\n12: x\n", "yaml-key", 2, 1),
    "a boolean as key": (b"yes: 1\n", "yaml-key", 1, 1),
    "nothing as key": (b"~: 1\n", "yaml-key", 1, 1),
    "a date as key": (b"2020-01-01: 1\n", "yaml-key", 1, 1),
    "a list as key": (b"? [a]\n: 1\n", "yaml-key", 1, 3),
    "a Python object": (b'a: !!python/object/apply:os.system ["x"]\n', "yaml-tag", 1, 4),
    "a Python name": (b"a: !!python/name:os.system\n", "yaml-tag", 1, 4),
    "binary": (b"a:\n  b: !!binary aGk=\n", "yaml-tag", 2, 6),
    "a set": (b"a: !!set {x, y}\n", "yaml-tag", 1, 4),
    "an own tag": (b"a: !secret x\n", "yaml-tag", 1, 4),
    "a number's tag on a word": (b"a: !!int x\n", "yaml-number", 1, 4),
    "not a number": (b"a: 1\nb: [1, .nan]\n", "yaml-number", 2, 8),
    "infinity": (b"a: -.inf\n", "yaml-number", 1, 4),
    "a float beyond floats": (b"a: 1.0e+400\n", "yaml-number", 1, 4),
    "five thousand digits": (b"a: " + b"9" * 5000, "yaml-number", 1, 4),
    "five thousand hexadecimal digits": (b"a: 0x" + b"f" * 5000, "yaml-number", 1, 4),
    "an alias bomb": (bomb(9, 9), "yaml-too-many", 6, 15),
    "an alias in what it names": (b"a: &x [1, *x]\n", "yaml-aliases", 1, 11),
    "a mapping in itself": (b"a: &x {b: *x}\n", "yaml-aliases", 1, 11),
    "aliases that are deep together": (chain(50, 90), "yaml-too-deep", 3, 99),
    "an alias of nothing": (b"a: *x\n", "yaml-aliases", 1, 4),
    "brackets": (b"[" * 10_000, "yaml-too-deep", 1, 101),
    "braces": (b"{a: " * 10_000, "yaml-too-deep", 1, 401),
    "brackets after text": (b"a: 1\nb:\n  - " + b"[" * 10_000, "yaml-too-deep", 3, 103),
    "brackets on lines of their own": (b"[\n" * 10_000, "yaml-too-deep", 101, 1),
    "a syntax error before brackets": (b"a: [1, 2\nb: 3\n" + b"[" * 10_000, "yaml-syntax", 2, 2),
    "bullets": (b"- " * 10_000, "yaml-too-deep", 1, 201),
    "a NUL": (b"a: 1\nb: \0", "not-text", 2, 4),
    "a control character": (b"a: \x01\n", "not-text", 1, 4),
    "Latin-1": ("a: 1\nb: café\n".encode("latin-1"), "not-utf8", 2, 7),
    "UTF-16": ("a: 1".encode("utf-16"), "not-utf8", 1, 1),
    "half a character": (b'a: 1\nb: "\\ud800"\n', "yaml-syntax", 2, 7),
    "an escape beyond Unicode": (b'a: "\\U00110000"\n', "yaml-syntax", 1, 7),
    "a new YAML": (b"%YAML 3.0\n---\na: 1\n", "yaml-syntax", 1, 1),
    "nothing": (b"", "yaml-empty", 1, 1),
    "comments alone": (b"# a\n# b\n", "yaml-empty", 1, 1),
    "null": (b"---\n~\n", "yaml-empty", 1, 1),
    "an unclosed list": (b"a: [1, 2\nb: 3\n", "yaml-syntax", 2, 2),
    "too large a file": (b"#" * (yaml.MAX_BYTES + 1), "file-too-large", 1, 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_slow_ambiguous_and_dangerous_files_are_refused_at_their_position(name):
    raw, code, line, column = REFUSED[name]
    assert count_steps(lambda: yaml_parser.parse_document.__wrapped__("f.yml", raw)) < MAX_STEPS
    diagnostics = refusals(raw)
    assert [(diagnostic.code, diagnostic.span) for diagnostic in diagnostics] == [(code, Span("f.yml", line, column))]


def test_all_errors_in_values_are_reported_together():
    document, diagnostics = parse_yaml("f.yml", b"a: .nan\na: 2\n3: x\nb: !t x\nc: fine\n")
    assert [diagnostic.code for diagnostic in diagnostics] == [
        "yaml-number",
        "yaml-duplicate-key",
        "yaml-key",
        "yaml-tag",
    ]
    assert document.data == {"a": None, "b": None, "c": "fine"}


def test_the_message_of_a_duplicate_key_has_the_line_of_the_first():
    assert "first on line 1" in refusals(b"a: 1\nb: 1\na: 2\n")[0].message


def test_the_hint_for_a_tab_is_to_indent_with_spaces():
    assert refusals(b"a:\n\tb: 1\n")[0].hint == "indent with spaces"


def test_a_byte_order_mark_and_windows_line_endings_are_ignored():
    document, diagnostics = parse_yaml("f.yml", b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: x\r\n")
    assert (document.data, diagnostics) == ({"a": 1, "b": {"c": "x"}}, ())
    assert document.key_span("/b/c") == Span("f.yml", 3, 3)


@pytest.mark.parametrize("text", ["azureml:a@b", "azureml:a:1", "azureml://jobs/a/outputs/b", "a@b"])
@pytest.mark.parametrize("form", ["{{x: {{path: {text}}}}}", "x: {{path: {text}}}", "x:\n  path: {text}\n"])
def test_a_reference_needs_no_quotes_in_a_flow_mapping_as_in_azure_ml(text, form):
    assert data(form.format(text=text)) == {"x": {"path": text}}


def test_an_alias_is_replaced_by_its_value():
    assert data("a: &a {x: [1]}\nb: *a\n") == {"a": {"x": [1]}, "b": {"x": [1]}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", "y"),
        ("N", "N"),
        ("~", None),
        ("", None),
        ("010", 8),
        ("-010", -8),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("0b11", 3),
        ("1_000", 1000),
        ("+12", 12),
        ("09", "09"),
        ("1:30", 90),
        ("12:30:45", 45045),
        ("-1:30", -90),
        ("1_0:30", 630),
        ("01:30", "01:30"),
        ("1:60", "1:60"),
        ("190:20:30.15", 685230.15),
        ("2020-01-01", "2020-01-01"),
        ("1e3", "1e3"),
        (".5", 0.5),
        ("=", "="),
        ('"1"', "1"),
        ("!!str 1", "1"),
    ],
)
def test_scalars_are_read_as_in_yaml_1_1_and_dates_as_text(text, value):
    scalar = data(f"a: {text}\n")["a"]
    assert (scalar, type(scalar)) == (value, type(value))


def test_the_source_text_of_a_number_is_kept():
    document, _ = parse_yaml("f.yml", b"version: 1.10\n")
    assert (document.data["version"], document.scalar_text("/version")) == (1.1, "1.10")


def test_the_span_of_a_missing_pointer_is_that_of_its_nearest_ancestor():
    document, _ = parse_yaml("f.yml", b"a:\n  b: 1\n")
    assert document.value_span("/a/b/c/d") == Span("f.yml", 2, 6)
    assert document.key_span("/a/x") == Span("f.yml", 1, 1)
    assert Document("f.yml", None).key_span("/a") == Span("f.yml")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_give_data_or_a_diagnostic(raw):
    document, diagnostics = parse_yaml("f.yml", raw)
    assert document.data is not None or diagnostics
    json.dumps(document.data, allow_nan=False).encode()


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(list("ab10:-? \n\t[]{},&*!|>'\"%#~<.x\\@`u")), max_size=60).map("".join))
def test_arbitrary_punctuation_gives_data_or_a_diagnostic(text):
    document, diagnostics = parse_yaml("f.yml", text.encode())
    assert document.data is not None or diagnostics


# Texts that an editor shows on one line and YAML reads unchanged.
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp", "Cf")), max_size=12
)
# YAML 1.1 reads 1e-5 as text, because it has no dot.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: "e" not in repr(number) or "." in repr(number)
)
SCALARS = st.none() | st.booleans() | st.integers(-(10**60), 10**60) | FLOATS
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)
MAPPINGS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(MAPPINGS, st.booleans())
def test_the_output_of_a_yaml_writer_is_read_as_the_same_data(value, flow):
    writer = YAML(typ="safe", pure=True)
    writer.version, writer.default_flow_style, writer.width = (1, 1), flow, 10_000
    stream = io.StringIO()
    writer.dump(value, stream)
    assert data(stream.getvalue()) == value


@settings(max_examples=150, deadline=None)
@given(MAPPINGS, st.integers(1, 4))
def test_spans_of_keys_and_values_are_their_positions(value, indent):
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    document, diagnostics = parse_yaml("f.yml", text.encode())
    assert (document.data, diagnostics) == (value, ())
    lines = text.split("\n")
    for pointer, node in walk(value):
        span = document.value_span(pointer)
        start = "{[" if isinstance(node, dict | list) else json.dumps(node, ensure_ascii=False)
        line_end = lines[span.line - 1][span.column - 1 :]
        assert line_end[0] in start if isinstance(node, dict | list) else line_end.rstrip(",") == start
    for pointer, _ in walk(value):
        parent, _, key_text = pointer.rpartition("/")
        if not isinstance(find_value(value, split_pointer(parent)), dict) or not pointer:
            continue
        span = document.key_span(pointer)
        key = json.dumps(unescape_key(key_text), ensure_ascii=False)
        assert lines[span.line - 1][span.column - 1 :].startswith(f"{key}: ")


def walk(value: Any, pointer: str = "") -> Any:
    yield pointer, value
    if isinstance(value, dict):
        for key, child in value.items():
            yield from walk(child, f"{pointer}/{escape_key(key)}")
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from walk(child, f"{pointer}/{index}")


@given(st.text())
def test_escape_key_is_reversible(key):
    assert unescape_key(escape_key(key)) == key
    assert "/" not in escape_key(key)
