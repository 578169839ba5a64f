"""Text and JSON of plans, actions, diagnostics and records."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from planning.project import plan_options_of, small

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
from reconciler.render import outline, plan_json, text
from reconciler.render.sentences import OP_SIGNS, action_sentence

pytestmark = pytest.mark.fast

JOB, MODEL, DATA = Address("job", "train"), Address("model", "iris"), Address("data", "iris")
RUN = Run("train-0000abcd", JOB, "0000abcd" * 5, "f", 1, "local", RunStatus.COMPLETED)
RECORD = Record(DATA, {}, "f", "m", 1, version="1")
RUN_OUTPUT_MODEL = ResolvedAsset(
    Asset(MODEL, {}, "m.yml"), {}, {"/path": ResolvedReference(JOB, RUN.id, "f", "model")}, "f", "m"
)
LR_CHANGE = {"before": {"inputs": {"lr": 0.1}}, "after": {"inputs": {"lr": 0.2}}}
DESCRIPTION_CHANGE = {"before": {"description": "old"}, "after": {"description": "new"}}
CANCEL_ACTION = Action(
    Op.CANCEL, JOB, version=RUN.id, record=RECORD, run=RUN, reason="run train-1111abcd supersedes it"
)

ACTIONS = (
    Action(Op.CREATE, Address("workspace", "w")),
    Action(Op.CREATE, Address("compute", "cpu"), reason="bound to backend local"),
    Action(Op.CREATE, Address("datastore", "archive")),
    Action(Op.UPDATE, DATA, version="1", record=RECORD, **DESCRIPTION_CHANGE),
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
    Action(Op.SUBMIT, JOB, run=RUN, version=RUN.id, record=RECORD, **LR_CHANGE),
    Action(Op.SUBMIT, JOB, run=RUN, record=RECORD, reason="attempt 1 was lost (attempt 2 of 3)", **LR_CHANGE),
    Action(Op.SUBMIT, JOB, known_after=Address("job", "prepare"), record=RECORD, **LR_CHANGE),
    Action(Op.CANCEL, JOB, version=RUN.id, record=RECORD, run=RUN, reason="it is no longer in Git"),
    CANCEL_ACTION,
    CANCEL_ACTION._replace(reason="a newer run supersedes it", known_after=Address("job", "prepare")),
    Action(Op.ADOPT, JOB, run=RUN, record=RECORD),
    Action(Op.ADOPT, DATA, version="1", record=RECORD),
    Action(Op.RECORD, JOB, version=RUN.id, run=RUN),
    Action(Op.RECORD, JOB, version=RUN.id, run=replace(RUN, status=RunStatus.FAILED)),
    Action(Op.REGISTER, MODEL, version="1", resolved=RUN_OUTPUT_MODEL),
    Action(Op.REGISTER, MODEL, version="2", resolved=RUN_OUTPUT_MODEL, record=RECORD),
    Action(Op.REGISTER, MODEL, known_after=JOB),
    Action(Op.REPAIR, DATA, version="1", record=RECORD, reason="an object is gone from the store"),
    Action(Op.RENAME, DATA, version="2", record=RECORD, moved_from=Address("data", "flowers")),
)
POLICY = plan_options_of(small())
BLOCKED = (Blocked(JOB, "waits for job/prepare", run=RUN), Blocked(MODEL, "failed", failed=True))


def make_plan(*actions: Action, blocked: tuple[Blocked, ...] = (), notes: tuple[str, ...] = ()) -> Plan:
    return Plan(SourceRevision("c", "t"), "s", actions, blocked, notes=notes)


def test_every_action_has_a_sign_and_a_sentence(golden):
    assert {action.op for action in ACTIONS} == set(Op) == set(OP_SIGNS)
    golden("render/sentences.txt", "".join(f"{OP_SIGNS[action.op]} {action_sentence(action)}\n" for action in ACTIONS))


def test_a_plan_shows_its_summary_its_actions_and_what_is_blocked(golden):
    rendered = text.format_plan(
        make_plan(*ACTIONS[6:8], ACTIONS[11], blocked=BLOCKED, notes=("model/old is left alone",))
    )
    golden("render/plan.txt", rendered + "\n")


@pytest.mark.parametrize(
    ("plan", "verdict"),
    [
        (make_plan(), "No changes. The live state is what Git declares."),
        (make_plan(blocked=BLOCKED), "No changes to make now; 1 waiting, 1 failed."),
        (make_plan(ACTIONS[0], blocked=BLOCKED[1:]), "Plan: 1 change; 1 failed."),
        (make_plan()._replace(drift=("an image is gone",)), "No changes to make now; 1 thing drifted."),
        (make_plan()._replace(deselected_count=3), "No changes within the selection; 3 are left out."),
        (
            make_plan(blocked=BLOCKED[:1])._replace(deselected_count=1),
            "No changes within the selection; 1 waiting; 1 is left out.",
        ),
        (make_plan(ACTIONS[0]), "Plan: 1 change."),
        (make_plan(*ACTIONS[:2]), "Plan: 2 changes."),
        (make_plan(ACTIONS[0], ACTIONS[11]), "Plan: 2 changes, starts 1 run."),
        (make_plan(ACTIONS[11], CANCEL_ACTION), "Plan: 2 changes, starts 1 run, cancels 1 run."),
    ],
)
def test_the_first_line_is_the_summary(plan, verdict):
    assert text.format_plan(plan).splitlines()[0] == verdict


def test_a_diagnostic_shows_its_line_with_a_caret_and_what_to_do(golden):
    lines = ["name: iris", "descripton: x", "type: uri_fil"]
    diagnostics = [
        Diagnostic("unknown-field", "unknown field descripton", Span("data/iris.yml", 2), "did you mean description?"),
        Diagnostic("wrong-value", '"uri_fil" is not allowed here', Span("data/iris.yml", 3, 7)),
        Diagnostic("reference-dangling", "no such thing", Span("other.yml", 9, 9), severity=Severity.WARNING),
        Diagnostic("too-many-runs", "this plan starts 11 runs", hint="allow it"),
    ]
    rendered = text.format_diagnostics(diagnostics, lambda path: lines if path == "data/iris.yml" else ())
    golden("render/diagnostics.txt", rendered + "\n")


@pytest.mark.parametrize("span", [Span("f", 0, 1), Span("f", 2, 1), Span("f", 99, 99)])
def test_a_position_outside_the_file_shows_no_source_line(span):
    assert text.format_diagnostics([Diagnostic("c", "m", span)], lambda _: ["one"]) == f"{span}: error: m [c]"


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], "3 files: fine."),
        (["error"], "3 files: 1 error, 0 warnings."),
        (["error", "error", "warning", "note"], "3 files: 2 errors, 1 warning."),
    ],
)
def test_a_validation_is_summarized_in_one_line(severities, expected):
    assert (
        text.format_validation_summary(
            [Diagnostic("c", "m", severity=Severity(severity)) for severity in severities], 3
        )
        == expected
    )


def test_nested_values_are_written_as_an_indented_outline():
    value = {"a": 1, "b": {"c": [1, {"d": "x"}]}, "e": [], "f": "one\ntwo\n", "g": "x\n" * 500, "h": True}
    expected = ["a: 1", "b:", "  c:", "    - 1", "    -", "      d: x", "e: []", "f:", "  | one", "  | two"]
    expected += ["g: (500 lines)", "h: true"]
    assert outline.format_outline(value).splitlines() == expected


def test_the_json_of_a_plan_has_the_sentences_and_counts_of_its_text():
    plan = make_plan(*ACTIONS, blocked=BLOCKED, notes=("note",))
    body = json.loads(plan_json.dump_json(plan_json.plan_body(plan, POLICY)))
    assert [entry["sentence"] for entry in body["actions"]] == [action_sentence(action) for action in ACTIONS]
    assert [entry["action"] for entry in body["actions"]] == [str(action.op) for action in ACTIONS]
    (change,) = body["actions"][12]["changes"]
    assert change == {"field": "inputs.lr", "change": "changed", "before": 0.1, "after": 0.2}
    assert body["actions"][14]["known_after"] == "job/prepare"
    assert [entry["failed"] for entry in body["pending"]] == [False, True]
    assert (body["tree"], body["notes"]) == ("t", ["note"])
    assert body["summary"] == {
        "changes": len(ACTIONS),
        "decisions": len(plan.decisions),
        "submissions": len(plan.submissions),
        "cancels": 3,
        "waiting": 1,
        "refused": 0,
        "failed": 1,
        "manual": 0,
        "cannot_run": 0,
        "drift": 0,
        "left_out": 0,
    }


def test_a_saved_plan_has_the_same_text_as_the_plan():
    plan = make_plan(*ACTIONS, blocked=BLOCKED, notes=("note",))._replace(drift=("an image is gone",))
    assert text.format_plan_body(plan_json.plan_body(plan, POLICY)) == text.format_plan(plan)


@pytest.mark.slow
def test_a_huge_plan_is_cut_and_the_other_actions_are_counted():
    plan = make_plan(*(Action(Op.CREATE, Address("compute", f"c{n:05}")) for n in range(10_000)))
    lines = text.format_plan(plan).splitlines()
    assert lines[0] == "Plan: 10000 changes."
    assert len(lines) == text.MAX_SHOWN_ACTIONS + 3
    assert lines[-1] == f"  and {10_000 - text.MAX_SHOWN_ACTIONS} more; --format json has them all"
    assert text.format_plan_body(plan_json.plan_body(plan, POLICY)).splitlines() == lines


def test_diagnostics_as_json_have_their_position_or_null():
    diagnostics = [Diagnostic("a", "m", Span("f", 2, 3), "h"), Diagnostic("b", "n", severity=Severity.WARNING)]
    first, second = plan_json.diagnostics_to_json(diagnostics, 5)["diagnostics"]
    assert (first["path"], first["line"], first["column"], first["hint"]) == ("f", 2, 3, "h")
    assert (second["path"], second["severity"]) == (None, "warning")


def test_records_and_declared_assets_are_shown_without_secrets():
    spec = {"environment_variables": {"DB_PASSWORD": "hunter2", "LOG": "all"}}
    for document in (
        plan_json.record_to_json(Record(JOB, spec, "f", "m", 1)),
        plan_json.asset_to_json(Asset(JOB, spec, "j.yml"), "j.yml"),
    ):
        assert document["spec"] == {"environment_variables": {"DB_PASSWORD": "(secret)", "LOG": "all"}}
    datastore = Asset(
        Address("datastore", "s"), {"credentials": {"account_key": "hunter2", "user": "hunter2"}}, "s.yml"
    )
    assert "hunter2" not in repr(plan_json.asset_to_json(datastore, "s.yml"))


def test_a_new_model_version_from_a_run_names_the_other_changes():
    before, after = {"path": "blob:1", "type": "mlflow_model"}, {"path": str(RUN_OUTPUT_MODEL.references["/path"])}
    after["type"] = "custom_model"
    action = Action(
        Op.REGISTER, MODEL, version="2", resolved=RUN_OUTPUT_MODEL, record=RECORD, before=before, after=after
    )
    reason = "because type mlflow_model -> custom_model"
    assert action_sentence(action) == f"model/iris: new version 2 from run {RUN.id} {reason}"


def test_the_json_of_a_record_and_a_run_omits_empty_values():
    assert plan_json.record_to_json(RECORD) == {
        "address": "data/iris",
        "version": "1",
        "archived": False,
        "fingerprint": "f",
    }
    document = plan_json.run_to_json(RUN)
    assert document == {"run": RUN.id, "job": "job/train", "status": "completed", "attempt": 1, "backend": "local"}


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (0, ""),
        (1, "1 job is run by hand: `mlgit job rerun j0`"),
        (20, "20 jobs are run by hand (`mlgit job rerun JOB`): j0, j1, j2 and 17 more"),
    ],
)
def test_jobs_that_are_run_by_hand_are_one_line_with_their_number(count, line):
    manual = tuple(Blocked(Address("job", f"j{n}"), "is run by hand", manual=True) for n in range(count))
    plan = Plan(SourceRevision("c", "t"), "", (), (*manual, Blocked(MODEL, "waits for job/j0")))
    printed = text.format_plan(plan)
    body = plan_json.plan_body(plan, plan_options_of(small()))
    assert text.format_plan_body(body) == printed
    assert printed.startswith("No changes to make now; 1 waiting.\n\nWaiting:\n  model/iris: waits for job/j0")
    assert printed.count("by hand") == bool(count)
    assert printed.endswith(line)
    assert (body["summary"]["waiting"], body["summary"]["manual"]) == (1, count)
