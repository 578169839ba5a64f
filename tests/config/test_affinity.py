from __future__ import annotations

import pytest

from reconciler.config.affinity import affinity_problems
from reconciler.config.config import parse_config
from reconciler.config.targets import document_for_target
from reconciler.diagnostics import Severity, Span
from reconciler.format.yaml import parse_yaml

STATE = 'state:\n  {name: small, lineage: "11111111111111111111111111111111",\n   remote: origin}\n'
ALONE = {"local"}


def problems(text: str, target: str = "default") -> list[tuple[str, Span | None]]:
    document, _ = parse_yaml("mlgit.yml", text.encode())
    found, wrong = parse_config(document, target)
    assert found is not None, wrong
    return [
        (diagnostic.code, diagnostic.span)
        for diagnostic in affinity_problems(document_for_target(document, target), found, ALONE)
    ]


def test_what_one_machine_has_is_wrong_where_many_share_the_state():
    text = STATE + "store:\n  path: data\nbackends:\n  local: {type: local}\n  far: {type: local}\n"
    assert problems(text) == [
        ("store-not-shared", Span("mlgit.yml", 5, 9)),
        ("backend-not-shared", Span("mlgit.yml", 7, 10)),
    ]


def test_what_is_left_to_the_default_is_wrong_because_of_the_remote():
    place = Span("mlgit.yml", 3, 12)
    assert problems(STATE) == [("store-not-shared", place), ("backend-not-shared", place)]


@pytest.mark.parametrize("store", ["path: /srv/store", "host: big"])
def test_a_store_that_all_have_or_that_has_a_host_is_right(store):
    assert problems(STATE + f"store: {{{store}}}\nbackends: {{local: {{type: local, host: big}}}}\n") == []


def test_a_state_that_nobody_shares_needs_no_hosts():
    assert problems('state: {name: small, lineage: "11111111111111111111111111111111"}\n') == []


def test_a_target_that_is_shared_is_judged_by_itself():
    text = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'
    text += "targets:\n  prod:\n    state: {remote: origin}\n    backends: {local: {type: local, host: big}}\n"
    assert problems(text) == []
    assert problems(text, "prod") == [("store-not-shared", Span("mlgit.yml", 4, 21))]


def test_validate_only_warns_of_it():
    document, _ = parse_yaml("mlgit.yml", STATE.encode())
    found, _ = parse_config(document)
    assert found is not None
    assert {diagnostic.severity for diagnostic in affinity_problems(document, found, ALONE, Severity.WARNING)} == {
        Severity.WARNING
    }
