"""mlgit status: what is live, what runs, what waits or failed; read from the live state and asked of the backends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import open_current_session
from reconciler.cli.terminal import StatusDisplay, Terminal
from reconciler.diagnostics import has_errors
from reconciler.engine.refresh import active_runs, is_recorded_store, refresh_runs
from reconciler.model import Action, Blocked, Observation, Plan, Record, Run, State
from reconciler.planning.pipeline import run_plan_pipeline
from reconciler.planning.policy import Policy
from reconciler.planning.refresh import merge_observation
from reconciler.project.desired import make_desired
from reconciler.project.session import Session
from reconciler.render import plan_json, text
from reconciler.render.code_frame import sanitize_line
from reconciler.render.history import rollback_hold_lines
from reconciler.source import workspace

_COLUMN_HEADINGS = ("ADDRESS", "VERSION", "STATE", "SINCE")


def _parse_seconds(_context: click.Context, _option: click.Parameter, value: str) -> float:
    try:
        seconds = float(value.removesuffix("s"))
    except ValueError:
        seconds = 0
    if seconds <= 0:
        raise click.BadParameter(f"{value} is no number of seconds, such as 2s")
    return seconds


@click.command("status")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, and show what changes.")
@click.option("--until-idle", is_flag=True, help="With --watch: end when nothing runs any more.")
@click.option(
    "--interval", metavar="SECONDS", callback=_parse_seconds, default="2s", show_default=True, help="How often to look."
)
@format_option
@target_option
def command(*, watch: bool, until_idle: bool, interval: float, form: str) -> int:
    """Show what is live, what is running, and what waits or failed.

    \b
    mlgit status
    mlgit status --watch --until-idle
    """
    if until_idle and not watch:
        raise click.UsageError("--until-idle goes with --watch")
    if watch and form == "json":
        raise click.UsageError("--watch is for people; a program asks again")
    session = open_current_session()
    if watch:
        return _watch_status(session, interval, until_idle=until_idle)
    seen = _read_status(session)
    if form == "json":
        click.echo(plan_json.dump_json([*_status_to_json(seen)]))
    elif not seen.live.current:
        click.echo("Nothing is live yet. `mlgit plan` shows what would be made.")
        if elsewhere := session.fetch_state_hint(seen.live):
            click.echo(elsewhere)
    else:
        terminal = Terminal()
        terminal.print_table(_COLUMN_HEADINGS, seen.rows)
        for line in seen.lines:
            terminal.print_text(line)
    return 0


@dataclass(frozen=True, slots=True)
class _StatusSnapshot:
    """How things stand at one moment."""

    live: State
    pending: tuple[Blocked, ...]
    unrecorded_actions: tuple[Action, ...] = ()  # the runs that came to their end and are not recorded yet
    next_actions: tuple[Action, ...] = ()

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """The table of what is live."""
        return [_table_row(self.live, record) for record in self.live.current.values()]

    @property
    def lines(self) -> list[str]:
        """What stands below the table: how much there is, who went back, what waits or failed."""
        applied = f"from commit {self.live.applied_commit[:10]}" if self.live.applied_commit else ""
        live = sum(not record.archived for record in self.live.current.values())
        count = f"{text.pluralize(live, 'asset')} live {applied}".rstrip() + "."
        waits = [f"  {blocked.address}: {blocked.message}" for blocked in self.pending if not blocked.failed]
        failed = [f"  {blocked.address}: {blocked.message}" for blocked in self.pending if blocked.failed]
        lines = ["", count, *(line + "." for line in rollback_hold_lines(self.live.rollback))]
        ended = [f"  {_format_ended_run(action, self.next_actions)}" for action in self.unrecorded_actions]
        for title, found in (("Ended, not recorded yet:", ended), ("Waiting:", waits), ("Failed:", failed)):
            lines += ["", title, *map(sanitize_line, found)] if found else []
        return lines


def _read_status(session: Session) -> _StatusSnapshot:
    """Read the live state and ask the backends; where the store is another one, runs stand as they are recorded."""
    live = session.read_recorded_state()
    there = is_recorded_store(live, session.store_path)
    observation = refresh_runs(live, session.open_backends()) if there else Observation()
    plan = _make_plan(session, live, observation if there else None)
    seen, ended = merge_observation(live, observation)
    return _StatusSnapshot(seen, plan.blocked, ended, plan.actions) if plan else _StatusSnapshot(seen, (), ended)


def _make_plan(session: Session, live: State, observation: Observation | None) -> Plan | None:
    """Return what a plan would say; None where the files are wrong, which is for validate to say."""
    found = workspace.read_asset_set(session.tree, session.config)
    if not live.commit or has_errors(found.diagnostics):
        return None
    desired = make_desired(session.workspace, session.source, session.tree, found)
    return run_plan_pipeline(desired, live, Policy(session.config), observation)[0]


def _format_ended_run(record: Action, plan: Sequence[Action]) -> str:
    """Say of a run that ended what the next apply makes of it."""
    follows = [str(action.address) for action in plan if record.key in action.needs]
    then = f", then comes {text.join_some(follows)}" if follows else ""
    status = record.run.status if record.run else ""
    return f"{record.address}: run {record.version} {status}; `mlgit apply` records that{then}"


def _watch_status(session: Session, interval: float, *, until_idle: bool) -> int:
    try:
        with StatusDisplay(_COLUMN_HEADINGS) as shown:
            while True:
                seen = _read_status(session)
                shown.update(seen.rows, seen.lines)
                if until_idle and not any(active_runs(seen.live)):
                    return 0
                time.sleep(interval)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _status_to_json(seen: _StatusSnapshot) -> Iterator[object]:
    """Yield what is live with how it stands, then what waits to become so."""
    waiting = {blocked.address: blocked for blocked in seen.pending}
    unrecorded = {action.address: action.version for action in seen.unrecorded_actions}
    for record in seen.live.current.values():
        run = _latest_run(seen.live, record)
        left = waiting.pop(record.address, None)
        more = {"pending": _blocked_to_json(left)} if left else {}
        more |= {"unrecorded": unrecorded[record.address]} if record.address in unrecorded else {}
        yield {**plan_json.record_to_json(record), "state": _state_label(record, run)} | more
    for address, left in waiting.items():
        yield {"address": str(address), "state": "absent", "pending": _blocked_to_json(left)}


def _blocked_to_json(each: Blocked) -> object:
    return {"failed": each.failed, "message": each.message}


def _latest_run(live: State, record: Record) -> Run | None:
    return live.find_run(record.address, record.latest) if record.latest else None


def _table_row(live: State, record: Record) -> tuple[str, str, str, str]:
    run = _latest_run(live, record)
    version = run.id if run else record.version
    return (str(record.address), version, _state_label(record, run), record.applied_at)


def _state_label(record: Record, run: Run | None) -> str:
    if record.archived:
        return "archived"
    if run is None:
        return "live"
    if run.id == record.run or not record.run:
        return str(run.status)
    return f"{run.status}; current is {record.run}"
