"""`--format json` of plan and apply: one event per line, valid for the schema; the last has the exit code."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit

from reconciler.format.schemas import is_valid_for_schema


def events(out: str) -> list[dict[str, object]]:
    parsed = [json.loads(line) for line in out.splitlines()]
    assert [event for event in parsed if not is_valid_for_schema(event, "event")] == []
    return parsed


def types(out: str) -> list[object]:
    return [event["type"] for event in events(out)]


def test_plan_writes_a_stream_of_events(small, mlgit):
    result = mlgit("plan", "--format", "json", "--detailed-exitcode", cwd=small)
    assert (result.code, result.err) == (2, "")
    assert types(result.out) == ["plan-started", *["action-planned"] * 6, "note", "plan-made", "ended"]
    assert events(result.out)[-1]["exit_code"] == 2


def test_a_diagnostic_is_an_event_and_standard_error_is_empty(small, mlgit):
    edit(small, "jobs/sum.yml", "environment:", "enviroment:")
    result = mlgit("plan", "--format", "json", cwd=small)
    assert (result.code, result.err) == (1, "")
    first, *_, last = [event for event in events(result.out) if event["type"] in {"diagnostic", "ended"}]
    assert (first["diagnostic"]["code"], first["diagnostic"]["path"]) == ("unknown-field", "jobs/sum.yml")
    assert (last["type"], last["exit_code"]) == ("ended", 1)


@pytest.mark.parametrize("name", ["plan", "apply"])
def test_outside_a_workspace_the_error_is_an_event(tmp_path, mlgit, name):
    result = mlgit(name, "--format", "json", cwd=tmp_path)
    assert (result.code, types(result.out)) == (1, ["diagnostic", "ended"])


def test_apply_writes_a_stream_of_events(applied, mlgit):
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    result = mlgit("apply", "--auto-approve", "--format", "json", cwd=applied)
    assert (result.code, result.err) == (0, "")
    assert types(result.out) == [
        "plan-started",
        "action-planned",
        "plan-made",
        "action-started",
        "action-done",
        "apply-ended",
        "ended",
    ]
    written = events(result.out)
    assert written[3]["key"] == written[1]["key"] == "update model/total"
    assert written[5]["done"] == 1


def test_apply_with_json_output_requires_approval_by_option(applied, mlgit):
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    result = mlgit("apply", "--format", "json", cwd=applied)
    assert result.code == 1
    assert [event["diagnostic"]["code"] for event in events(result.out) if event["type"] == "diagnostic"] == [
        "approval-needed"
    ]


@pytest.mark.slow
def test_waiting_for_a_run_writes_its_events(small, mlgit):
    script = (small / "src/sum.py").read_text("utf-8")
    commit(small, "lasts", {"src/sum.py": f"import time\ntime.sleep(2)\n{script}"})
    result = mlgit("apply", "--auto-approve", "--wait", "--format", "json", cwd=small)
    assert result.code == 0, result.err
    written = events(result.out)
    assert {"action-waiting", "message", "action-done", "run"} <= {str(event["type"]) for event in written}
    done = [event["key"] for event in written if event["type"] == "action-done"]
    assert done[-2:] == ["record job/sum", "register model/total"]


@pytest.mark.slow
def test_the_event_of_a_failed_action_has_diagnostics(small, mlgit):
    edit(small, "environments/plain.yml", "python>=3.11", "python>=4711")
    commit(small)
    result = mlgit("apply", "--auto-approve", "--format", "json", cwd=small)
    assert result.code == 1
    (failed,) = (event for event in events(result.out) if event["type"] == "action-failed")
    assert failed["diagnostics"]
    assert "action-skipped" in types(result.out)
