"""Render diagnostics, plans and nested values as text for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

from reconciler.abbreviation import abbreviate_text, join_some, pluralize
from reconciler.diagnostics import Diagnostic, Severity
from reconciler.model import Action, Address, BuildForecast, Forecast, Json, Op, Plan, ReuseForecast
from reconciler.planning.refusals import refusal_label
from reconciler.render.build_forecasts import build_forecasts, build_lines, builders_to_json, packages_to_json
from reconciler.render.code_frame import code_frame_lines
from reconciler.render.content_changes import content_lines, content_to_json, table_lines_by_data
from reconciler.render.impact import compute_impact
from reconciler.render.plan_json import blocked_to_json, plan_summary
from reconciler.render.run_places import gpu_hours_line, run_place_lines, run_places_to_json
from reconciler.render.sanitize import sanitize_line
from reconciler.render.sentences import OP_SIGNS, action_sentence
from reconciler.render.step_forecasts import forecast_lines, forecasts_to_json, reuse_lines
from reconciler.secrets.source_lines import find_line_secrets

SourceLineReader = Callable[[str], Sequence[str]]

_MAX_SHOWN_PLACES = 10  # of one diagnostic
MAX_SHOWN_ACTIONS = 300


def format_diagnostics(diagnostics: Iterable[Diagnostic], lines: SourceLineReader = lambda _path: ()) -> str:
    """Return diagnostics as text, with the source line and a caret if ``lines`` returns the lines of the file."""
    read_lines = cache(lambda path: _SourceLines.read(path, lines))
    return "\n".join(line for diagnostic in diagnostics for line in _diagnostic_lines(diagnostic, read_lines))


class _SourceLines(NamedTuple):
    """The lines of a file, and the secrets in them, which are not shown."""

    lines: Sequence[str]
    secrets: frozenset[str]

    @classmethod
    def read(cls, path: str, read_lines: SourceLineReader) -> _SourceLines:
        lines = read_lines(path)
        return cls(lines, find_line_secrets(lines))


def _diagnostic_lines(diagnostic: Diagnostic, read_lines: Callable[[str], _SourceLines]) -> Iterator[str]:
    prefix = abbreviate_text(f"{diagnostic.span}: ") if diagnostic.span else ""
    yield sanitize_line(f"{prefix}{diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]")
    if diagnostic.span is not None and not diagnostic.code.startswith("secret-"):  # the line contains the secret
        source = read_lines(diagnostic.span.path)
        yield from code_frame_lines(diagnostic.span, source.lines, source.secrets)
    if diagnostic.hint:
        yield f"  help: {sanitize_line(diagnostic.hint)}"
        yield from (f"    {sanitize_line(line)}" for line in diagnostic.example)
    if diagnostic.places:
        yield sanitize_line(f"  also at {join_some(list(map(str, diagnostic.places)), _MAX_SHOWN_PLACES)}")


def format_plan(plan: Plan, forecasts: Iterable[Forecast] = ()) -> str:
    """Return a plan as text: the summary line, the actions, then what is waiting, failed and drifted, and notes.

    What the store says of the steps of a pipeline is below them, what this machine has of a build below that, and what
    differs in tables below the files of data.
    """
    impact = compute_impact(plan.actions)
    known = tuple(forecasts)
    by_job = {forecast.job: forecast for forecast in known if isinstance(forecast, ReuseForecast)}
    builds = build_forecasts(known)
    tables = table_lines_by_data(known)
    blocks = (
        _action_lines(
            action.op,
            f"{action_sentence(action)}{impact.indirect_cause_clause(action)}",
            run_places_to_json(action.runs_on),
            forecasts_to_json(action.steps),
            (
                *content_lines({"content": content_to_json(action.content)}),
                *(tables.get(str(action.address), ()) if action.content else ()),
                *action_build_lines(action, builds),
                *action_reuse_lines(action, by_job),
            ),
        )
        for action in plan.actions
    )
    pending = list(map(blocked_to_json, plan.blocked))
    hours = gpu_hours_line(
        {"action": action.op, "address": str(action.address), "runs_on": run_places_to_json(action.runs_on)}
        for action in plan.submissions
    )
    return "\n".join(_plan_lines(plan_summary(plan), blocks, hours, pending, plan.drift, plan.notes))


def format_plan_body(body: Json) -> str:
    """Return the body of a saved plan as the same text that ``format_plan`` returns for the plan."""
    blocks = (
        _action_lines(
            Op(action["action"]),
            action["sentence"],
            action.get("runs_on", ()),
            action.get("steps", ()),
            (*content_lines(action), *build_lines(action, ())),
        )
        for action in body["actions"]
    )
    hours = gpu_hours_line(body["actions"])
    return "\n".join(_plan_lines(body["summary"], blocks, hours, body["pending"], body["drift"], body["notes"]))


def action_build_lines(action: Action, forecasts: Mapping[str, Sequence[BuildForecast]]) -> Iterator[str]:
    """Yield what is known of a build; nothing if an action is none."""
    if action.op is Op.BUILD:
        document = {"packages": packages_to_json(action.packages), "builders": builders_to_json(action.builders)}
        yield from build_lines(document, forecasts.get(str(action.address), ()))


def action_reuse_lines(action: Action, forecasts: Mapping[Address, ReuseForecast]) -> list[str]:
    """Return what the store says of the steps of an action, by job; nothing if it is no submission of a pipeline."""
    forecast = forecasts.get(action.address) if action.op is Op.SUBMIT else None
    return list(reuse_lines(forecast, action.steps)) if forecast else []


def _action_lines(
    op: Op, sentence: str, places: Sequence[Json], steps: Sequence[Json], more: Iterable[str] = ()
) -> list[str]:
    """Return the line of an action, and below it what is known of its runs, its steps or its packages."""
    details = (*run_place_lines(places), *forecast_lines(steps), *more)
    return [f"{OP_SIGNS[op]} {sentence}", *(f"    {line}" for line in details)]


def _plan_lines(  # noqa: PLR0913, PLR0917 - the parts of a plan
    counts: Mapping[str, int],
    blocks: Iterable[Sequence[str]],
    hours: str,
    pending: Sequence[Json],
    drift: Sequence[str],
    notes: Sequence[str],
) -> Iterator[str]:
    yield format_verdict(counts)
    if counts["changes"]:
        yield ""
        yield from (f"  {sanitize_line(line)}" for block in islice(blocks, MAX_SHOWN_ACTIONS) for line in block)
        if counts["changes"] > MAX_SHOWN_ACTIONS:
            yield f"  and {counts['changes'] - MAX_SHOWN_ACTIONS} more; --format json has them all"
    yield from (["", sanitize_line(hours)] if hours else [])
    for title, entries in (*pending_sections(pending), ("Drift", drift), ("Notes", notes)):
        yield from _section_lines(f"{title}:", entries)
    yield from (["", sanitize_line(manual)] if (manual := format_manual_jobs(pending)) else [])
    yield from (["", *map(sanitize_line, lines)] if (lines := cannot_run_lines(pending)) else [])


def pending_sections(pending: Iterable[Json]) -> Iterator[tuple[str, list[str]]]:
    """Yield the titles and lines of what is refused, waits or failed, without the jobs that apply does not run."""
    sections: dict[str, list[str]] = {"Refused": [], "Waiting": [], "Failed, and left as it is": []}
    refused, waiting, failed = sections.values()
    for entry in pending:
        line = f"{entry['address']}: {entry['message']}"
        if entry["failed"]:
            (refused if entry.get("refusals") else failed).append(line)
        elif not (entry.get("manual") or entry.get("recorded_only")):
            waiting.append(line)
    yield from sections.items()


def cannot_run_lines(pending: Iterable[Json]) -> list[str]:
    """Return how many jobs cannot run and why, and where the files say it; nothing if there are none."""
    entries = [
        entry for entry in pending if entry.get("recorded_only") or (entry.get("manual") and "refusals" in entry)
    ]
    if not entries:
        return []
    causes = _join_counts(Counter(map(_cannot_run_label, entries)))
    places = [f"  {entry['address']}: {entry['message']}" for entry in entries if "refusals" in entry]
    hidden = len(places) - _MAX_SHOWN_PLACES
    more = [f"  and {hidden} more; `mlgit validate` shows all"] if hidden > 0 else []
    return [f"{pluralize(len(entries), 'job')} cannot run here: {causes}.", *places[:_MAX_SHOWN_PLACES], *more]


def can_run_line(cannot_run: Iterable[Json], total: int, runnable: int) -> str:
    """Return how many of all jobs can run, and why the others cannot: each counts once, by its first reason."""
    counts = Counter(map(_cannot_run_label, cannot_run))
    counts["with errors in files that they need"] = total - runnable - counts.total()
    causes = f"; {total - runnable} cannot: {_join_counts(counts)}" if runnable < total else ""
    return f"{runnable} of {pluralize(total, 'job')} can run here{causes}."


def _join_counts(counts: Mapping[str, int]) -> str:
    """Return numbers of jobs with their reasons, the largest first, and of equal ones the types of jobs."""
    largest_first = sorted(counts.items(), key=lambda item: (-item[1], " " in item[0]))
    return ", ".join(_count_label(label, count) for label, count in largest_first if count)


def _cannot_run_label(entry: Json) -> str:
    """Return why a job cannot run, in few words: its type, or what of it is refused."""
    if entry.get("recorded_only"):
        return str(entry["recorded_only"])
    first = entry["refusals"][0]
    return refusal_label(first["code"], first["message"])


def _count_label(label: str, count: int) -> str:
    """Return a number of jobs with the reason: ``2 automl jobs``, ``1 with distribution``."""
    if " " in label:
        return f"{count} {label}"
    return pluralize(count, f"{label} job")


def format_manual_jobs(pending: Iterable[Json]) -> str:
    """Return one line about the jobs that are run by hand, "" if there are none."""
    runnable = (entry for entry in pending if entry.get("manual") and not entry.get("refusals"))
    names = [entry["address"].partition("/")[2] for entry in runnable]
    if not names:
        return ""
    if len(names) == 1:
        return f"1 job is run by hand: `mlgit job rerun {names[0]}`"
    return f"{len(names)} jobs are run by hand (`mlgit job rerun JOB`): {join_some(names)}"


def format_verdict(counts: Mapping[str, int]) -> str:
    """Return the summary line of a plan; ``counts`` is the result of ``plan_summary``."""
    deselected = counts.get("left_out", 0)
    remainder = verdict_remainder(counts)
    if counts["changes"]:
        runs = (("starts", counts["submissions"]), ("cancels", counts.get("cancels", 0)))
        run_phrases = "".join(f", {label} {pluralize(number, 'run')}" for label, number in runs if number)
        changes = pluralize(counts["changes"], "change")
        if "destroys" in counts:
            changes += f", destroys {pluralize(counts['destroys'], 'asset')}"
        return f"Plan: {changes}{run_phrases}{f'; {remainder}' if remainder else ''}."
    if deselected:
        return (
            f"No changes within the selection; {'; '.join([*filter(None, [remainder]), _format_left_out(deselected)])}."
        )
    if remainder:
        return f"No changes to make now; {remainder}."
    if "destroys" in counts:
        return "No changes. No asset needs to be destroyed."
    return "No changes. The live state is what Git declares."


def verdict_remainder(counts: Mapping[str, int]) -> str:
    """Return what the summary line says of what a plan does not change: ``1 refused, 2 waiting``; "" if nothing."""
    phrases = [f"{counts[label]} {label}" for label in ("refused", "waiting", "failed") if counts.get(label)]
    return ", ".join([*phrases, *([pluralize(counts["drift"], "thing") + " drifted"] if counts["drift"] else [])])


def _format_left_out(number: int) -> str:
    return f"{number} {'is' if number == 1 else 'are'} left out"


def _section_lines(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {sanitize_line(line)}" for line in lines)


def format_validation_summary(diagnostics: Sequence[Diagnostic], files: int, unknown: int = 0) -> str:
    """Return the summary line of a validation; ``unknown`` files were named, but their kind is not known."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    warnings = sum(diagnostic.severity is Severity.WARNING for diagnostic in diagnostics)
    unchecked = f"; {pluralize(unknown, 'file')} of unknown kind not checked" if unknown else ""
    if files == 0 and not errors + warnings:
        return f"No asset file found{unchecked}."
    if len(diagnostics) == unknown:
        return f"{pluralize(files, 'file')}: fine{unchecked}."
    return f"{pluralize(files, 'file')}: {pluralize(errors, 'error')}, {pluralize(warnings, 'warning')}{unchecked}."
