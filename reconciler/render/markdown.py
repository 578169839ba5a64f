"""A plan in Markdown, for a pull request: the verdict, what is done, and the fields that differ, folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reconciler.model import Json, Op, Plan
from reconciler.render import as_json, text
from reconciler.render.excerpt import inline
from reconciler.render.fields import shown
from reconciler.render.phrases import SIGNS

_SPECIAL = re.compile(r"([\\`*_\[\]<#|~@])")
_MOST = 100  # actions: a comment holds 65,536 characters


def plan(planned: Plan, body: Json, *, heading: str = "", folded: bool = False) -> str:
    """Write a plan and its body; ``folded`` hides the details behind a line, as GitHub's comments can."""
    return "\n".join(_plan(planned, body, heading, folded=folded))


def _plan(planned: Plan, body: Json, heading: str, *, folded: bool) -> Iterator[str]:
    yield f"### {heading}{text.verdict(as_json.summary(planned))}"
    actions = body["actions"]
    if actions:
        yield ""
        yield from (f"- `{SIGNS[Op(each['action'])]}` {_plain(each['sentence'])}" for each in actions[:_MOST])
        yield from [f"- and {len(actions) - _MOST} more"] if len(actions) > _MOST else []
    left = [(each.failed, f"{each.address}: {each.message}") for each in planned.pending]
    yield from _listed("Waiting", [line for failed, line in left if not failed])
    yield from _listed("Failed, and left as it is", [line for failed, line in left if failed])
    yield from _listed("Drift", planned.drift)
    yield from _listed("Notes", planned.notes)
    details = [row for each in actions[:_MOST] for row in _rows(each)]
    if details:
        head = ["| asset | field | before | after |", "| --- | --- | --- | --- |"]
        yield ""
        yield from ["<details><summary>Fields that differ</summary>", ""] if folded else ["#### Fields that differ", ""]
        yield from [*head, *details]
        yield from ["", "</details>"] if folded else []


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ["", f"**{title}**", ""]
        yield from (f"- {_plain(line)}" for line in lines[:_MOST])
        yield from [f"- and {len(lines) - _MOST} more"] if len(lines) > _MOST else []


def _rows(action: Json) -> Iterator[str]:
    for each in action.get("changes", ()):
        before, after = (_cell(each[side]) if side in each else "" for side in ("before", "after"))
        yield f"| {_plain(action['address'])} | {_plain(each['field'])} | {before} | {after} |"


def _cell(value: Json) -> str:
    return _plain(shown(value))


def _plain(line: str) -> str:
    """Write text so that nothing in it is taken for a mark, or for the name of somebody to be told."""
    return _SPECIAL.sub(r"\\\1", inline(line)).replace("\\@", "&#64;")
