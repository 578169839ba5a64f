from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import Action, Address, Op
from reconciler.planning.diff import field_changes

LONG = "x" * 200
WORDS = "--epochs 10 --data ${{inputs.data}} --out ${{outputs.model}}"
APART = 'command "... --lr 0.1 ..." -> "... --lr 0.2 ..."'
NODE = {"name": "a", "n": 1}
VARIABLES = {"environment_variables": {"API_KEY": "hunter2", "LOG": "all"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def diff_lines(before: Any, after: Any, **touched: tuple[str, ...]) -> list[str]:
    changed_files = {f"/{name.replace('__', '/')}": files for name, files in touched.items()}
    return list(
        map(
            str,
            field_changes(
                Action(Op.UPDATE, Address("job", "j"), before=before, after=after, changed_files=changed_files)
            ),
        )
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"inputs": {"lr": 0.1}}, {"inputs": {"lr": 0.2}}, ["inputs.lr 0.1 -> 0.2"]),
        ({"a": 1}, {"a": "1"}, ['a 1 -> "1"']),
        ({"a": True}, {"a": False}, ["a true -> false"]),
        ({"a": None}, {"a": 1}, ["a null -> 1"]),
        ({}, {"a": "x"}, ["a added: x"]),
        ({"a": "x"}, {}, ["a removed"]),
        ({}, {"tags": {"a": "x"}}, ['tags added: {"a": "x"}']),
        ({"tags": {"a": "x"}}, {"tags": {"a": "x", "b": "y"}}, ["tags.b added: y"]),
        ({"tags": {"2024": "x"}}, {"tags": {"2024": "y"}}, ["tags.2024 x -> y"]),
        ({"l": [{"a": 1}]}, {"l": [{"a": 2}]}, ["l.a 1 -> 2"]),
        ({"key": {"sha256": "0" * 12}}, {"key": {"sha256": "1" * 12}}, ["key changed"]),
        ({"data": "data/a@1"}, {"data": "data/b@1"}, ["data/a@1 -> data/b@1"]),
        ({"l": [1, 2]}, {"l": [1, 2, 3]}, ["l: 3 added"]),
        ({"l": [NODE, {**NODE, "name": "b"}]}, {"l": [{**NODE, "name": "b", "n": 2}, NODE]}, ["l.b.n 1 -> 2"]),
        ({"l": [NODE]}, {"l": [NODE, {"name": "b"}]}, ['l.b added: {"name": "b"}']),
        ({"l": [{"id": 1, "a": 1}, {"id": 2}]}, {"l": [{"id": 2}]}, ["l.1 removed"]),
        ({}, {"key": {"a": {"sha256": "0" * 12}}}, ['key added: {"a": "(secret)"}']),
        ({"l": [1, 2]}, {"l": [2]}, ["l: 1 removed"]),
        ({"l": ["a", "b"]}, {"l": ["a", "c"]}, ["l b -> c"]),
        ({"l": []}, {"l": [{"a": 1}]}, ['l: {"a": 1} added']),
        ({"a": "x", "b": 1}, {"a": "y", "b": 2}, ["a x -> y", "b 1 -> 2"]),
        ({"a": "short"}, {"a": LONG}, [f"a short -> {'x' * 57}..."]),
        ({"a": "one, two"}, {"a": "three"}, ['a "one, two" -> "three"']),
        ({"a": ""}, {"a": "x"}, ['a "" -> "x"']),
        ({}, {"a": "one, two"}, ['a added: "one, two"']),
        ({"command": f"python train.py --lr 0.1 {WORDS}"}, {"command": f"python train.py --lr 0.2 {WORDS}"}, [APART]),
        ({}, {"a": LONG}, ["a added: " + "x" * 57 + "..."]),
        ({"a": "one\ntwo"}, {"a": "one\n2"}, ['a "one\\ntwo" -> "one\\n2"']),
        ({"a": {"b": 1}}, {"a": "b"}, ['a {"b": 1} -> b']),
        (
            {"inputs": {"d": {"path": "data/d@1"}}},
            {"inputs": {"d": {"path": "data/d@2"}}},
            ["data/d changed (inputs.d 1 -> 2)"],
        ),
        (
            {"environment": "environment/e@1"},
            {"environment": "environment/e@2"},
            ["environment/e changed (1 -> 2)"],
        ),
        ({"path": "blob:1"}, {"path": "blob:2"}, ["path changed"]),
        ({"code": "tree:1"}, {"code": "tree:2"}, ["code changed"]),
        ({"l": ["tree:1/a", "tree:2/b"]}, {"l": ["tree:3/a", "tree:2/b"]}, ["l changed"]),
        ({"l": ["tree:1/a"]}, {"l": ["tree:1/a", "blob:2/b.py"]}, ["l: b.py added"]),
        ({"a": 1}, {"a": 1}, []),
    ],
)
def test_each_difference_is_one_readable_phrase(before, after, expected):
    assert diff_lines(before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, VARIABLES, 'environment_variables added: {"API_KEY": "(secret)", "LOG": "all"}'),
        (VARIABLES, {}, "environment_variables removed"),
        ({"environment_variables": {}}, VARIABLES, "environment_variables.API_KEY added: (secret)"),
        (VARIABLES, {"environment_variables": {"API_KEY": 7, "LOG": "all"}}, "environment_variables.API_KEY changed"),
        ({}, {"jobs": {"a": VARIABLES}}, 'jobs added: {"a": {"environment_variables": {"API_KEY": "(secret)", "...'),
        ({}, {"credentials": {"password": "hunter2"}}, 'credentials added: {"password": "(secret)"}'),
    ],
)
def test_a_secret_in_a_variable_is_never_shown(before, after, expected):
    changes = field_changes(Action(Op.UPDATE, Address("job", "j"), before=before, after=after))
    assert str(changes[0]) == expected
    assert "hunter2" not in repr(changes)


def test_a_long_value_is_cut_to_fit_a_line():
    (changes,) = diff_lines({}, {"conda_file": {"dependencies": [f"package-{n}" for n in range(50)]}})
    assert changes.startswith('conda_file added: {"dependencies"')
    assert changes.endswith("...")
    assert len(changes) < 100


def test_a_path_names_the_files_that_changed_behind_it():
    assert diff_lines({"code": "tree:1"}, {"code": "tree:2"}, code=("a.py", "b.py")) == ["code changed (a.py, b.py)"]
    nested = diff_lines(
        {"inputs": {"d": {"path": "blob:1"}}}, {"inputs": {"d": {"path": "blob:2"}}}, inputs__d__path=("d.csv",)
    )
    assert nested == ["inputs.d changed (d.csv)"]


def test_only_the_first_changed_files_are_named():
    many = tuple(f"f{n}" for n in range(10))
    assert diff_lines({"code": "tree:1"}, {"code": "tree:2"}, code=many) == ["code changed (f0, f1, f2 and 7 more)"]


@settings(max_examples=100, deadline=None)
@given(JSON, JSON)
def test_any_two_values_can_be_compared_and_each_difference_fits_a_line(before, after):
    before_side, after_side = {"field": before}, {"field": after}
    changes = diff_lines(before_side, after_side)
    assert changes == diff_lines(before_side, after_side)
    assert all("\n" not in change for change in changes)
    assert diff_lines(before_side, before_side) == []
