from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.config import Config, parse_config, store_paths
from reconciler.config.targets import merge_overlay, target_lineage
from reconciler.diagnostics import Span
from reconciler.format.document import Document
from reconciler.format.yaml import parse_yaml

STATE = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'
PROD = STATE + (
    "store: {path: .mlgit/store, host: here}\n"
    "backends: {local: {type: local}}\n"
    "limits: {submit: 3}\n"
    "protect: [model/*]\n"
    "targets:\n"
    "  prod:\n"
)


def document(text: str) -> Document:
    found, unreadable = parse_yaml("mlgit.yml", text.encode())
    assert unreadable == ()
    return found


def config(text: str, target: str = "prod") -> Config:
    found, problems = parse_config(document(text), target)
    assert problems == ()
    assert found is not None
    return found


def problem(text: str, target: str = "prod") -> tuple[str, Span | None, str]:
    found, (wrong,) = parse_config(document(text), target)
    assert found is None or wrong.code == "backend-unknown"
    return wrong.code, wrong.span, wrong.hint


def test_a_target_says_only_what_differs():
    found = config(PROD + "    store: {path: /srv/store}\n    compute: {gpu: local}\n    retries: 0\n")
    assert (found.store, found.store_host, found.retries, found.submit_limit) == ("/srv/store", "here", 0, 3)
    assert (found.backend_of("gpu"), found.target) == ("local", "prod")


def test_the_file_is_as_it_was_where_no_target_is_chosen():
    assert config(PROD + "    retries: 0\n", "default") == config(PROD.partition("targets")[0], "default")


def test_the_default_target_may_differ_from_the_rest_of_the_file_too():
    text = STATE + "retries: 1\ntargets: {default: {retries: 3}, prod: }\n"
    assert [config(text, target).retries for target in ("default", "prod")] == [3, 1]


@pytest.mark.parametrize(
    ("said", "cancels"), [("on_supersede: cancel", True), ("on_supersede: null", False), ("", True)]
)
def test_a_target_may_treat_superseded_runs_otherwise(said, cancels):
    above = "finish" if said.endswith("cancel") else "cancel"
    assert config(f"on_supersede: {above}\n{PROD}    {said}\n").cancel_superseded is cancels


def test_a_list_is_replaced_as_a_whole():
    assert config(PROD + "    protect: [data/*]\n").protect == ("data/*",)


def test_null_takes_a_key_away():
    found = config(PROD + "    store: {host: null}\n    limits: null\n    protect: null\n")
    assert (found.store, found.store_host, found.submit_limit, found.protect) == (".mlgit/store", "", 10, ())


def test_off_is_a_word_in_a_target_too():
    assert config(PROD + "    rules: {port-name: off}\n").rules == {"port-name": "off"}


@pytest.mark.parametrize(
    ("overlay", "code", "place"),
    [
        ("    retreis: 1\n", "unknown-field", Span("mlgit.yml", 8, 5)),
        ("    retries: many\n", "wrong-type", Span("mlgit.yml", 8, 14)),
        ("    state: {lineage: x}\n", "unknown-field", Span("mlgit.yml", 8, 13)),
        ("    backends: {big: {host: x}}\n", "field-missing", Span("mlgit.yml", 8, 16)),
        ("    backends: {local: {type: null}}\n", "field-missing", Span("mlgit.yml", 8, 16)),
        ("    compute: {gpu: locl}\n", "backend-unknown", Span("mlgit.yml", 8, 20)),
        ("    drift: {data: mend}\n", "wrong-value", Span("mlgit.yml", 8, 19)),
        ("  Prod: {}\n", "name-illegal", Span("mlgit.yml", 8, 3)),
    ],
)
def test_what_is_wrong_in_a_target_is_shown_at_its_place_whichever_is_chosen(overlay, code, place):
    for target in ("prod", "default"):
        assert problem(PROD + overlay, target)[:2] == (code, place)


def test_what_a_target_makes_wrong_is_shown_where_the_file_says_it():
    text = STATE + "compute:\n  gpu: big\nbackends: {local: {type: local}, big: {type: local}}\n"
    code, place, _ = problem(text + "targets: {prod: {backends: {big: null}}}\n")
    assert (code, place) == ("backend-unknown", Span("mlgit.yml", 3, 8))


def test_what_is_wrong_for_all_targets_is_said_once():
    found, wrong = parse_config(document(STATE + "compute: {gpu: big}\ntargets: {prod: {}, dev: {}}\n"))
    assert found is not None
    assert [diagnostic.code for diagnostic in wrong] == ["backend-unknown"]


def test_a_target_that_is_not_there_is_refused_with_what_was_meant():
    assert problem(PROD + "    retries: 0\n", "prdo") == (
        "target-unknown",
        Span("mlgit.yml", 6, 1),
        "did you mean prod?",
    )
    assert problem(PROD + "    retries: 0\n", "x")[2] == "targets there are: default, prod"
    assert problem(STATE, "prod")[2] == "mlgit.yml has no targets: yet"


def test_each_target_is_another_state():
    text = PROD + "    retries: 0\n  dev: {}\n"
    assert len({config(text, target).lineage for target in ("default", "prod", "dev")}) == 3
    assert config(text, "default").lineage == target_lineage("1" * 32, "default") == "1" * 32


def test_the_stores_of_all_targets_are_known():
    text = PROD + "    store: {path: other}\n  dev: {}\n  bare: {store: null}\n"
    assert store_paths(document(text)) == (".mlgit/store", "other")


@pytest.mark.parametrize(
    "text", ["- 1\n", "targets: 3\n", "targets: [a]\n", "targets: {a: 3}\n", "store: {path: [1]}\n"]
)
def test_a_file_that_is_wrong_has_a_store_all_the_same(text):
    assert store_paths(document(text)) == (".mlgit/store",)


JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
)


@given(JSON, JSON)
def test_what_an_overlay_says_holds_and_nothing_in_it_changes_nothing(base, overlay):
    once = merge_overlay(base, overlay)
    assert merge_overlay(once, overlay) == once
    assert merge_overlay(base, base) == base
    if isinstance(base, dict):
        assert merge_overlay(base, {}) == base
        assert merge_overlay(base, dict.fromkeys(base)) == {}
