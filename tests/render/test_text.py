from __future__ import annotations

import json
from dataclasses import replace

import pytest
from planning.world import policy_of, small

from reconciler.diagnostics import Diagnostic, Severity, Span
from reconciler.model import (
    Action,
    Address,
    Asset,
    Blocked,
    Op,
    Plan,
    Record,
    ResolvedAsset,
    ResolvedReference,
    Run,
    RunStatus,
    SourceRevision,
)
from reconciler.render import plan_json, text
from reconciler.render.sentences import OP_SIGNS, action_sentence

JOB, MODEL, DATA = Address("job", "train"), Address("model", "iris"), Address("data", "iris")
RUN = Run("train-0000abcd", JOB, "0000abcd" * 5, "f", 1, "local", RunStatus.COMPLETED)
RECORD = Record(DATA, {}, "f", "m", 1, version="1")
MADE = ResolvedAsset(Asset(MODEL, {}, "m.yml"), {}, {"/path": ResolvedReference(JOB, RUN.id, "f", "model")}, "f", "m")
LR = {"before": {"inputs": {"lr": 0.1}}, "after": {"inputs": {"lr": 0.2}}}
DESCRIBED = {"before": {"description": "old"}, "after": {"description": "new"}}
CANCELS = Action(Op.CANCEL, JOB, version=RUN.id, record=RECORD, run=RUN, reason="run train-1111abcd supersedes it")

ACTIONS = (
    Action(Op.CREATE, Address("workspace", "w")),
    Action(Op.CREATE, Address("compute", "cpu"), reason="bound to backend local"),
    Action(Op.CREATE, Address("datastore", "archive")),
    Action(Op.UPDATE, DATA, version="1", record=RECORD, **DESCRIBED),
    Action(Op.UPDATE, Address("compute", "cpu"), record=RECORD, reason="backend local -> ray"),
    Action(Op.REPLACE, Address("compute", "cpu"), record=RECORD, before={"size": "a"}, after={"size": "b"}),
    Action(Op.NEW_VERSION, DATA, version="1", after={"path": "blob:1"}),
    Action(
        Op.NEW_VERSION,
        DATA,
        version="2",
        record=RECORD,
        before={"path": "blob:1"},
        after={"path": "blob:2"},
        changed_files={"/path": ("iris.csv",)},
    ),
    Action(Op.ARCHIVE, MODEL, version="2", record=RECORD, reason="it is no longer in Git"),
    Action(Op.DELETE, Address("compute", "cpu"), record=RECORD, reason="it is no longer in Git"),
    Action(Op.BUILD, Address("environment", "sklearn"), version="1", reason="with venv"),
    Action(Op.SUBMIT, JOB, run=RUN, version=RUN.id, after={}),
    Action(Op.SUBMIT, JOB, run=RUN, version=RUN.id, record=RECORD, **LR),
    Action(Op.SUBMIT, JOB, run=RUN, record=RECORD, reason="attempt 1 was lost (attempt 2 of 3)", **LR),
    Action(Op.SUBMIT, JOB, known_after=Address("job", "prepare"), record=RECORD, **LR),
    Action(Op.CANCEL, JOB, version=RUN.id, record=RECORD, run=RUN, reason="it is no longer in Git"),
    CANCELS,
    replace(CANCELS, reason="a newer run supersedes it", known_after=Address("job", "prepare")),
    Action(Op.ADOPT, JOB, run=RUN, record=RECORD),
    Action(Op.ADOPT, DATA, version="1", record=RECORD),
    Action(Op.RECORD, JOB, version=RUN.id, run=RUN),
    Action(Op.RECORD, JOB, version=RUN.id, run=replace(RUN, status=RunStatus.FAILED)),
    Action(Op.REGISTER, MODEL, version="1", resolved=MADE),
    Action(Op.REGISTER, MODEL, version="2", resolved=MADE, record=RECORD),
    Action(Op.REGISTER, MODEL, known_after=JOB),
    Action(Op.REPAIR, DATA, version="1", record=RECORD, reason="an object is gone from the store"),
    Action(Op.RENAME, DATA, version="2", record=RECORD, moved_from=Address("data", "flowers")),
)
POLICY = policy_of(small())
PENDING = (Blocked(JOB, "waits for job/prepare", run=RUN), Blocked(MODEL, "failed", failed=True))


