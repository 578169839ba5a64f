"""A plan in Markdown: what a pull request shows, with nothing in it that Markdown or GitHub would obey."""

from __future__ import annotations

import pytest
from planning.test_plan import EDITS
from planning.world import World, edited, policy_of, small, without

from reconciler.model import Plan
from reconciler.render import markdown, plan_json


def written(plan: Plan, *, folded: bool = False) -> str:
    return markdown.plan_to_markdown(plan, plan_json.plan_body(plan, policy_of(small())), folded=folded)


@pytest.fixture
def world() -> World:
    made = World()
    made.settle(small())
    return made


def test_a_plan_is_a_list_and_a_table(world, golden):
    golden("render/plan.md", written(world.plan(EDITS["parameter"])) + "\n")


def test_in_a_comment_the_table_is_folded(world, golden):
    files = edited("environments/plain.yml", "image: python", "image: other", without("models/total.yml"))
    golden("render/plan-github.md", written(world.plan(files), folded=True) + "\n")


def test_nothing_to_do_is_one_line(world):
    assert written(world.plan(small())) == "### No changes. The live state is what Git declares."


def test_no_text_of_a_file_is_taken_for_a_mark_or_tells_anybody(world):
    text = "'<b>x</b> | [a](b) @ada #1 `x` *y*'"
    told = written(world.plan(edited("data/numbers.yml", "name: numbers", f"name: numbers\ndescription: {text}")))
    assert r"\<b>x\</b> \| \[a\](b) &#64;ada \#1 \`x\` \*y\*" in told


def test_of_a_huge_plan_a_comment_has_the_beginning(world):
    files = small() | {f"data/{n}.yml": small()["data/numbers.yml"].replace("numbers\n", f"n{n}\n") for n in range(500)}
    told = written(world.plan(files), folded=True)
    assert told.startswith("### Plan: 500 changes.")
    assert "- and 400 more" in told
    assert len(told) < 65_536
