"""Policy files: what is wrong in them is said at its place; all of it in one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.format.yaml import parse_yaml
from reconciler.model import Op
from reconciler.policies.built_in import BUILT_IN, NOT_KNOWN_YET
from reconciler.policies.files import check_across_files, parse_policy_files

pytestmark = pytest.mark.fast
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/policy.schema.json").read_text("utf-8"))


def problems(*texts):
    """Return the problems of files, as ``line:column message (hint)``."""
    documents = [parse_yaml(f"policies/{index}.yml", text.encode())[0] for index, text in enumerate(texts)]
    policy_set, diagnostics = parse_policy_files(documents)
    found = diagnostics or tuple(check_across_files(policy_set))
    return [f"{item.span.line}:{item.span.column} {item.message} ({item.hint})" for item in found]


CHECKED = "policies:\n  - name: a\n    message: m\n    {}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("policys: []\n", "1:1 unknown field policys (did you mean policies?)"),
        ("policies: [{name: a, uses: owner-tag, with: {tga: x}}]\n", "did you mean tag?"),
        ("policies: [{name: a, uses: ownr-tag}]\n", "1:28 no policy ownr-tag is built in (did you mean owner-tag?)"),
        ("policies: [{name: a, uses: gpu-hours}]\n", "1:28 gpu-hours is not known yet: plans do not hold GPU-hours"),
        ("policies: [{name: a, uses: model-lineage}]\n", "1:28 model-lineage is not known yet"),
        ("policies: [{name: a}]\n", "1:19 the policy a has neither check: nor uses: (write one of them)"),
        ("policies: [{name: a, check: 'true'}]\n", "1:19 the policy a has no message:"),
        ("policies: [{name: a, check: 'true', message: m, uses: owner-tag}]\n", "has both check: and uses:"),
        ("policies: [{name: a, check: 'true', message: m, with: {}}]\n", "1:49 with: goes with uses:"),
        ("policies: [{name: a, uses: metric-gate}]\n", "with is missing"),
        (CHECKED.format("check: asset.x === 1"), "4:22 the expression is wrong: Syntax error"),
        (CHECKED.format('check: "asset.x === 1"'), "4:23 the expression is wrong: Syntax error"),
        (
            CHECKED.format("check: |\n      true &&\n        acton.x"),
            "6:9 the expression is wrong: there is no variable",
        ),
        (
            CHECKED.format("check: >-\n      true &&\n      acton.x"),
            "4:12 the expression is wrong: there is no variable",
        ),
        (
            CHECKED.format("check: 'true'\n    for: {kinds: [modle]}"),
            "5:19 there is no kind modle (did you mean model?)",
        ),
        (
            CHECKED.format("check: 'true'\n    for: {actions: [sumbit]}"),
            "there is no action sumbit (did you mean submit?)",
        ),
        (CHECKED.format("check: 'true'\n    for: {addresses: [iris]}"), "5:23 iris is no address"),
        ("waivers: [{policy: a, for: modle/x, reason: r, until: 2026-01-01}]\n", "modle/x is no address (did you mean"),
        ("waivers: [{policy: a, for: model/x, reason: r, until: 2026-02-30}]\n", "there is no day 2026-02-30"),
        ("waivers: [{policy: a, for: model/x, reason: r}]\n", "until"),
        ("waivers: [{policy: a, for: model/x, reason: r, until: soon}]\n", "a date such as 2026-12-31"),
    ],
)
def test_a_mistake_in_a_file_is_reported_where_it_is(text, expected):
    (problem,) = problems(text)
    assert expected in problem


def test_all_mistakes_of_a_file_are_reported_in_one_run():
    text = "policies:\n  - {name: a, uses: x}\n  - {name: b}\n  - {name: c, check: acton, message: m}\n"
    assert len(problems(text)) == 3


def test_two_policies_have_different_names_and_a_waiver_names_one_of_them_in_any_file():
    one, two = "policies: [{name: owner, uses: owner-tag}]\n", "policies: [{name: owner, uses: owner-tag}]\n"
    assert problems(one, two) == [
        "1:19 there is another policy owner at policies/0.yml:1:19 (give it another name)",
    ]
    waiver = "waivers: [{policy: onwer, for: model/*, reason: r, until: 2026-01-01}]\n"
    assert problems(one, waiver) == ["1:20 there is no policy onwer (did you mean owner?)"]
    assert problems(one, waiver.replace("onwer", "owner")) == []


def test_every_built_in_policy_has_a_schema_of_its_parameters():
    branches = SCHEMA["$defs"]["policy"]["allOf"]
    assert {branch["if"]["properties"]["uses"]["const"] for branch in branches} == BUILT_IN.keys()
    assert not BUILT_IN.keys() & NOT_KNOWN_YET.keys()
    actions = {action for built_in in BUILT_IN.values() for action in built_in.scope.actions}
    assert actions <= set(map(str, Op))
