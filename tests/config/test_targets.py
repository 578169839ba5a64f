from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.config import Config, parse_config
from reconciler.config.stores import store_paths
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


def parse_document(text: str) -> Document:
    document, unreadable = parse_yaml("mlgit.yml", text.encode())
    assert unreadable == ()
    return document


def config_of(text: str, target: str = "prod") -> Config:
    config, diagnostics = parse_config(parse_document(text), target)
    assert diagnostics == ()
    assert config is not None
    return config


def single_diagnostic(text: str, target: str = "prod") -> tuple[str, Span | None, str]:
    config, (diagnostic,) = parse_config(parse_document(text), target)
    assert config is None or diagnostic.code in {"backend-unknown", "target-unknown", "reuse-from-itself"}
    return diagnostic.code, diagnostic.span, diagnostic.hint


def test_a_target_overrides_only_the_settings_that_it_has():
    config = config_of(PROD + "    store: {path: /srv/store}\n    compute: {gpu: local}\n    retries: 0\n")
    assert (config.store, config.store_host, config.retries, config.submit_limit) == ("/srv/store", "here", 0, 3)
    assert (config.backend_of("gpu"), config.target) == ("local", "prod")


def test_the_default_target_ignores_other_overlays():
    with_overlay, without = (
        config_of(PROD + "    retries: 0\n", "default"),
        config_of(PROD.partition("targets")[0], "default"),
    )
    assert with_overlay == without._replace(targets=("default", "prod"))


def test_the_targets_whose_runs_are_reused_have_live_states_of_their_own():
    text = STATE + "reuse_from: [dev]\ntargets: {dev: {state: {remote: origin}}, prod: {reuse_from: [default, dev]}}\n"
    default, dev = config_of(text, "prod").reuse_from
    assert (default.target, default.lineage, default.remote) == ("default", "1" * 32, "")
    assert (dev.target, dev.state, dev.remote) == ("dev", "small", "origin")
    assert dev.lineage == config_of(text, "dev").lineage
    assert [source.target for source in config_of(text, "default").reuse_from] == ["dev"]
    assert config_of(text, "dev").reuse_from == ()  # it inherits its own name


def test_a_target_that_is_not_there_cannot_be_reused():
    code, span, hint = single_diagnostic(STATE + "reuse_from: [prd]\ntargets: {prod: {}}\n")
    assert (code, str(span), hint) == ("target-unknown", "mlgit.yml:2:14", "did you mean prod?")
    assert single_diagnostic(STATE + "targets: {prod: {reuse_from: [prod]}}\n")[0] == "reuse-from-itself"
    assert single_diagnostic(STATE + "reuse_from: [default]\n", "default")[0] == "reuse-from-itself"


def test_the_default_target_can_have_an_overlay():
    text = STATE + "retries: 1\ntargets: {default: {retries: 3}, prod: }\n"
    assert [config_of(text, target).retries for target in ("default", "prod")] == [3, 1]


@pytest.mark.parametrize(
    ("setting", "cancels"), [("on_supersede: cancel", True), ("on_supersede: null", False), ("", True)]
)
def test_a_target_can_override_what_happens_to_superseded_runs(setting, cancels):
    base = "finish" if setting.endswith("cancel") else "cancel"
    assert config_of(f"on_supersede: {base}\n{PROD}    {setting}\n").cancel_superseded is cancels


def test_a_list_is_replaced_as_a_whole():
    assert config_of(PROD + "    protect: [data/*]\n").protect == ("data/*",)


def test_null_removes_a_setting():
    config = config_of(PROD + "    store: {host: null}\n    limits: null\n    protect: null\n")
    assert (config.store, config.store_host, config.submit_limit, config.protect) == (".mlgit/store", "", 10, ())


def test_off_is_a_rule_level_in_a_target_too():
    assert config_of(PROD + "    rules: {port-name: off}\n").rules == {"port-name": "off"}


@pytest.mark.parametrize(
    ("overlay", "code", "span"),
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
def test_an_invalid_overlay_is_reported_at_its_line_whichever_target_is_chosen(overlay, code, span):
    for target in ("prod", "default"):
        assert single_diagnostic(PROD + overlay, target)[:2] == (code, span)


def test_a_setting_that_an_overlay_makes_invalid_is_reported_at_the_setting():
    text = STATE + "compute:\n  gpu: big\nbackends: {local: {type: local}, big: {type: local}}\n"
    code, span, _ = single_diagnostic(text + "targets: {prod: {backends: {big: null}}}\n")
    assert (code, span) == ("backend-unknown", Span("mlgit.yml", 3, 8))


def test_an_error_of_all_targets_is_reported_once():
    config, diagnostics = parse_config(parse_document(STATE + "compute: {gpu: big}\ntargets: {prod: {}, dev: {}}\n"))
    assert config is not None
    assert [diagnostic.code for diagnostic in diagnostics] == ["backend-unknown"]


def test_an_unknown_target_has_a_suggestion_or_the_list_of_targets():
    assert single_diagnostic(PROD + "    retries: 0\n", "prdo") == (
        "target-unknown",
        Span("mlgit.yml", 6, 1),
        "did you mean prod?",
    )
    assert single_diagnostic(PROD + "    retries: 0\n", "x")[2] == "available targets: default, prod"
    assert single_diagnostic(STATE, "prod")[2] == "mlgit.yml defines no targets"


def test_each_target_has_its_own_lineage():
    text = PROD + "    retries: 0\n  dev: {}\n"
    assert len({config_of(text, target).lineage for target in ("default", "prod", "dev")}) == 3
    assert config_of(text, "default").lineage == target_lineage("1" * 32, "default") == "1" * 32


def test_store_paths_are_those_of_all_targets():
    text = PROD + "    store: {path: other}\n  dev: {}\n  bare: {store: null}\n"
    assert store_paths(parse_document(text)) == (".mlgit/store", "other")


@pytest.mark.parametrize(
    "text", ["- 1\n", "targets: 3\n", "targets: [a]\n", "targets: {a: 3}\n", "store: {path: [1]}\n"]
)
def test_an_invalid_file_has_the_default_store(text):
    assert store_paths(parse_document(text)) == (".mlgit/store",)


JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
)


@given(JSON, JSON)
def test_merging_an_overlay_is_idempotent_and_an_empty_one_changes_nothing(base, overlay):
    once = merge_overlay(base, overlay)
    assert merge_overlay(once, overlay) == once
    assert merge_overlay(base, base) == base
    if isinstance(base, dict):
        assert merge_overlay(base, {}) == base
        assert merge_overlay(base, dict.fromkeys(base)) == {}