def planned(*actions: Action, pending: tuple[Blocked, ...] = (), notes: tuple[str, ...] = ()) -> Plan:
    return Plan(SourceRevision("c", "t"), "s", actions, pending, notes=notes)


def test_every_action_is_a_sentence(golden):
    assert {action.op for action in ACTIONS} == set(Op) == set(OP_SIGNS)
    golden("render/sentences.txt", "".join(f"{OP_SIGNS[action.op]} {action_sentence(action)}\n" for action in ACTIONS))


def test_a_plan_is_its_verdict_its_actions_and_what_is_left_as_it_is(golden):
    found = text.format_plan(planned(*ACTIONS[6:8], ACTIONS[11], pending=PENDING, notes=("model/old is left alone",)))
    golden("render/plan.txt", found + "\n")


@pytest.mark.parametrize(
    ("plan", "verdict"),
    [
        (planned(), "No changes. The live state is what Git declares."),
        (planned(pending=PENDING), "No changes to make now; 1 waiting, 1 failed."),
        (planned(ACTIONS[0], pending=PENDING[1:]), "Plan: 1 change; 1 failed."),
        (replace(planned(), drift=("an image is gone",)), "No changes to make now; 1 thing drifted."),
        (replace(planned(), deselected_count=3), "No changes within the selection; 3 are left out."),
        (
            replace(planned(pending=PENDING[:1]), deselected_count=1),
            "No changes within the selection; 1 waiting; 1 is left out.",
        ),
        (planned(ACTIONS[0]), "Plan: 1 change."),
        (planned(*ACTIONS[:2]), "Plan: 2 changes."),
        (planned(ACTIONS[0], ACTIONS[11]), "Plan: 2 changes, starts 1 run."),
        (planned(ACTIONS[11], CANCELS), "Plan: 2 changes, starts 1 run, cancels 1 run."),
    ],
)
def test_the_verdict_comes_first(plan, verdict):
    assert text.format_plan(plan).splitlines()[0] == verdict


def test_a_diagnostic_shows_its_line_with_a_caret_and_what_to_do(golden):
    lines = ["name: iris", "descripton: x", "type: uri_fil"]
    found = [
        Diagnostic("unknown-field", "unknown field descripton", Span("data/iris.yml", 2), "did you mean description?"),
        Diagnostic("wrong-value", '"uri_fil" is not allowed here', Span("data/iris.yml", 3, 7)),
        Diagnostic("reference-dangling", "no such thing", Span("other.yml", 9, 9), severity=Severity.WARNING),
        Diagnostic("too-many-runs", "this plan starts 11 runs", hint="allow it"),
    ]
    shown = text.format_diagnostics(found, lambda path: lines if path == "data/iris.yml" else ())
    golden("render/diagnostics.txt", shown + "\n")


@pytest.mark.parametrize("span", [Span("f", 0, 1), Span("f", 2, 1), Span("f", 99, 99)])
def test_a_place_beyond_the_file_shows_no_line(span):
    assert text.format_diagnostics([Diagnostic("c", "m", span)], lambda _: ["one"]) == f"{span}: error: m [c]"


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], "3 files: fine."),
        (["error"], "3 files: 1 error, 0 warnings."),
        (["error", "error", "warning", "note"], "3 files: 2 errors, 1 warning."),
    ],
)
def test_a_validation_is_summed_up_in_a_line(severities, expected):
    assert (
        text.format_validation_summary(
            [Diagnostic("c", "m", severity=Severity(severity)) for severity in severities], 3
        )
        == expected
    )


def test_nested_values_are_an_outline():
    value = {"a": 1, "b": {"c": [1, {"d": "x"}]}, "e": [], "f": "one\ntwo\n", "g": "x\n" * 500, "h": True}
    expected = ["a: 1", "b:", "  c:", "    - 1", "    -", "      d: x", "e: []", "f:", "  one", "  two"]
    expected += ["g: (500 lines)", "h: true"]
    assert text.format_outline(value).splitlines() == expected


