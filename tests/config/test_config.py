from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import __version__
from reconciler.config.config import parse_config
from reconciler.diagnostics import Span, has_errors
from reconciler.format.include import IncludeGlob
from reconciler.format.yaml import parse_yaml

STATE = 'state: {name: small, lineage: "11111111111111111111111111111111"}\n'


def config(text: str):
    document, unreadable = parse_yaml("mlgit.yml", text.encode())
    assert unreadable == ()
    return parse_config(document)


def test_what_is_left_out_has_a_default():
    found, problems = config(STATE)
    assert problems == ()
    assert found is not None
    assert (found.state, found.lineage, found.target) == ("small", "1" * 32, "default")
    assert (found.store, found.builder, found.submit_limit, found.retries) == (".mlgit/store", "venv", 10, 2)
    assert found.include == (IncludeGlob("**/*.yml"), IncludeGlob("**/*.yaml"))
    assert found.backend_of("anything") == "local"


def test_what_is_said_counts():
    found, _ = config(
        STATE
        + "assets: {include: [{glob: a/*.yml, run: manual}, {glob: b}], exclude: [c]}\n"
        + "backends: {here: {type: local}, there: {type: ray}}\ncompute: {gpu: there, '*': here}\n"
        + "limits: {submit: 0}\nretries: 0\nstore: {path: ../store}\nbuilder: conda\n"
    )
    assert found is not None
    assert found.include == (IncludeGlob("a/*.yml", runs_on_change=False), IncludeGlob("b"))
    assert (found.exclude, found.submit_limit, found.retries) == (("c",), 0, 0)
    assert (found.backend_of("gpu"), found.backend_of("cpu")) == ("there", "here")


def test_what_the_controller_and_drift_go_by_can_be_said():
    assert [(each.runs_per_day, dict(each.drift)) for each in (config(STATE)[0],) if each] == [(5, {})]
    found, _ = config(STATE + 'limits: {runs_per_day: 1}\ndrift: {"data/*": ignore, job: warn}\n')
    assert found is not None
    assert (found.runs_per_day, found.drift) == (1, {"data/*": "ignore", "job": "warn"})


def test_what_becomes_of_superseded_runs_can_be_said():
    said = ("", "on_supersede: finish\n", "on_supersede: cancel\n")
    assert [found and found.cancel_superseded for found, _ in map(config, (STATE + each for each in said))] == [
        False,
        False,
        True,
    ]


def test_a_compute_without_a_backend_has_none():
    found, _ = config(STATE + "compute: {gpu: local}\n")
    assert found is not None
    assert found.backend_of("cpu") == ""


def test_a_backend_that_is_not_there_is_refused_at_its_line():
    found, (problem,) = config(STATE + "compute:\n  gpu: locl\n")
    assert found is not None
    assert (problem.code, problem.span) == ("backend-unknown", Span("mlgit.yml", 3, 8))
    assert problem.hint == "backends there are: local"


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
        "- 1\n",
    ],
)
def test_what_is_wrong_gives_a_problem_with_its_place_and_no_configuration(text):
    found, problems = config(text)
    assert found is None
    assert has_errors(problems)
    assert all(problem.span is not None and problem.span.path == "mlgit.yml" for problem in problems)


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
def test_any_settings_give_a_configuration_or_problems_and_never_raise(values):
    document, _ = parse_yaml("mlgit.yml", STATE.encode())
    document = replace(document, data={**document.data, **values})
    found, problems = parse_config(document)
    assert found is not None or problems


@pytest.mark.parametrize(
    "field", ['state: {name: "a\\n", lineage: "%s"}' % ("1" * 32), 'state: {name: a, lineage: "%s\\n"}' % ("1" * 32)]
)
def test_a_line_break_at_the_end_is_no_part_of_a_name(field):
    found, problems = config(f"{field}\n")
    assert found is None
    assert [problem.code for problem in problems] == ["wrong-value"]


@pytest.mark.parametrize("wanted", [">=0.0.1", ">=0.0.1,<99", "!=99.0"])
def test_a_version_that_fits_may_work_here(wanted):
    found, problems = config(f'requires: "{wanted}"\n{STATE}')
    assert found is not None
    assert problems == ()


def test_another_version_is_refused_before_its_fields_are_judged():
    found, (problem,) = config(f'requires: ">=99"\nwhatever: 1\n{STATE}')
    assert found is None
    assert (problem.code, problem.span) == ("requires-unmet", Span("mlgit.yml", 1, 11))
    assert ">=99" in problem.message
    assert __version__ in problem.message


def test_versions_that_are_none_are_refused_at_their_line():
    found, (problem,) = config(f"requires: newest\n{STATE}")
    assert found is None
    assert (problem.code, problem.span) == ("wrong-value", Span("mlgit.yml", 1, 11))
