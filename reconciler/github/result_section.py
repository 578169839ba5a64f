"""The result of an apply in the comment of a pull request: a section above the plan, which a newer one replaces."""

from __future__ import annotations

_START, _END = "<!-- mlgit result -->", "<!-- /mlgit result -->"
_PLAN_LEFT_OUT = "_The plan is left out: there is no room for it beside the result._"
_PLAN_HEADING = "\n\n---\n\n_The plan that was reviewed:_"
_RESULT_CUT = "\n\n_The rest is in the summary of the workflow run._"


def with_result(comment: str, marker: str, result: str, limit: int) -> str:
    """Return a comment, "" for a new one, with the result of an apply above its plan, within a limit.

    ``marker`` is its first line. What there is no room for is left out and named.
    """
    result = f"{marker}\n{_START}\n{_cut(result.strip(), limit - _reserve(marker))}"
    plan = _plan_of(comment, marker)
    if not plan:
        return f"{result}\n\n{_END}\n"
    text = f"{result}{_PLAN_HEADING}\n\n{_END}\n\n{plan}"
    return text if len(text) <= limit else f"{result}\n\n{_END}\n\n{_PLAN_LEFT_OUT}\n"


def _reserve(marker: str) -> int:
    return len(f"{marker}{_START}{_END}{_PLAN_LEFT_OUT}{_RESULT_CUT}") + 10


def _plan_of(comment: str, marker: str) -> str:
    """Return the part of a comment below its marker and its result."""
    text = comment.removeprefix(marker).lstrip("\n")
    if text.startswith(_START):
        text = text.partition(_END)[2]
    return text.strip("\n")


def _cut(text: str, limit: int) -> str:
    """Return the lines of a text that are within a limit."""
    return text if len(text) <= limit else text[:limit].rpartition("\n")[0] + _RESULT_CUT
