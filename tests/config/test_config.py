from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config.config import Config, parse_config
from reconciler.diagnostics import Diagnostic, Span, has_errors
from reconciler.format.include import IncludeGlob
from reconciler.format.yaml import parse_yaml

STATE = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'


def parse(text: str) -> tuple[Config | None, tuple[Diagnostic, ...]]:
    document, unreadable = parse_yaml("mlgit.yml", text.encode())
    assert unreadable == ()
    return parse_config(document)


def valid_config(text: str) -> Config:
    config, diagnostics = parse(text)
    assert diagnostics == ()
    assert config is not None
    return config


def test_omitted_settings_have_defaults():
    config = valid_config(STATE)
    assert (config.state, config.lineage, config.target) == ("small", "1" * 32, "default")
    assert (config.store, config.builders, config.submit_limit, config.retries) == (
        ".mlgit/store",
        {"venv": {"type": "venv"}},
        10,
        2,
    )
    assert config.include == (IncludeGlob("**/*.yml"), IncludeGlob("**/*.yaml"))
    assert config.backend_of("anything") == "local"


def test_settings_of_the_file_replace_the_defaults():
    config = valid_config(
        STATE
        + "assets: {include: [{glob: a/*.yml, run: manual}, {glob: b}], exclude: [c]}\n"
        + "backends: {here: {type: local}, there: {type: ray}}\ncompute: {gpu: there, '*': here}\n"
        + "limits: {submit: 0}\nretries: 0\nstore: {path: ../store}\nbuilders: {conda: {type: conda}}\n"
    )
    assert config.include == (IncludeGlob("a/*.yml", runs_on_change=False), IncludeGlob("b"))
    assert (config.exclude, config.submit_limit, config.retries) == (("c",), 0, 0)
    assert (config.store, config.builders) == ("../store", {"conda": {"type": "conda"}})
    assert (config.backend_of("gpu"), config.backend_of("cpu")) == ("there", "here")


def test_the_limit_of_the_controller_and_the_drift_policies_can_be_set():
    default = valid_config(STATE)
    assert (default.runs_per_day, default.drift) == (5, {})
    config = valid_config(STATE + 'limits: {runs_per_day: 1}\ndrift: {"data/*": ignore, job: warn}\n')
    assert (config.runs_per_day, config.drift) == (1, {"data/*": "ignore", "job": "warn"})


@pytest.mark.parametrize(
    ("setting", "cancels"), [("", False), ("on_supersede: finish\n", False), ("on_supersede: cancel\n", True)]
)
def test_superseded_runs_are_cancelled_only_if_the_file_asks_for_it(setting, cancels):
    assert valid_config(STATE + setting).cancel_superseded is cancels


def test_a_compute_without_a_binding_has_no_backend():
    assert valid_config(STATE + "compute: {gpu: local}\n").backend_of("cpu") == ""


def test_a_binding_to_an_unknown_backend_is_an_error_at_its_line():
    config, (diagnostic,) = parse(STATE + "compute:\n  gpu: locl\n")
    assert config is not None
    assert (diagnostic.code, diagnostic.span) == ("backend-unknown", Span("mlgit.yml", 3, 8))
    assert diagnostic.hint == "did you mean local?"


def test_no_backend_has_the_name_of_the_driver():
    text = "state: {name: x, lineage: '" + "1" * 32 + "'}\nbackends: {local: {type: local}, driver: {type: local}}\n"
    _, diagnostics = parse_config(parse_yaml("mlgit.yml", text.encode())[0])
    assert [(item.code, item.span) for item in diagnostics] == [("backend-reserved", Span("mlgit.yml", 2, 34))]


@pytest.mark.parametrize(
    "text",
    [
        "store: {}\n",
        "state: {name: small}\n",
        'state: {name: Small Caps, lineage: "11111111111111111111111111111111"}\n',
        "state: {name: small, lineage: short}\n",
        STATE + "retries: many\n",
        STATE + "retries: -1\n",
        STATE + "on_supersede: stop\n",
        STATE + "stores: {}\n",
        STATE + "assets: {include: [{glob: a, run: sometimes}]}\n",
        STATE + "backends: {local: {}}\n",
        STATE + "rules: {zone-unknown: warn}\n",
        STATE + "rules: {zone-unknown: 1}\n",
        STATE + "rules: {zone-unknown: []}\n",
        STATE + "rules: {zone-unknown: true}\n",
        "- 1\n",
    ],
)
def test_an_invalid_file_gives_diagnostics_with_spans_and_no_config(text):
    config, diagnostics = parse(text)
    assert config is None
    assert has_errors(diagnostics)
    assert all(diagnostic.span is not None and diagnostic.span.path == "mlgit.yml" for diagnostic in diagnostics)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["path", "include", "glob", "submit", "type", "local", "*"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(["store", "assets", "backends", "compute", "limits", "retries", "builder", "requires", "rules"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, JSON))
def test_any_settings_give_a_config_or_diagnostics_and_never_raise(values):
    document, _ = parse_yaml("mlgit.yml", STATE.encode())
    document = replace(document, data={**document.data, **values})
    config, diagnostics = parse_config(document)
    assert config is not None or diagnostics


@pytest.mark.parametrize(
    "field", ['state: {name: "a\\n", lineage: "%s"}' % ("1" * 32), 'state: {name: a, lineage: "%s\\n"}' % ("1" * 32)]
)
def test_a_name_with_a_trailing_line_break_is_invalid(field):
    config, diagnostics = parse(f"{field}\n")
    assert config is None
    assert [diagnostic.code for diagnostic in diagnostics] == ["wrong-value"]


def test_a_rule_can_be_turned_off():
    assert valid_config(STATE + "rules:\n  zone-unknown: off\n").rules == {"zone-unknown": "off"}


def test_the_severity_of_a_code_that_is_not_a_rule_cannot_be_changed():
    _, (diagnostic,) = parse(STATE + "rules:\n  zone-unknown: note\n  yaml-syntax: off\n")
    assert (diagnostic.code, diagnostic.span) == ("rule-fixed", Span("mlgit.yml", 4, 3))


def test_a_misspelt_rule_has_a_suggestion():
    _, (diagnostic,) = parse(STATE + "rules: {zone-unkown: note}\n")
    assert diagnostic.hint == "did you mean zone-unknown?"
