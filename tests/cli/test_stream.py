"""`--format json` of plan and apply: one event a line, each in the published form, the exit code in the last one."""

from __future__ import annotations

import json

import pytest
from workspaces import commit, edit

from reconciler.format.schemas import is_valid_for_schema


def events(out: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in out.splitlines()]
    assert [each for each in found if not is_valid_for_schema(each, "event")] == []
    return found


def types(out: str) -> list[object]:
    return [event["type"] for event in events(out)]


def test_a_plan_is_a_stream_of_events(small, mlgit):
    ended = mlgit("plan", "--format", "json", "--detailed-exitcode", cwd=small)
    assert (ended.code, ended.err) == (2, "")
    assert types(ended.out) == ["plan-started", *["action-planned"] * 6, "plan-made", "ended"]
    assert events(ended.out)[-1]["exit_code"] == 2


def test_what_is_wrong_is_an_event_and_nothing_else_is_written(small, mlgit):
    edit(small, "jobs/sum.yml", "environment:", "enviroment:")
    ended = mlgit("plan", "--format", "json", cwd=small)
    assert (ended.code, ended.err) == (1, "")
    first, *_, last = [event for event in events(ended.out) if event["type"] in {"diagnostic", "ended"}]
    assert (first["diagnostic"]["code"], first["diagnostic"]["path"]) == ("unknown-field", "jobs/sum.yml")
    assert (last["type"], last["exit_code"]) == ("ended", 1)


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_outside_of_a_workspace_there_is_a_stream_too(tmp_path, mlgit, verb):
    ended = mlgit(verb, "--format", "json", cwd=tmp_path)
    assert (ended.code, types(ended.out)) == (1, ["diagnostic", "ended"])


def test_an_apply_is_a_stream_of_events(applied, mlgit):
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    ended = mlgit("apply", "--auto-approve", "--format", "json", cwd=applied)
    assert (ended.code, ended.err) == (0, "")
    assert types(ended.out) == [
        "plan-started",
        "action-planned",
        "plan-made",
        "action-started",
        "action-done",
        "apply-ended",
        "ended",
    ]
    found = events(ended.out)
    assert found[3]["key"] == found[1]["key"] == "update model/total"
    assert found[5]["done"] == 1


def test_a_program_is_not_asked(applied, mlgit):
    edit(applied, "models/total.yml", "name:", "description: the sum\nname:")
    commit(applied)
    ended = mlgit("apply", "--format", "json", cwd=applied)
    assert ended.code == 1
    assert [event["diagnostic"]["code"] for event in events(ended.out) if event["type"] == "diagnostic"] == [
        "approval-needed"
    ]


@pytest.mark.slow
def test_a_run_that_is_waited_for_is_told_of(small, mlgit, golden):
    ended = mlgit("apply", "--auto-approve", "--wait", "--format", "json", cwd=small)
    assert ended.code == 0, ended.err
    found = events(ended.out)
    assert {"action-waiting", "message", "action-done", "run"} <= {str(each["type"]) for each in found}
    done = [each["key"] for each in found if each["type"] == "action-done"]
    assert done[-2:] == ["record job/sum", "register model/total"]


@pytest.mark.slow
def test_a_failed_action_says_why(small, mlgit):
    edit(small, "environments/plain.yml", "python>=3.11", "python>=4711")
    commit(small)
    ended = mlgit("apply", "--auto-approve", "--format", "json", cwd=small)
    assert ended.code == 1
    (failed,) = (event for event in events(ended.out) if event["type"] == "action-failed")
    assert failed["diagnostics"]
    assert "action-skipped" in types(ended.out)
