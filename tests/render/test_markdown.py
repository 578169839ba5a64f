"""Plans as Markdown for a pull request, with Markdown syntax and mentions escaped."""

from __future__ import annotations

import pytest
from planning.project import InMemoryProject, edited, plan_options_of, small, without
from planning.test_plan import EDITS

from reconciler.model import Plan
from reconciler.render import markdown, plan_json

pytestmark = pytest.mark.fast


def render_markdown(plan: Plan, *, folded: bool = False) -> str:
    return markdown.plan_to_markdown(plan_json.plan_body(plan, plan_options_of(small())), folded=folded)


@pytest.fixture
def project() -> InMemoryProject:
    applied = InMemoryProject()
    applied.converge(small())
    return applied


def test_a_plan_has_a_table_of_actions_and_the_fields_as_a_diff(project, golden):
    golden("render/plan.md", render_markdown(project.plan(EDITS["parameter"])) + "\n")


def test_the_details_are_collapsed_in_a_comment(project, golden):
    files = edited("environments/plain.yml", "image: python", "image: other", without("models/total.yml"))
    golden("render/plan-github.md", render_markdown(project.plan(files), folded=True) + "\n")


def test_a_plan_without_changes_is_one_line(project):
    assert render_markdown(project.plan(small())) == "### No changes. The live state is what Git declares."


def test_markdown_syntax_and_mentions_in_a_file_are_escaped(project):
    text = "'<b>x</b> | [a](b) @ada #1 `x` *y*'"
    comment = render_markdown(
        project.plan(edited("data/numbers.yml", "name: numbers", f"name: numbers\ndescription: {text}"))
    )
    assert r"\<b>x\</b> \| \[a\](b) `@ada` `#1` `x` \*y\*" in comment


@pytest.mark.slow
def test_a_huge_plan_is_cut_in_a_comment(project):
    files = small() | {f"data/{n}.yml": small()["data/numbers.yml"].replace("numbers\n", f"n{n}\n") for n in range(500)}
    comment = render_markdown(project.plan(files), folded=True)
    assert comment.startswith("### Plan: 500 changes.")
    assert "<details><summary>488 more actions</summary>" in comment
    assert len(comment) < 65_536
