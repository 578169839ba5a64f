"""mlgit status: what is live, what runs, what waits or failed; read from the live state and asked of the backends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from reconciler.cli import INTERRUPTED
from reconciler.cli.options import format_option, target_option
from reconciler.cli.session import Session, open_session
from reconciler.cli.terminal import Terminal, Watching
from reconciler.diagnostics import has_errors
from reconciler.model import Action, Live, Observation, Pending, Plan, Record, Run
from reconciler.observe import active_runs, is_here, observe
from reconciler.planning.observed import fold
from reconciler.planning.policy import Policy
from reconciler.planning.proposal import propose
from reconciler.render import as_json, text
from reconciler.render.excerpt import inline
from reconciler.render.history import rolled_back
from reconciler.source import workspace as workspaces

_HEADS = ("ADDRESS", "VERSION", "STATE", "SINCE")


def _seconds(_context: click.Context, _option: click.Parameter, value: str) -> float:
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
    "--interval", metavar="SECONDS", callback=_seconds, default="2s", show_default=True, help="How often to look."
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
    session = open_session()
    if watch:
        return _watch(session, interval, until_idle=until_idle)
    seen = _look(session)
    if form == "json":
        click.echo(as_json.dump([*_json(seen)]))
    elif not seen.live.current:
        click.echo("Nothing is live yet. `mlgit plan` shows what would be made.")
        if elsewhere := session.elsewhere(seen.live):
            click.echo(elsewhere)
    else:
        terminal = Terminal()
        terminal.table(_HEADS, seen.rows)
        for line in seen.lines:
            terminal.show(line)
    return 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """How things stand at one moment."""

    live: Live
    pending: tuple[Pending, ...]
    ended: tuple[Action, ...] = ()  # the runs that came to their end and are not recorded yet
    following: tuple[Action, ...] = ()

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """The table of what is live."""
        return [_row(self.live, each) for each in self.live.current.values()]

    @property
    def lines(self) -> list[str]:
        """What stands below the table: how much there is, who went back, what waits or failed."""
        applied = f"from commit {self.live.applied[:10]}" if self.live.applied else ""
        live = sum(not each.archived for each in self.live.current.values())
        count = f"{text.counted(live, 'asset')} live {applied}".rstrip() + "."
        waits = [f"  {each.address}: {each.message}" for each in self.pending if not each.failed]
        failed = [f"  {each.address}: {each.message}" for each in self.pending if each.failed]
        lines = ["", count, *(each + "." for each in rolled_back(self.live.rollback))]
        ended = [f"  {_ended(each, self.following)}" for each in self.ended]
        for title, found in (("Ended, not recorded yet:", ended), ("Waiting:", waits), ("Failed:", failed)):
            lines += ["", title, *map(inline, found)] if found else []
        return lines


def _look(session: Session) -> _Seen:
    """Read the live state and ask the backends; where the store is another one, runs stand as they are recorded."""
    live = session.recorded()
    there = is_here(live, session.store)
    observation = observe(live, session.backends()) if there else Observation()
    plan = _plan(session, live, observation if there else None)
    seen, ended = fold(live, observation)
    return _Seen(seen, plan.pending, ended, plan.actions) if plan else _Seen(seen, (), ended)


def _plan(session: Session, live: Live, observation: Observation | None) -> Plan | None:
    """Return what a plan would say; None where the files are wrong, which is for validate to say."""
    found = workspaces.declared(session.tree, session.config)
    if not live.commit or has_errors(found.diagnostics):
        return None
    desired = workspaces.desired(session.workspace, session.source, session.tree, found)
    return propose(desired, live, Policy(session.config), observation)[0]


def _ended(record: Action, plan: Sequence[Action]) -> str:
    """Say of a run that ended what the next apply makes of it."""
    follows = [str(each.address) for each in plan if record.key in each.needs]
    then = f", then comes {text.some(follows)}" if follows else ""
    status = record.run.status if record.run else ""
    return f"{record.address}: run {record.version} {status}; `mlgit apply` records that{then}"


def _watch(session: Session, interval: float, *, until_idle: bool) -> int:
    try:
        with Watching(_HEADS) as shown:
            while True:
                seen = _look(session)
                shown.show(seen.rows, seen.lines)
                if until_idle and not any(active_runs(seen.live)):
                    return 0
                time.sleep(interval)
    except KeyboardInterrupt:
        return INTERRUPTED


def _json(seen: _Seen) -> Iterator[object]:
    """Yield what is live with how it stands, then what waits to become so."""
    waiting = {each.address: each for each in seen.pending}
    unrecorded = {each.address: each.version for each in seen.ended}
    for record in seen.live.current.values():
        run = _newest(seen.live, record)
        left = waiting.pop(record.address, None)
        more = {"pending": _plain(left)} if left else {}
        more |= {"unrecorded": unrecorded[record.address]} if record.address in unrecorded else {}
        yield {**as_json.record(record), "state": _state(record, run)} | more
    for address, left in waiting.items():
        yield {"address": str(address), "state": "absent", "pending": _plain(left)}


def _plain(each: Pending) -> object:
    return {"failed": each.failed, "message": each.message}


def _newest(live: Live, record: Record) -> Run | None:
    return live.run(record.address, record.latest) if record.latest else None


def _row(live: Live, record: Record) -> tuple[str, str, str, str]:
    run = _newest(live, record)
    version = run.id if run else record.version
    return (str(record.address), version, _state(record, run), record.applied_at)


def _state(record: Record, run: Run | None) -> str:
    if record.archived:
        return "archived"
    if run is None:
        return "live"
    if run.id == record.run or not record.run:
        return str(run.status)
    return f"{run.status}; current is {record.run}"
