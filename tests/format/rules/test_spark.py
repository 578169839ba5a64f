from __future__ import annotations

import pytest

from reconciler.format.rules import spark
from reconciler.format.rules.graph import pipeline_rule

CONF = "spark.driver.cores: 1, spark.driver.memory: 2g, spark.executor.cores: 1, spark.executor.memory: 2g"
DYNAMIC = "spark.dynamicAllocation"
NODES = [pipeline_rule(*spark.NODE_CHECKS)]


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        (f"{CONF}, spark.executor.instances: 1", None),
        (CONF, "spark-conf 3:1"),
        (f"{CONF}, {DYNAMIC}.enabled: true, {DYNAMIC}.minExecutors: 1, {DYNAMIC}.maxExecutors: 4", None),
        (f"{CONF}, {DYNAMIC}.enabled: true, {DYNAMIC}.minExecutors: 1", "spark-conf 3:1"),
        (f"{DYNAMIC}.minExecutors: 5, {DYNAMIC}.maxExecutors: 4, {DYNAMIC}.enabled: true, {CONF}", "spark-conf 3:46"),
        (f"{DYNAMIC}.minExecutors: 1, spark.executor.instances: 1, {CONF}", "spark-conf 3:8"),
    ],
)
def test_missing_and_inconsistent_executors_are_errors(check, conf, expected):
    text = f"type: spark\ncompute: azureml:c\nconf: {{{conf}}}\n"
    assert check(spark.JOB_RULES, text) == ([expected] if expected else [])


def test_spark_needs_either_a_compute_or_resources(check):
    conf = f"conf: {{{CONF}, spark.executor.instances: 1}}"
    assert check(spark.JOB_RULES, f"type: spark\n{conf}") == ["spark-compute 1:1"]
    both = f"type: spark\n{conf}\ncompute: c\nresources: {{instance_type: x}}"
    assert check(spark.JOB_RULES, both) == ["spark-compute 4:1"]
    assert check(NODES, f"type: spark\n{conf}") == []
    assert check(NODES, f"jobs:\n  a: {{type: spark, {conf}}}") == ["spark-compute 2:3"]


def test_the_settings_of_a_component_count_for_its_node(check):
    files = {"jobs/c.yml": f"conf: {{{CONF}, spark.executor.instances: 1}}"}
    assert check(NODES, "jobs:\n  a: {type: spark, compute: c, component: ./c.yml}", files) == []
    assert check(NODES, "jobs:\n  a: {type: spark, compute: c, component: {}}", files) == ["spark-conf 2:3"]
