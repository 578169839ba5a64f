from __future__ import annotations

import pytest

from reconciler.format.rules import endpoints

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ("{a: 60, b: 40}", []),
        ("{a: 0}", []),
        ("{a: '60', b: 50}", ["traffic-sum 1:1"]),
        ("{a: 60}", ["traffic-part 1:1 warning"]),
        ("{a: -10, b: 110}", ["traffic-share 1:14"]),
    ],
)
def test_traffic_that_does_not_add_up_to_100_is_diagnosed(check, shares, expected):
    assert check(endpoints.ENDPOINT_RULES, f"traffic: {shares}") == expected


def test_mirrored_traffic_that_the_service_rejects_is_a_warning(check):
    text = "traffic: {a: 100}\nmirror_traffic: {a: 10, b: 60}"
    assert check(endpoints.ENDPOINT_RULES, text) == [
        "traffic-mirror 2:1 warning",
        "traffic-mirror 2:21 warning",
        "traffic-mirror 2:28 warning",
    ]
    assert check(endpoints.ENDPOINT_RULES, "traffic: {a: 100}\nmirror_traffic: {b: 10}") == []


def test_a_deployment_without_a_model_and_an_environment_is_a_warning(check):
    assert check(endpoints.DEPLOYMENT_RULES, "name: a") == ["deployment-empty 1:1 warning"]
    assert check(endpoints.DEPLOYMENT_RULES, "model: azureml:m:1") == []


def test_an_output_file_name_with_summary_only_is_an_error(check):
    text = "model: m\noutput_action: Summary_Only\noutput_file_name: a.csv"
    assert check(endpoints.DEPLOYMENT_RULES, text) == ["output-file-unused 3:1"]
