from __future__ import annotations

import pytest

from reconciler.format.rules import instance_counts


def test_a_minimum_above_the_maximum_is_an_error(check):
    assert check(instance_counts.RULES, "min_instances: 5\nmax_instances: 4") == ["instances-order 1:16"]
    assert check(instance_counts.RULES, "scale_settings: {min_instances: '2', max_instances: '1'}") == [
        "instances-order 1:33"
    ]
    assert check(instance_counts.RULES, "min_instances: 0\nmax_instances: 4") == []


def test_negative_counts_are_errors(check):
    assert check(instance_counts.RULES, "min_instances: -1\nmax_instances: 4") == ["instances-negative 1:16"]
    assert check(instance_counts.RULES, "idle_time_before_scale_down: -1") == ["instances-negative 1:30"]


@pytest.mark.parametrize("value", ["-3", "0", '"-1"'])
@pytest.mark.parametrize("name", ["timeout", "trial_timeout"])
def test_a_time_limit_of_a_job_that_is_no_time_is_reported(check, name, value):
    assert check(instance_counts.JOB_RULES, f"limits: {{{name}: {value}}}") == [
        f"instances-negative 1:{12 + len(name)}"
    ]


def test_a_time_limit_of_a_node_that_is_no_time_is_reported(check):
    text = "jobs: {a: {limits: {timeout: 0}}, b: {type: sweep, limits: {trial_timeout: -1}}}"
    assert check(instance_counts.JOB_RULES, text) == ["instances-negative 1:30", "instances-negative 1:76"]


@pytest.mark.parametrize("value", ["-3", "0"])
def test_a_job_on_no_instance_is_reported(check, value):
    assert check(instance_counts.JOB_RULES, f"resources: {{instance_count: {value}}}") == ["instances-negative 1:29"]
    nodes = f"jobs: {{a: {{resources: {{instance_count: {value}}}}}}}"
    assert check(instance_counts.JOB_RULES, nodes) == ["instances-negative 1:40"]
    assert check(instance_counts.JOB_RULES, "resources: {instance_count: 1}") == []


def test_a_time_limit_of_a_job_may_be_any_time_or_absent(check):
    assert check(instance_counts.JOB_RULES, "limits: {timeout: 1, trial_timeout: 86400}") == []
    assert check(instance_counts.JOB_RULES, "command: echo") == []
