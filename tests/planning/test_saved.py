"""Saved plans: their bytes are reproducible; files that were edited or are out of date are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning.project import NUMBERS, SUM, TOTAL, InMemoryProject, action_keys, edited, plan_options_of, small
from planning.test_plan import EDITS

from reconciler.diagnostics import UserError
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.schemas import is_valid_for_schema
from reconciler.model import Op, Plan, RunStatus
from reconciler.planning.preconditions import collect_preconditions, record_etag
from reconciler.planning.saved import (
    SavedPlan,
    dump_plan_file,
    options_of_saved_plan,
    parse_plan_file,
    plan_body_digest,
    raise_if_stale,
    restrict_to_saved_plan,
    stale_preconditions,
)
from reconciler.render import plan_json

DATA, PARAMETER = EDITS["data"], EDITS["parameter"]


def saved(plan: Plan, **asked: Any) -> SavedPlan:
    body = json.loads(json.dumps(plan_json.plan_body(plan, plan_options_of(small())._replace(**asked))))
    envelope = {
        "commit": "c",
        "dirty": False,
        "state": "s",
        "tool": "1",
        "made_at": "now",
        "digest": plan_body_digest(body),
    }
    return SavedPlan(envelope, body)


@pytest.fixture
def project() -> InMemoryProject:
    saved_plan = InMemoryProject()
    saved_plan.converge(small())
    return saved_plan


def refused(text: str) -> Any:
    with pytest.raises(UserError) as error:
        parse_plan_file("plan.json", text.encode())
    return error.value.diagnostics[0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)), max_size=3), st.sampled_from(sorted(EDITS)))
def test_the_body_is_a_function_of_the_tree_and_the_live_state(path, last):
    project = InMemoryProject()
    for name in path:
        project.apply(EDITS[name])
        project.end(RunStatus.COMPLETED)
    first, second = (saved(project.plan(EDITS[last])) for _ in range(2))
    assert dump_plan_file(first) == dump_plan_file(second)
    whole = json.loads(dump_plan_file(first))
    assert is_valid_for_schema(whole, "plan"), whole
    assert parse_plan_file("plan.json", dump_plan_file(first).encode()) == first


def test_the_digest_leaves_out_the_tree_and_nothing_else(project):
    body = saved(project.plan(PARAMETER)).body
    assert plan_body_digest({**body, "tree": "another"}) == plan_body_digest(body)
    for name in body.keys() - {"tree"}:
        assert plan_body_digest({**body, name: "another"}) != plan_body_digest(body)


def test_a_file_that_is_no_plan_is_refused_with_its_position():
    result = refused('{"format": 1,\n "body" {}}')
    assert (result.code, str(result.span)) == ("plan-file", "plan.json:2:9")
    assert refused("[]").code == "plan-file"
    assert refused('{"format": "1"}').code == "plan-file"
    assert refused("[" * 100_000).code == "plan-file"


def test_a_file_that_violates_the_schema_is_refused_with_its_position(project):
    text = dump_plan_file(saved(project.plan(PARAMETER))).replace('"submissions": 1', '"submissions": "one"')
    result = refused(text)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if '"submissions"' in line)
    assert result.span.line == line


def test_a_plan_of_a_newer_mlgit_is_refused(project):
    whole = json.loads(dump_plan_file(saved(project.plan(PARAMETER))))
    assert refused(json.dumps({**whole, "format": 2})).code == "plan-newer"


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["version", "fingerprint", "sentence", "key"]), st.text(min_size=1, max_size=5))
def test_a_plan_that_was_edited_is_refused(field, text):
    whole = json.loads(dump_plan_file(saved(InMemoryProject().plan(small()))))
    whole["body"]["actions"][1][field] += text
    assert refused(json.dumps(whole)).code == "plan-edited"


def test_the_policy_is_read_back_from_the_file(project):
    plan = project.plan(small(), requested=frozenset({SUM}), select=("job",))
    result = saved(plan, replace=frozenset({SUM}), select=("job",), allow_submit=3, allow_mass_delete=True)
    config = plan_options_of(small()).config
    assert options_of_saved_plan(result, config) == plan_options_of(small())._replace(
        replace=frozenset({SUM}), select=("job",), allow_submit=3, allow_mass_delete=True
    )


def test_preconditions_are_what_actions_change_and_reference(project):
    plan = project.plan(PARAMETER)
    assert sorted(plan.preconditions) == ["data/numbers", "environment/plain", "job/sum", "model/total"]
    assert plan.preconditions["data/numbers"] == record_etag(project.records[NUMBERS])
    assert project.plan(small()).preconditions == {}
    assert (
        collect_preconditions(InMemoryProject().plan(small()).actions, InMemoryProject().state())["model/total"] == ""
    )


def test_a_changed_precondition_makes_a_plan_stale(project):
    saved_plan = saved(project.plan(PARAMETER))
    assert stale_preconditions(saved_plan, project.state()) == ()
    project.converge(DATA)
    assert [stale_precondition.address for stale_precondition in stale_preconditions(saved_plan, project.state())] == [
        "data/numbers",
        "job/sum",
        "model/total",
    ]
    with pytest.raises(UserError, match="data/numbers was version 1 and is version 2") as error:
        raise_if_stale(saved_plan, project.state())
    assert error.value.diagnostics[0].code == "plan-stale"


def test_other_records_may_change(project):
    saved_plan = saved(project.plan(edited("models/total.yml", "name: total", "name: total\ndescription: new")))
    described = edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new")
    project.converge(described)
    assert stale_preconditions(saved_plan, project.state()) == ()


def test_a_record_that_changed_within_its_version_is_reported_as_changed(project):
    saved_plan = saved(project.plan(DATA))
    project.apply(edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new"))
    assert [str(stale_precondition) for stale_precondition in stale_preconditions(saved_plan, project.state())] == [
        "data/numbers (version 1) was changed"
    ]


def test_planning_again_gives_the_saved_plan(project):
    plan = project.plan(DATA)
    assert restrict_to_saved_plan(saved(plan), plan, project.state()) == plan


def test_a_decision_that_differs_now_is_refused(project):
    plan = project.plan(PARAMETER)
    other = project.plan(edited("jobs/sum.yml", "factor: 2", "factor: 4"))
    with pytest.raises(UserError, match="a different result: submit job/sum") as error:
        restrict_to_saved_plan(saved(plan), other, project.state())
    assert error.value.diagnostics[0].code == "plan-differs"
    with pytest.raises(UserError, match="submit job/sum"):
        restrict_to_saved_plan(saved(plan), project.plan(small()), project.state())


def test_new_decisions_and_their_dependents_are_left_out(project):
    saved_plan = saved(project.plan(edited("models/total.yml", "name: total", "name: total\ndescription: new")))
    both = edited("models/total.yml", "name: total", "name: total\ndescription: new", DATA)
    partial_project = InMemoryProject(dict(project.records), dict(project.versions), dict(project.runs))
    saved_plan = replace(saved_plan, body={**saved_plan.body, "actions": []})
    result = restrict_to_saved_plan(saved_plan, partial_project.plan(both), partial_project.state())
    assert action_keys(result) == []
    assert any("not in the saved plan, left for another: new-version data/numbers" in note for note in result.notes)


def test_an_advance_is_allowed_without_a_saved_plan_that_has_it():
    project = InMemoryProject()
    project.apply(small())
    saved_plan = saved(project.plan(edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new")))
    project.end(RunStatus.COMPLETED)
    described = edited("data/numbers.yml", "name: numbers", "name: numbers\ndescription: new")
    result = restrict_to_saved_plan(saved_plan, project.plan(described), project.state())
    assert action_keys(result) == ["update data/numbers", "register model/total"]
    assert result.actions[1].op is Op.REGISTER
    assert result.actions[1].address == TOTAL


def test_the_schemas_have_every_op():
    for name in ("plan", "event"):
        result = json.dumps(load_schemas()[schema_id(name)])
        assert json.dumps([str(op) for op in Op]) in result.replace("\n", "")
