"""docs/policies.md: each example is a right file, and does what its heading says in a workspace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from workspaces import commit, edit

from reconciler.format.yaml import parse_yaml
from reconciler.policies.built_in import BUILT_IN
from reconciler.policies.compiler import VARIABLES
from reconciler.policies.evaluation import compile_policies
from reconciler.policies.expressions import FUNCTIONS
from reconciler.policies.files import check_across_files, parse_policy_files
from reconciler.policies.policy import Subject

PAGE = (Path(__file__).parents[2] / "docs/policies.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.partition("## Ten examples")[2], re.DOTALL)
TODAY = "2026-11-30"


def compiled(text):
    policy_set, diagnostics = parse_policy_files([parse_yaml("policies/x.yml", text.encode())[0]])
    assert [*diagnostics, *check_across_files(policy_set)] == []
    return compile_policies(policy_set, TODAY)


def named(name):
    return compiled(next(text for text in EXAMPLES if f"name: {name}\n" in text))


def codes(check, action, address, plan=None, **values):
    """Return the codes of what policies say of an action, by the name of the policy."""
    kind, _, name = address.partition("/")
    asset = {"address": address, "kind": kind, "name": name, "spec": values.pop("spec")} if "spec" in values else None
    body = {"action": action, "address": address, "changes": values.pop("changes", [])}
    subject = Subject(body, asset, **values)
    found = [*check.check_action(subject, plan or {}, lambda _subject, _pointer: None)]
    return [f"{re.split('[ :]', item.message)[1]} {item.code.removeprefix('policy-')}" for item in found]


@pytest.mark.fast
def test_there_are_ten_examples_and_the_first_block_of_the_page_is_right_too():
    assert len(EXAMPLES) == 10
    for text in (*EXAMPLES, re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]):
        assert compiled(text).policies


@pytest.mark.fast
def test_the_page_has_every_variable_function_and_built_in_policy():
    missing = [name for name in (*VARIABLES, *FUNCTIONS, *BUILT_IN) if f"`{name}`" not in PAGE]
    assert missing == []


@pytest.mark.fast
def test_the_examples_about_jobs():
    team = named("team-compute")
    assert codes(team, "submit", "job/a", spec={"compute": "azureml:gpu"}) == []
    assert codes(team, "submit", "job/a", spec={"compute": "azureml:other"}) == ["team-compute failed"]
    assert codes(team, "submit", "job/a", spec={}) == ["team-compute failed"]
    assert codes(team, "submit", "job/a") == ["team-compute failed"]
    assert codes(team, "cancel", "job/a", spec={}) == []
    pinned = named("pinned")
    assert codes(pinned, "submit", "job/a", spec={"environment": "azureml:e:3"}) == []
    assert codes(pinned, "submit", "job/a", spec={"environment": "file:e.yml"}) == []
    nested = {"jobs": {"train": {"environment": "azureml:e@latest"}}}
    assert codes(pinned, "submit", "job/a", spec=nested) == ["pinned failed"]
    of_registry = "azureml://registries/azureml/environments/sklearn/{}"
    for rest, expected in (("versions/3", []), ("labels/latest", ["pinned failed"])):
        assert codes(pinned, "submit", "job/a", spec={"environment": of_registry.format(rest)}) == expected


@pytest.mark.fast
def test_the_examples_about_a_whole_plan():
    for name, right, wrong in (
        ("few-runs", {"summary": {"submissions": 5}}, {"summary": {"submissions": 6}}),
        (
            "deletions-alone",
            {"actions": [{"action": "delete"}]},
            {"actions": [{"action": "delete"}, {"action": "create"}]},
        ),
    ):
        check = named(name)
        assert list(check.check_plan(right)) == []
        assert [item.code for item in check.check_plan(wrong)] == ["policy-failed"]
        assert codes(check, "submit", "job/a", wrong, spec={}) == []  # said once


@pytest.mark.fast
def test_the_examples_about_names_images_owners_and_removals():
    prefix = named("team-prefix")
    assert codes(prefix, "register", "model/fraud-net", spec={}) == []
    assert codes(prefix, "register", "model/net", spec={}) == ["team-prefix failed"]
    assert codes(prefix, "new-version", "data/numbers", spec={}) == ["team-prefix waived"]
    images = named("own-registry")
    good = {"image": "registry.example.com/ml/base:1.2"}
    assert codes(images, "new-version", "environment/e", spec=good) == []
    assert codes(images, "new-version", "environment/e", spec={"image": "registry.example.com/base"}) == [
        "fixed-tag failed"
    ]
    assert codes(images, "new-version", "environment/e", spec={"image": "python:main"}) == [
        "own-registry failed",
        "fixed-tag failed",
    ]
    pinned = {"image": "registry.example.com:5000/base@sha256:0"}
    assert "fixed-tag failed" not in codes(images, "new-version", "environment/e", spec=pinned)
    owner = named("owner")
    assert codes(owner, "submit", "job/a", spec={"tags": {"owner": "ml"}}) == []
    assert codes(owner, "submit", "job/a", spec={"tags": {}}) == ["owner failed"]
    critical = named("keep-critical")
    live = {"spec": {"tags": {"criticality": "High"}}}
    assert codes(critical, "delete", "endpoint/e", live=live) == ["keep-critical failed"]
    assert codes(critical, "update", "endpoint/e", spec={}, live=live) == []
    assert codes(critical, "delete", "endpoint/e", live={"spec": {}}) == []


@pytest.mark.fast
@pytest.mark.parametrize(
    ("candidate", "live", "expected"),
    [
        (0.9, None, []),
        (0.9, 0.904, []),
        (0.8, 0.9, ["no-worse failed", "good-enough failed"]),
        (0.6, None, ["good-enough failed"]),
        (float("nan"), 0.9, ["no-worse failed", "good-enough failed", "good-enough failed"]),
        (None, 0.9, ["no-worse failed", "good-enough failed"]),
        ("0.9", 0.9, ["no-worse failed", "good-enough failed"]),
    ],
)
def test_the_example_about_metrics(candidate, live, expected):
    values = {"candidate": {"metrics": {"auc": candidate} if candidate is not None else {}}}
    values["live"] = None if live is None else {"metrics": {"auc": live}}
    assert codes(named("no-worse"), "register", "model/m", spec={}, **values) == expected


@pytest.mark.fast
def test_a_gate_waits_for_its_run_and_is_about_registrations_only():
    gate = named("no-worse")
    assert codes(gate, "register", "model/m", spec={}, candidate_after="job/train") == [
        "no-worse pending",
        "good-enough pending",
    ]
    assert codes(gate, "update", "model/m", spec={}) == []


@pytest.mark.fast
def test_the_example_about_stages():
    stage = named("stage-alone")
    for fields, expected in (
        (["stage"], []),
        (["tags.a", "description"], []),
        (["stage", "tags.a"], ["stage-alone failed"]),
    ):
        changes = [{"field": field, "change": "changed"} for field in fields]
        assert codes(stage, "update", "model/m", spec={}, changes=changes) == expected


def test_the_names_of_fields_on_the_page_are_those_of_a_real_plan(small, mlgit):
    names = {
        "asset": "address kind name version source spec references",
        "live": "address version source applied_at protected spec run metrics params steps",
        "candidate": "version run metrics params steps",
        "plan": "summary actions pending options",
    }
    always = [
        f"has({name}.{field})"
        for name, fields in names.items()
        if name in {"asset", "plan"}
        for field in fields.split()
    ]
    text = f"policies: [{{name: all, for: {{kinds: [job]}}, check: '{' && '.join(always)}', message: m}}]\n"
    commit(small, "policies", {"policies/all.yml": text})
    assert mlgit("plan", cwd=small).code == 0
    live = [f"has(live.{field})" for field in names["live"].split()]
    live += [f"has(candidate.{field})" for field in names["candidate"].split()]
    text = f"policies: [{{name: all, for: {{kinds: [data]}}, check: '{' && '.join(live)}', message: m}}]\n"
    commit(small, "apply", {"policies/all.yml": "policies: []\n"})
    assert mlgit("apply", "--auto-approve", "--exclude", "job/sum", cwd=small).code == 0
    edit(small, "data/numbers.csv", "3", "4")
    commit(small, "change", {"policies/all.yml": text})
    assert mlgit("plan", "--exclude", "job/sum", cwd=small).code == 0
