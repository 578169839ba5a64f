"""Render a plan as Markdown, without the facts of a pull request: for `mlgit plan --format markdown` and `github`."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.abbreviation import pluralize
from reconciler.diagnostics import Diagnostic
from reconciler.model import Forecast, Json
from reconciler.render import text
from reconciler.render.markdown_page import COMMENT_LIMIT, fit_page
from reconciler.render.plan_sections import PageStyle, plan_sections, removal_warning
from reconciler.render.problem_sections import problem_sections

_ELSEWHERE = "in `mlgit plan --format json`"
_ITEMS = 12  # of a section that is seen at once, if it folds


def plan_to_markdown(
    body: Json,
    forecasts: Sequence[Forecast] = (),
    policies: Sequence[Diagnostic] = (),
    *,
    heading: str = "",
    folded: bool = False,
) -> str:
    """Return a plan as Markdown, with what policies say; ``folded`` puts details in ``<details>`` sections."""
    actions, style = body["actions"], PageStyle(_ITEMS, folded)
    head = f"### {heading}{text.format_verdict(body['summary'])}"
    sections = (*problem_sections(policies, "", style), *plan_sections(actions, body, forecasts, style))
    return fit_page([head, removal_warning(actions)], sections, [], COMMENT_LIMIT, _ELSEWHERE)


def errors_to_markdown(errors: Sequence[Diagnostic]) -> str:
    """Return as Markdown that nothing was planned, and why."""
    head = f"### Nothing was planned: {pluralize(len(errors), 'error')}"
    sections = problem_sections(errors, "", PageStyle(_ITEMS, folds=False))
    return fit_page([head], sections, [], COMMENT_LIMIT, "in `mlgit validate --format json`")
