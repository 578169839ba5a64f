"""Schedules, endpoints, environments, computes, Spark, datastores and secrets."""

from __future__ import annotations

import pytest

from reconciler.format.rules import datastores, endpoints, environments, instance_counts, schedules, secrets, spark
from reconciler.format.rules.graph import pipeline_rule


@pytest.mark.parametrize(
    "expression",
    ["0 * * * *", "*/15 0-6,12 1 JAN-mar sun", "15 10 * * 1", "0 18 1-31/2 * 7", "<CRON>"],
)
def test_a_cron_expression_that_is_one(found, expression):
    assert found(schedules.RULES, f"trigger: {{type: cron, expression: '{expression}'}}") == []


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("0 * * *", "a cron expression has 5 fields, not 4"),
        ("60 * * * *", "minute 60: 60 is not in 0 to 59"),
        ("0 24 * * *", "hour 24"),
        ("0 0 0 * *", "day 0"),
        ("0 0 * 13 *", "month 13"),
        ("0 0 * * funday", "day of the week funday"),
        ("*/0 * * * *", "0 is no step"),
        ("30-10 * * * *", "30 comes after 10"),
        ("1,,2 * * * *", "nothing is not in 0 to 59"),
        ("garbage", "not 1"),
    ],
)
def test_a_cron_expression_that_is_none(diagnostics, expression, why):
    (each,) = diagnostics(schedules.RULES, f"name: a\ntrigger:\n  expression: '{expression}'")
    assert (each.code, each.span.line, each.span.column) == ("cron-illegal", 3, 15)
    assert why in each.message


def test_hours_and_minutes_that_do_not_exist(found):
    text = """\
        trigger:
          interval: 0
          schedule:
            hours: [4, 24]
            minutes: [0, -1, 1.5]
            month_days: [1, -1, 0]
    """
    assert found(schedules.RULES, text) == [
        "recurrence-illegal 2:13",
        "recurrence-illegal 4:16",
        "recurrence-illegal 5:18",
        "recurrence-illegal 5:22",
        "recurrence-illegal 6:25",
    ]
    assert found(schedules.RULES, "trigger: {interval: 1, schedule: {hours: 23, minutes: [0, 59]}}") == []


def test_time_zones_have_names_of_windows(found):
    text = "trigger: {{time_zone: '{}'}}"
    assert found(schedules.RULES, text.format("pacific standard time")) == []
    assert found(schedules.RULES, text.format("UTC")) == []
    assert found(schedules.RULES, text.format("Europe/Berlin")) == ["zone-foreign 1:22 warning"]
    assert found(schedules.RULES, text.format("Pacific Time")) == ["zone-unknown 1:22"]


@pytest.mark.parametrize(
    ("start", "end", "problems"),
    [
        ("2022-07-10T10:00:00", "2022-07-11T10:00:00", []),
        ("2022-07-10T10:00:00", "2022-07-10T09:00:00", ["time-order 3:13"]),
        ("2022-07-10T10:00:00Z", "2022-07-10T09:00:00+02:00", []),
        ("2022-02-30", "2022-07-10 09:00", ["time-illegal 2:15"]),
        ("soon", "2022-07-10T25:00:00", ["time-illegal 2:15", "time-illegal 3:13"]),
    ],
)
def test_a_schedule_begins_before_it_ends(found, start, end, problems):
    assert found(schedules.RULES, f"trigger:\n  start_time: '{start}'\n  end_time: '{end}'") == problems


def test_starts_and_stops_of_a_compute_instance_are_schedules(found):
    text = "schedules:\n  compute_start_stop:\n    - trigger:\n        expression: 0 18 * *\n"
    assert found(schedules.RULES, text) == ["cron-illegal 4:21"]


@pytest.mark.parametrize(
    ("shares", "problems"),
    [
        ("{a: 60, b: 40}", []),
        ("{a: 0}", []),
        ("{a: '60', b: 50}", ["traffic-sum 1:1"]),
        ("{a: 60}", ["traffic-part 1:1 warning"]),
        ("{a: -10, b: 110}", ["traffic-share 1:14"]),
    ],
)
def test_traffic_adds_up_to_100(found, shares, problems):
    assert found(endpoints.ENDPOINT_RULES, f"traffic: {shares}") == problems


def test_traffic_is_mirrored_to_one_deployment_that_is_not_live(found):
    text = "traffic: {a: 100}\nmirror_traffic: {a: 10, b: 60}"
    assert found(endpoints.ENDPOINT_RULES, text) == [
        "traffic-mirror 2:1 warning",
        "traffic-mirror 2:21 warning",
        "traffic-mirror 2:28 warning",
    ]
    assert found(endpoints.ENDPOINT_RULES, "traffic: {a: 100}\nmirror_traffic: {b: 10}") == []


def test_a_deployment_has_something_to_serve(found):
    assert found(endpoints.DEPLOYMENT_RULES, "name: a") == ["deployment-empty 1:1 warning"]
    assert found(endpoints.DEPLOYMENT_RULES, "model: azureml:m:1") == []


def test_a_summary_is_written_to_no_file(found):
    text = "model: m\noutput_action: Summary_Only\noutput_file_name: a.csv"
    assert found(endpoints.DEPLOYMENT_RULES, text) == ["output-file-unused 3:1"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image: a\nbuild: {path: b}", "environment-both 2:1"),
        ("name: a\nconda_file: b", "environment-conda 2:1"),
        ("name: a", "environment-neither 1:1"),
        ("image: a\nconda_file: b", None),
        ("build: {path: b}", None),
    ],
)
def test_an_environment_has_an_image_or_a_build_context(found, text, problem):
    assert found(environments.ASSET_RULES, text) == ([problem] if problem else [])
    below = "environment:\n" + "".join(f"  {line}\n" for line in text.splitlines())
    assert len(found(environments.INLINE_RULES, below)) == bool(problem)
    assert len(found(environments.INLINE_RULES, "jobs:\n  a: {environment: {name: a}}\n")) == 1