def test_a_plan_as_json_says_the_same_for_programs():
    whole = planned(*ACTIONS, pending=PENDING, notes=("note",))
    found = json.loads(plan_json.dump_json(plan_json.plan_body(whole, POLICY)))
    assert [each["sentence"] for each in found["actions"]] == [action_sentence(each) for each in ACTIONS]
    assert [each["action"] for each in found["actions"]] == [str(action.op) for action in ACTIONS]
    (change,) = found["actions"][12]["changes"]
    assert change == {"field": "inputs.lr", "change": "changed", "before": 0.1, "after": 0.2}
    assert found["actions"][14]["known_after"] == "job/prepare"
    assert [each["failed"] for each in found["pending"]] == [False, True]
    assert (found["tree"], found["notes"]) == ("t", ["note"])
    assert found["summary"] == {
        "changes": len(ACTIONS),
        "decisions": len(whole.decisions),
        "submissions": len(whole.submissions),
        "cancels": 3,
        "waiting": 1,
        "failed": 1,
        "drift": 0,
        "left_out": 0,
    }


def test_a_saved_plan_reads_as_the_plan_did():
    whole = replace(planned(*ACTIONS, pending=PENDING, notes=("note",)), drift=("an image is gone",))
    assert text.format_plan_body(plan_json.plan_body(whole, POLICY)) == text.format_plan(whole)


def test_of_a_huge_plan_the_beginning_is_shown_and_the_rest_counted():
    whole = planned(*(Action(Op.CREATE, Address("compute", f"c{n:05}")) for n in range(10_000)))
    lines = text.format_plan(whole).splitlines()
    assert lines[0] == "Plan: 10000 changes."
    assert len(lines) == text.MAX_SHOWN_ACTIONS + 3
    assert lines[-1] == f"  and {10_000 - text.MAX_SHOWN_ACTIONS} more; --format json has them all"
    assert text.format_plan_body(plan_json.plan_body(whole, POLICY)).splitlines() == lines


def test_diagnostics_as_json_have_their_place_or_none():
    found = [Diagnostic("a", "m", Span("f", 2, 3), "h"), Diagnostic("b", "n", severity=Severity.WARNING)]
    first, second = plan_json.diagnostics_to_json(found, 5)["diagnostics"]
    assert (first["path"], first["line"], first["column"], first["hint"]) == ("f", 2, 3, "h")
    assert (second["path"], second["severity"]) == (None, "warning")


def test_what_is_live_and_what_is_declared_is_shown_without_its_secrets():
    spec = {"environment_variables": {"DB_PASSWORD": "hunter2", "LOG": "all"}}
    for shown in (
        plan_json.record_to_json(Record(JOB, spec, "f", "m", 1)),
        plan_json.asset_to_json(Asset(JOB, spec, "j.yml"), "j.yml"),
    ):
        assert shown["spec"] == {"environment_variables": {"DB_PASSWORD": "(secret)", "LOG": "all"}}
    store = Asset(Address("datastore", "s"), {"credentials": {"account_key": "hunter2", "user": "hunter2"}}, "s.yml")
    assert "hunter2" not in repr(plan_json.asset_to_json(store, "s.yml"))


def test_a_model_that_a_run_makes_anew_says_what_else_differs():
    before, after = {"path": "blob:1", "type": "mlflow_model"}, {"path": str(MADE.references["/path"])}
    after["type"] = "custom_model"
    action = Action(Op.REGISTER, MODEL, version="2", resolved=MADE, record=RECORD, before=before, after=after)
    because = "because type mlflow_model -> custom_model"
    assert action_sentence(action) == f"model/iris: new version 2 from run {RUN.id} {because}"


def test_a_record_and_a_run_as_json_leave_out_what_is_empty():
    assert plan_json.record_to_json(RECORD) == {
        "address": "data/iris",
        "version": "1",
        "archived": False,
        "fingerprint": "f",
    }
    shown = plan_json.run_to_json(RUN)
    assert shown == {"run": RUN.id, "job": "job/train", "status": "completed", "attempt": 1, "backend": "local"}
