from __future__ import annotations

import pytest

from reconciler.format.rules import schedules

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    "expression",
    ["0 * * * *", "*/15 0-6,12 1 JAN-mar sun", "15 10 * * 1", "0 18 1-31/2 * 7", "<CRON>"],
)
def test_valid_cron_expressions_have_no_diagnostics(check, expression):
    assert check(schedules.RULES, f"trigger: {{type: cron, expression: '{expression}'}}") == []


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("0 * * *", "a cron expression has 5 fields, not 4"),
        ("60 * * * *", "minute 60: 60 is not in 0 to 59"),
        ("0 24 * * *", "hour 24"),
        ("0 0 0 * *", "day 0"),
        ("0 0 * 13 *", "month 13"),
        ("0 0 * * funday", "day of the week funday"),
        ("*/0 * * * *", "0 is not a valid step"),
        ("30-10 * * * *", "30 is greater than 10"),
        ("1,,2 * * * *", "nothing is not in 0 to 59"),
        ("garbage", "not 1"),
    ],
)
def test_invalid_cron_expressions_are_errors(diagnose, expression, reason):
    (diagnostic,) = diagnose(schedules.RULES, f"name: a\ntrigger:\n  expression: '{expression}'")
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("cron-illegal", 3, 15)
    assert reason in diagnostic.message


def test_recurrences_out_of_range_are_errors(check):
    text = """\
        trigger:
          interval: 0
          schedule:
            hours: [4, 24]
            minutes: [0, -1, 1.5]
            month_days: [1, -1, 0]
    """
    assert check(schedules.RULES, text) == [
        "recurrence-illegal 2:13",
        "recurrence-illegal 4:16",
        "recurrence-illegal 5:18",
        "recurrence-illegal 5:22",
        "recurrence-illegal 6:25",
    ]
    assert check(schedules.RULES, "trigger: {interval: 1, schedule: {hours: 23, minutes: [0, 59]}}") == []


def test_time_zones_without_a_windows_name_are_diagnosed(check):
    text = "trigger: {{time_zone: '{}'}}"
    assert check(schedules.RULES, text.format("pacific standard time")) == []
    assert check(schedules.RULES, text.format("UTC")) == []
    assert check(schedules.RULES, text.format("Europe/Berlin")) == ["zone-foreign 1:22 warning"]
    assert check(schedules.RULES, text.format("Pacific Time")) == ["zone-unknown 1:22"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2022-07-10T10:00:00", "2022-07-11T10:00:00", []),
        ("2022-07-10T10:00:00", "2022-07-10T09:00:00", ["time-order 3:13"]),
        ("2022-07-10T10:00:00Z", "2022-07-10T09:00:00+02:00", []),
        ("2022-02-30", "2022-07-10 09:00", ["time-illegal 2:15"]),
        ("soon", "2022-07-10T25:00:00", ["time-illegal 2:15", "time-illegal 3:13"]),
    ],
)
def test_invalid_times_and_an_end_before_the_start_are_errors(check, start, end, expected):
    assert check(schedules.RULES, f"trigger:\n  start_time: '{start}'\n  end_time: '{end}'") == expected


def test_schedules_of_a_compute_instance_are_checked(check):
    text = "schedules:\n  compute_start_stop:\n    - trigger:\n        expression: 0 18 * *\n"
    assert check(schedules.RULES, text) == ["cron-illegal 4:21"]
