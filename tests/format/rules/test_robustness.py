"""Property test: rules yield diagnostics with spans for any JSON, and raise no errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import Span
from reconciler.format.kind import word_set
from reconciler.format.kinds import kinds
from reconciler.format.rule_context import RuleContext
from reconciler.format.rules import RULE_SETS
from reconciler.format.yaml import parse_yaml

# Words that rules look for, so that generated documents reach most branches.
WORDS = st.sampled_from(
    sorted(
        word_set("""
    name version type inputs outputs jobs a b path component trial command code environment image build conda_file
    compute settings default_compute resources conf entry file task search_space additional_includes create_job
    trigger expression schedule hours minutes time_zone start_time end_time interval schedules compute_start_stop
    traffic mirror_traffic credentials account_key sas_token password optional default min max enum values protocol
    sampling_algorithm early_termination limits objective primary_metric max_total_trials min_value max_value q mu sigma
    upper slack_factor evaluation_interval logbase
    min_instances max_instances code_configuration scoring_script training_data model job
""")
    )
)
TEXTS = st.one_of(
    WORDS,
    st.sampled_from(
        [
            "${{inputs.a}}",
            "${{parent.jobs.a.outputs.b}}",
            "${{parent.jobs.b.outputs.a}}",
            "${{parent.inputs.a}}",
            "${{inputs",
            "$[[ ${{ inputs.a }}",
            "${{}}",
            "${{...}}",
            "./it.yml",
            "file:it.yml",
            "azureml:a:1",
            "azureml:",
            "..",
            "/",
            "pipeline",
            "spark",
            "sweep",
            "choice",
            "qloguniform",
            "lognormal",
            "randint",
            "bandit",
            "mltable",
            "integer",
            "uri_file",
            "* * * * *",
            "9999-99-99",
            "0000-01-01",
            "1" * 5000,
            "²",
            "-",
        ]
    ),
    st.text(max_size=12),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(TEXTS, children, max_size=5)),
    max_leaves=30,
)
SPECS = st.dictionaries(WORDS, VALUES, max_size=8)


class SelfIncludingFiles:
    """A file reader that returns the same document for every path."""

    def __init__(self, raw):
        self._raw = raw

    def read_file(self, path):
        return self._raw

    def exists(self, path):
        return path.endswith("it.yml")

    def display_path(self, path):
        return path


@pytest.mark.parametrize("kind", kinds())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=SPECS)
def test_rules_raise_no_errors_for_any_json(kind, spec):
    raw = json.dumps(spec).encode()
    document, _ = parse_yaml("it.yml", raw)
    context = RuleContext("it.yml", document, spec, SelfIncludingFiles(raw))
    for rule in RULE_SETS[kinds()[kind].rule_set]:
        for diagnostic in rule(context):
            assert isinstance(diagnostic.span, Span)
            assert diagnostic.message
