"""Read and print the status if its output is not cached; ``cli.terminal`` is imported by name, for --watch."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from reconciler.abbreviation import abbreviate_id, join_some, pluralize
from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli.console import echo
from reconciler.cli.session import open_current_session, remember_output
from reconciler.cli.status import COLUMN_HEADINGS, RenderedStatus, print_status
from reconciler.model import Action, Blocked, Record, Run, RunStatus, State
from reconciler.model.providers import Usage
from reconciler.planning.refresh import active_runs
from reconciler.project.status import PipelineStatus, WorkspaceStatus, read_status
from reconciler.render import plan_json, text
from reconciler.render.history import rollback_hold_lines
from reconciler.render.sanitize import sanitize_line
from reconciler.render.step_states import step_state, summarize_steps
from reconciler.source.rendered_output import RenderedOutputCache

_RECORDED_ONLY = "recorded only"


def run_status(form: str, cache: RenderedOutputCache | None) -> int:
    """Print the status, and remember what was printed if no run has to be asked for."""
    session = open_current_session(reuse=cache)
    status = read_status(session)
    if form == "json":
        echo(plan_json.dump_json([*_status_to_json(status)]))
        return 0
    rendered = RenderedStatus(tuple(_status_rows(status)), tuple(_status_lines(status)))
    if not status.state.current and not status.has_unfinished_runs:
        hint = session.fetch_state_hint(status.state)
        nothing = "Nothing is live yet. `mlgit plan` shows what apply would create."
        rendered = RenderedStatus((), (nothing, hint) if hint else (nothing,))
    print_status(rendered)
    if cache is not None and not status.has_unfinished_runs:
        remember_output("status", rendered, cache, session, status.state)
    return 0


def watch_status(interval: float, *, until_idle: bool) -> int:
    """Print the status again and again until Ctrl-C."""
    session = open_current_session()
    try:
        with importlib.import_module("reconciler.cli.terminal").StatusDisplay(COLUMN_HEADINGS) as display:
            while True:
                status = read_status(session)
                display.update(_status_rows(status), _status_lines(status))
                if until_idle and status.is_idle:
                    return 0
                time.sleep(interval)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _status_rows(status: WorkspaceStatus) -> list[tuple[str, str, str, str]]:
    """Return the table of live assets."""
    return [_table_row(status.state, record) for record in status.state.current.values()]


def _status_lines(status: WorkspaceStatus) -> list[str]:
    """Return the lines below the table: the number of assets, a rollback, and what waits or failed."""
    state = status.state
    applied = f"from commit {abbreviate_id(state.applied_commit)}" if state.applied_commit else ""
    labels = Counter(_state_label(record, None) for record in state.current.values() if not record.archived)
    recorded = labels[_RECORDED_ONLY]
    others = f", {recorded} recorded only" if recorded else ""
    summary = f"{pluralize(labels.total() - recorded, 'asset')} live{others} {applied}".rstrip() + "."
    lines = ["", summary, *(line + "." for line in rollback_hold_lines(state.rollback))]
    pending = list(map(plan_json.blocked_to_json, status.pending))
    sections = {
        "Pipelines and sweeps:": list(map(_format_pipeline, status.pipelines)),
        "Queued:": [
            f"{run.address}: run {run.id} {run.message}"
            for run in active_runs(state)
            if run.status is RunStatus.QUEUED and run.message
        ],
        "In use:": list(map(_format_usage, status.usage)),
        "Ended, not recorded yet:": [
            _format_ended_run(action, status.next_actions) for action in status.unrecorded_actions
        ],
        **{f"{title.partition(',')[0]}:": entries for title, entries in text.pending_sections(pending)},
    }
    for title, entries in sections.items():
        lines += ["", title, *(f"  {entry}" for entry in entries)] if entries else []
    shown = {pipeline.run.id for pipeline in status.pipelines}
    open_runs = (run for run in state.read_open_experiments() if run.id not in shown)
    experiments = [f"{run.address}: run {run.id} {run.status}{_waiting(run)}" for run in open_runs]
    lines += ["", "Experiments of `mlgit run`:", *(f"  {entry}" for entry in experiments)] if experiments else []
    lines += ["", manual] if (manual := text.format_manual_jobs(pending)) else []
    lines += ["", *cannot_run] if (cannot_run := text.cannot_run_lines(pending)) else []
    return [*map(sanitize_line, lines)]


def _waiting(run: Run) -> str:
    """Return what a queued run waits for, after a comma."""
    return f", {run.message}" if run.status is RunStatus.QUEUED and run.message else ""


def _format_pipeline(pipeline: PipelineStatus) -> str:
    """Return how many steps of a run have each state, and what its driver says."""
    run = pipeline.run
    summary = summarize_steps(pipeline.steps) if pipeline.steps else f"is {run.status}"
    return "; ".join(filter(None, (f"{run.address}: run {run.id}: {summary}", pipeline.note)))


def _format_usage(usage: Usage) -> str:
    """Return how full a compute is, and how many runs wait for it."""
    queued = f", {pluralize(usage.queued, 'run')} queued" if usage.queued else ""
    return f"{usage.name}: {usage.used} of {pluralize(usage.total, usage.unit)}{queued}"


def _format_ended_run(record: Action, plan: Sequence[Action]) -> str:
    """Return what the next apply does with a run that has ended."""
    dependents = [str(action.address) for action in plan if record.key in action.needs]
    follow_up = f", then continues with {join_some(dependents)}" if dependents else ""
    status = record.run.status if record.run else ""
    return f"{record.address}: run {record.version} {status}; `mlgit apply` records it{follow_up}"


def _status_to_json(status: WorkspaceStatus) -> Iterator[object]:
    """Yield the live assets with their state, then the assets that wait to become live."""
    waiting = {blocked.address: blocked for blocked in status.pending}
    usage = {entry.name: entry for entry in status.usage}
    step_counts = {item.run.id: dict(Counter(map(step_state, item.steps))) for item in status.pipelines}
    unrecorded = {
        action.address: action.version
        for action in status.unrecorded_actions
        if not (action.run and action.run.experiment)
    }
    for record in status.state.current.values():
        run = _latest_run(status.state, record)
        blocked = waiting.pop(record.address, None)
        pending = {"pending": _blocked_to_json(blocked)} if blocked else {}
        ended = {"unrecorded": unrecorded[record.address]} if record.address in unrecorded else {}
        steps = {"steps": step_counts[record.latest]} if record.latest in step_counts else {}
        used = {"usage": usage[str(record.address)].to_json()} if str(record.address) in usage else {}
        yield {
            **plan_json.record_to_json(record),
            "state": _state_label(record, run),
            **pending,
            **ended,
            **used,
            **steps,
        }
    for address, blocked in waiting.items():
        yield {"address": str(address), "state": "absent", "pending": _blocked_to_json(blocked)}
    for run in status.state.read_open_experiments():
        yield {"address": str(run.address), "experiment": run.id, "state": str(run.status)}


def _blocked_to_json(blocked: Blocked) -> object:
    document = plan_json.blocked_to_json(blocked)
    return {name: document[name] for name in ("failed", "message", "recorded_only", "refusals") if name in document}


def _latest_run(state: State, record: Record) -> Run | None:
    return state.find_run(record.address, record.latest) if record.latest else None


def _table_row(state: State, record: Record) -> tuple[str, str, str, str]:
    run = _latest_run(state, record)
    version = run.id if run else record.version
    since = (run.ended_at or run.started_at or run.submitted_at) if run else ""
    return (str(record.address), version, _state_label(record, run), _to_seconds(since) or record.applied_at)


def _to_seconds(timestamp: str) -> str:
    """Return a time stamp without fractions of a second, as records have it; "" for none."""
    return f"{timestamp.partition('.')[0].removesuffix('Z')}Z" if timestamp else ""


def _state_label(record: Record, run: Run | None) -> str:
    if record.archived:
        return "archived"
    if run is None and record.intent is not None:
        return f"{record.intent.effect} not finished"
    if run is None:
        return _RECORDED_ONLY if plan_json.recorded_only_reason(record) else "live"
    if run.id == record.run or not record.run:
        return str(run.status)
    return f"{run.status}; current is {record.run}"
