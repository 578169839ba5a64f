"""The section of a comment that has the result of an apply."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.github.result_section import with_result

MARKER = "<!-- mlgit default -->"
LINES = st.text(st.sampled_from("a# |\n"), max_size=300)


@given(LINES, st.lists(LINES, max_size=3))
def test_the_plan_stays_as_it_is_whatever_results_follow_one_another(plan, results):
    comment = f"{MARKER}\n{plan}"
    for result in results:
        comment = with_result(comment, MARKER, result, 65_536)
        assert comment.startswith(f"{MARKER}\n")
        assert comment.strip("\n").endswith(plan.strip("\n"))
        assert len(comment) <= len(plan) + len(result) + 140


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_a_comment_is_within_its_limit_and_names_what_is_left_out(plan_lines, result_lines):
    comment = with_result(f"{MARKER}\n{'p' * plan_lines}", MARKER, "result\n" * result_lines, 4000)
    assert len(comment) <= 4000
    assert ("p" * plan_lines in comment) or "The plan is left out" in comment
    assert comment.count("result\n") >= result_lines or "The rest is in the summary" in comment
