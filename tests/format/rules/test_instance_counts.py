from __future__ import annotations

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
