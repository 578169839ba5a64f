"""Render a plan, as plan files have it, as sections of a page of Markdown: what matters most to a reviewer first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from reconciler.abbreviation import pluralize
from reconciler.model import Forecast, Json, Op, ReuseForecast, StepVerdict
from reconciler.render import text
from reconciler.render.build_forecasts import build_forecasts, build_lines
from reconciler.render.content_changes import content_lines, table_lines_by_data
from reconciler.render.field_diff import field_diff_lines
from reconciler.render.markdown_page import Section, fold, join_blocks
from reconciler.render.markdown_text import (
    code_block,
    code_fence,
    code_span,
    escape_markdown,
    html_code,
    join_code,
    more_lines,
    table_header,
    table_row,
)
from reconciler.render.mermaid import draw_impact
from reconciler.render.run_places import format_amounts, gpu_hours_line, run_places_clause
from reconciler.render.sentences import OP_SIGNS
from reconciler.render.step_forecasts import forecast_lines, forecasts_from_json, reuse_lines

Actions = Sequence[Mapping[str, Json]]

# What a person must not miss comes first: what is lost, then what costs, then what changes.
_REVIEW_ORDER: Mapping[str, int] = {
    op: place
    for place, ops in enumerate(
        (
            (Op.DELETE,),
            (Op.REPLACE,),
            (Op.ARCHIVE, Op.CANCEL),
            (Op.SUBMIT,),
            (Op.UPDATE, Op.NEW_VERSION, Op.RENAME, Op.REPAIR),
            (Op.CREATE, Op.REGISTER, Op.BUILD, Op.ADOPT, Op.RECORD),
        )
    )
    for op in ops
}
_REMOVAL_PHRASES: Mapping[Op, tuple[str, str]] = {
    Op.DELETE: ("Deletes", "asset"),
    Op.REPLACE: ("Replaces", "asset"),
    Op.ARCHIVE: ("Archives", "asset"),
    Op.CANCEL: ("Cancels", "run"),
}
_MAX_NAMES = 10
_MAX_COMPUTES = 5
_MAX_BLOCK_LINES = 60


class PageStyle(NamedTuple):
    """How much of a page is seen at once: so many items of a section, the others in folds; all without folds."""

    items: int
    folds: bool = True

    @property
    def unfolded(self) -> int | None:
        """How many items of a section are seen at once, None for all."""
        return self.items if self.folds else None

    @property
    def hidden(self) -> int | None:
        """The same for a section that is seen after a click only."""
        return 0 if self.folds else None


def removal_warning(actions: Actions) -> str:
    """Return which assets a plan deletes, replaces or archives, and what it cancels, "" if nothing."""
    items = []
    for op, (verb, noun) in _REMOVAL_PHRASES.items():
        if names := [action["address"] for action in actions if action["action"] == op]:
            items.append(f"> - {verb} {pluralize(len(names), noun)}: {join_code(names, _MAX_NAMES)}")
    return "\n".join(["> [!WARNING]", *items]) if items else ""


def plan_sections(
    actions: Actions, body: Mapping[str, Json], forecasts: Iterable[Forecast], style: PageStyle
) -> Iterator[Section]:
    """Yield the sections of a plan: of some of its actions, and of all else in its body."""
    known = tuple(forecasts)
    by_job = {str(forecast.job): forecast for forecast in known if isinstance(forecast, ReuseForecast)}
    yield from _action_sections(actions, by_job, style)
    yield _build_section(actions, known, style)
    yield from _state_sections(body, style)
    yield from _detail_sections(actions, by_job, table_lines_by_data(known), style)
    yield notes_section("Notes", body["notes"], style)


def _action_sections(actions: Actions, by_job: Mapping[str, ReuseForecast], style: PageStyle) -> Iterator[Section]:
    """Yield the runs that start, and on which computes, then all other actions, both with their reasons."""
    runs = [action for action in actions if action["action"] == Op.SUBMIT]
    others = [action for action in actions if action["action"] != Op.SUBMIT]
    rows = [_run_cells(action, by_job.get(action["address"])) for action in runs]
    columns = ("job", "why", "compute (backend)", "steps")[: 4 if any(steps for *_, steps in rows) else 3]
    yield Section(
        "Runs that start",
        tuple(table_row(*row[: len(columns)]) for row in rows),
        "run",
        lead=table_header(*columns),
        rank=2,
        share=0.2,
        unfolded=style.unfolded,
    )
    hours = gpu_hours_line(runs)
    yield Section("", (escape_markdown(hours),) if hours else (), "line", rank=2)
    yield replace(_action_section("Other actions" if runs else "Actions", others, style.unfolded), rank=3, share=0.4)


def _action_section(title: str, actions: Actions, unfolded: int | None) -> Section:
    rows = tuple(map(_action_row, sorted(actions, key=_review_place)))
    return Section(title, rows, "action", lead=table_header("", "asset", "what and why"), unfolded=unfolded)


def pending_action_section(actions: Actions, style: PageStyle) -> Section:
    """Return the actions that are pending on the base."""
    title = f"Already pending on the base, with or without this change: {pluralize(len(actions), 'action')}"
    return replace(_action_section(title, actions, style.hidden), rank=10)


def _build_section(actions: Actions, forecasts: Iterable[Forecast], style: PageStyle) -> Section:
    """Return what is known of the builds of environments: how packages differ, and what this machine has."""
    known = build_forecasts(forecasts)
    builds = (action for action in actions if action["action"] == Op.BUILD)
    lines = {action["address"]: list(build_lines(action, known.get(action["address"], ()))) for action in builds}
    rows = tuple(
        table_row(code_span(address), escape_markdown("; ".join(texts))) for address, texts in lines.items() if texts
    )
    lead = table_header("environment", "packages and build")
    return Section("Environments", rows, "environment", lead=lead, rank=4, share=0.2, unfolded=style.unfolded)


def _detail_sections(
    actions: Actions, by_job: Mapping[str, ReuseForecast], tables: Mapping[str, Sequence[str]], style: PageStyle
) -> Iterator[Section]:
    """Yield the steps of pipelines, tables that differ, what the actions have an impact on, and fields that differ."""
    blocks = (_steps_block(action, by_job.get(action["address"]), style) for action in actions)
    yield Section("" if style.folds else "Steps", tuple(filter(None, blocks)), "pipeline", rank=7)
    blocks = (_tables_block(action, tables.get(action["address"], ()), style) for action in actions)
    yield Section("" if style.folds else "Tables", tuple(filter(None, blocks)), "asset", rank=7, share=0.2)
    causes = (action for action in actions if action.get("impact"))
    impacts = tuple(f"- {code_span(action['address'])} affects {_impact_text(action)}" for action in causes)
    yield Section("Downstream impact", impacts, "asset", rank=8, share=0.2, unfolded=style.unfolded)
    yield from _graph_section(actions, style)
    yield _field_section(actions, style)


def _state_sections(body: Mapping[str, Json], style: PageStyle) -> Iterator[Section]:
    """Yield what the plan leaves as it is, and why: what is refused, waits or failed, drift, jobs that do not run."""
    pending = body["pending"]
    for title, entries in (*text.pending_sections(pending), ("Drift", body["drift"])):
        yield _list_section(title, entries, style, rank=1 if title == "Refused" else 5)
    manual = text.format_manual_jobs(pending)
    yield Section("", (escape_markdown(manual),) if manual else (), "line", rank=6)
    if lines := text.cannot_run_lines(pending):
        summary, *jobs = map(escape_markdown, lines)
        yield Section("", (join_blocks([summary, "\n".join(f"- {job}" for job in jobs)]),), "line", rank=6)


def notes_section(title: str, notes: Iterable[str], style: PageStyle) -> Section:
    """Return notes under a title."""
    return _list_section(title, notes, style, rank=6)


def _list_section(title: str, entries: Iterable[str], style: PageStyle, *, rank: int) -> Section:
    items = tuple(f"- {escape_markdown(entry)}" for entry in entries)
    return Section(title, items, "line", rank=rank, share=0.2, unfolded=style.unfolded)


def _review_place(action: Mapping[str, Json]) -> int:
    return _REVIEW_ORDER[action["action"]]


def _action_row(action: Mapping[str, Json]) -> str:
    sign = OP_SIGNS[Op(action["action"])]
    return table_row(f"`{sign}`", code_span(action["address"]), escape_markdown(_what_and_why(action)))


def _what_and_why(action: Mapping[str, Json]) -> str:
    """Return the sentence of an action without what stands beside it: its address, and that it is a new run."""
    address, sentence = str(action["address"]), str(action["sentence"])
    if action["action"] == Op.SUBMIT:
        sentence = sentence.replace(run_places_clause(action.get("runs_on", ())), "", 1)
        return sentence.removeprefix(f"new run of {address} because ").replace(f"run of {address}", "run", 1)
    sentence = "; ".join((sentence, *content_lines(action)))
    subjects = (f"{address}@{action.get('version', '')}: ", f"{address}: ")
    return next((sentence.removeprefix(subject) for subject in subjects if sentence.startswith(subject)), sentence)


def _run_cells(action: Mapping[str, Json], forecast: ReuseForecast | None) -> tuple[str, str, str, str]:
    """Return the job, why it runs, its computes with their backends, and its steps in numbers."""
    places = action.get("runs_on", [])
    computes = [_compute_text(place, is_only=len(places) == 1) for place in places[:_MAX_COMPUTES]]
    computes += more_lines(len(places) - _MAX_COMPUTES, "compute")
    separator = "; " if any(map(format_amounts, places)) else ", "
    attempt = f", attempt {action['attempt']}" if action.get("attempt", 1) > 1 else ""
    job, why = code_span(action["address"]), escape_markdown(_what_and_why(action))
    return f"{job}{attempt}", why, separator.join(computes), _steps_summary(action, forecast)


def _compute_text(place: Mapping[str, Json], *, is_only: bool) -> str:
    steps = pluralize(place["steps"], "step") if "steps" in place and not is_only else ""
    backend = f" ({code_span(place['backend'])})" if place["backend"] else ""
    details = ", ".join(filter(None, (steps, format_amounts(place))))
    return f"{code_span(place['compute'])}{backend}{f': {details}' if details else ''}"


def _steps_summary(action: Mapping[str, Json], forecast: ReuseForecast | None) -> str:
    """Return how many steps run and how many are reused, as far as it is known; "" for a job without steps."""
    known = {step.step: step.verdict for step in forecasts_from_json(action.get("steps", ()))}
    for step in forecast.steps if forecast else ():  # what the store cannot tell yet, the plan may know
        if step.verdict is not StepVerdict.KNOWN_LATER or known.get(step.step) is not StepVerdict.CHANGED:
            known[step.step] = step.verdict
    verdicts = list(known.values())
    labels = {StepVerdict.CHANGED: "to run", StepVerdict.SAME: "reused", StepVerdict.KNOWN_LATER: "known later"}
    return ", ".join(f"{verdicts.count(verdict)} {label}" for verdict, label in labels.items() if verdict in verdicts)


def _steps_block(action: Mapping[str, Json], forecast: ReuseForecast | None, style: PageStyle) -> str:
    """Return what happens to the steps of a pipeline that is submitted, "" for anything else."""
    steps = action.get("steps", ())
    lines = [*forecast_lines(steps), *(reuse_lines(forecast, forecasts_from_json(steps)) if forecast else ())]
    if not lines or action["action"] != Op.SUBMIT:
        return ""
    block = _first_lines_block(lines)
    summary = _steps_summary(action, forecast)
    if style.folds:
        return fold(f"Steps of {html_code(action['address'])}: {summary}", block)
    return f"{code_span(action['address'])}: {summary}\n\n{block}\n"


def _tables_block(action: Mapping[str, Json], lines: Sequence[str], style: PageStyle) -> str:
    """Return what differs in the tables of data, "" for anything else."""
    if not lines or "content" not in action:
        return ""
    block = _first_lines_block(lines)
    if style.folds:
        return fold(f"Tables of {html_code(action['address'])}", block)
    return f"{code_span(action['address'])}\n\n{block}\n"


def _first_lines_block(lines: Sequence[str]) -> str:
    return code_block([*lines[:_MAX_BLOCK_LINES], *more_lines(len(lines) - _MAX_BLOCK_LINES, "line")])


def _impact_text(action: Mapping[str, Json]) -> str:
    direct = [item["address"] for item in action["impact"] if item["direct"]]
    others = [item["address"] for item in action["impact"] if not item["direct"]]
    indirectly = f", and indirectly {join_code(others, _MAX_NAMES)}" if others else ""
    return f"{join_code(direct, _MAX_NAMES)}{indirectly}"


def _graph_section(actions: Actions, style: PageStyle) -> Iterator[Section]:
    graph, hidden = draw_impact(actions)
    if graph:
        note = f"\n\n{pluralize(hidden, 'more asset')} not drawn." if hidden else ""
        yield Section("Graph", (f"```mermaid\n{graph}\n```{note}",), rank=9, unfolded=style.hidden)


def _field_section(actions: Actions, style: PageStyle) -> Section:
    blocks = [lines for action in sorted(actions, key=_review_place) if (lines := field_diff_lines(action))]
    fence = code_fence(line for lines in blocks for line in lines)
    items = tuple("\n".join(lines) for lines in blocks)
    title = f"Fields that differ: {pluralize(len(items), 'asset')}" if style.folds else "Fields that differ"
    return Section(title, items, "asset", f"{fence}diff", fence, rank=11, unfolded=style.hidden)