def test_the_least_is_not_more_than_the_most(found):
    assert found(instance_counts.RULES, "min_instances: 5\nmax_instances: 4") == ["instances-order 1:16"]
    assert found(instance_counts.RULES, "scale_settings: {min_instances: '2', max_instances: '1'}") == [
        "instances-order 1:33"
    ]
    assert found(instance_counts.RULES, "min_instances: 0\nmax_instances: 4") == []


def test_there_are_no_fewer_than_no_machines(found):
    assert found(instance_counts.RULES, "min_instances: -1\nmax_instances: 4") == ["instances-negative 1:16"]
    assert found(instance_counts.RULES, "idle_time_before_scale_down: -1") == ["instances-negative 1:30"]


CONF = "spark.driver.cores: 1, spark.driver.memory: 2g, spark.executor.cores: 1, spark.executor.memory: 2g"
DYNAMIC = "spark.dynamicAllocation"
NODES = [pipeline_rule(*spark.NODE_CHECKS)]


@pytest.mark.parametrize(
    ("conf", "problem"),
    [
        (f"{CONF}, spark.executor.instances: 1", None),
        (CONF, "spark-conf 3:1"),
        (f"{CONF}, {DYNAMIC}.enabled: true, {DYNAMIC}.minExecutors: 1, {DYNAMIC}.maxExecutors: 4", None),
        (f"{CONF}, {DYNAMIC}.enabled: true, {DYNAMIC}.minExecutors: 1", "spark-conf 3:1"),
        (f"{DYNAMIC}.minExecutors: 5, {DYNAMIC}.maxExecutors: 4, {DYNAMIC}.enabled: true, {CONF}", "spark-conf 3:46"),
        (f"{DYNAMIC}.minExecutors: 1, spark.executor.instances: 1, {CONF}", "spark-conf 3:8"),
    ],
)
def test_executors_of_spark_add_up(found, conf, problem):
    text = f"type: spark\ncompute: azureml:c\nconf: {{{conf}}}\n"
    assert found(spark.JOB_RULES, text) == ([problem] if problem else [])


def test_spark_runs_on_a_compute_or_on_resources(found):
    conf = f"conf: {{{CONF}, spark.executor.instances: 1}}"
    assert found(spark.JOB_RULES, f"type: spark\n{conf}") == ["spark-compute 1:1"]
    both = f"type: spark\n{conf}\ncompute: c\nresources: {{instance_type: x}}"
    assert found(spark.JOB_RULES, both) == ["spark-compute 4:1"]
    assert found(NODES, f"type: spark\n{conf}") == []
    assert found(NODES, f"jobs:\n  a: {{type: spark, {conf}}}") == ["spark-compute 2:3"]


def test_a_node_takes_the_settings_of_its_component(found):
    held = {"jobs/c.yml": f"conf: {{{CONF}, spark.executor.instances: 1}}"}
    assert found(NODES, "jobs:\n  a: {type: spark, compute: c, component: ./c.yml}", held) == []
    assert found(NODES, "jobs:\n  a: {type: spark, compute: c, component: {}}", held) == ["spark-conf 2:3"]


def test_datastores_speak_known_protocols_with_one_key(found):
    assert found(datastores.RULES, "protocol: ftp") == ["protocol-unknown 1:11"]
    assert found(datastores.RULES, "protocol: WASBS") == []
    text = "credentials:\n  account_key: a\n  sas_token: b"
    assert found(datastores.RULES, text) == ["credentials-both 3:3"]


KEY = "bGl0dGxlIGZvb2xzIHdobyBwdXQgdGhlaXIga2V5cyBpbnRvIEdpdCwgcmVhbGx5IDEyMyE0NTY3ODkwCg"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"credentials:\n  account_key: {KEY}==", "secret-literal 2:16"),
        (f"environment_variables:\n  MY_API_KEY: {KEY}", "secret-literal 2:15"),
        (f"command: run 'AccountKey={KEY}=='", "secret-literal 1:26"),
        (f"path: https://a/b?sv=1&sig={KEY}", "secret-literal 1:28"),
        (f"# AccountKey={KEY}==\nname: a", "secret-literal 1:14"),
        ("a: |\n  -----BEGIN RSA PRIVATE KEY-----\n", "secret-literal 2:3"),
        ("ssh_settings:\n  admin_password: hunter2", "secret-suspected 2:19 warning"),
        ("credentials: {client_secret: tops}", "secret-suspected 1:30 warning"),
        ("environment_variables: {API_KEY: hunter2secret}", "secret-suspected 1:34 warning"),
        ("jobs: {a: {environment_variables: {DB_PASSWORD: hunter3}}}", "secret-suspected 1:49 warning"),
    ],
)
def test_a_secret_in_a_file_is_told_at_its_place(found, text, problem):
    assert found(secrets.RULES, text) == [problem]


@pytest.mark.parametrize(
    "value",
    [
        "XXXxxxXXXxXXXX",
        "<password>",
        "${{secrets.key}}",
        "dummy",
        "example-password",
        "'{{ key }}'",
        "''",
        "?xx=XXXX-XX&x=x",
    ],
)
def test_a_placeholder_is_no_secret(found, value):
    assert found(secrets.RULES, f"credentials:\n  password: {value}") == []


def test_a_message_never_shows_the_secret(diagnostics):
    (each,) = diagnostics(secrets.RULES, f"credentials:\n  account_key: {KEY}==")
    assert KEY not in str(each)
