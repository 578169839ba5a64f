"""mlgit job: list and inspect runs, follow their logs, cancel them, wait for them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from reconciler.cli import refuse_command
from reconciler.cli._job_argument import JOB_KIND, find_live_job
from reconciler.cli._run_filter import RUN_HEADINGS, RunFilter, filter_options, run_table
from reconciler.cli.console import echo, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.project.run_list import list_all_runs
from reconciler.render import plan_json
from reconciler.state.codec import RunSummary, decode_run, summarize_run

_LOADED_BY_NAME = (
    "cancel",
    "compare",
    "download",
    "logs",
    "metrics",
    "rerun",
    "show",
    "wait",
)  # these need more than the state


class _JobGroup(click.Group):
    """The group of commands on runs; those that load parts of `apply` are loaded by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LOADED_BY_NAME])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LOADED_BY_NAME:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(f"reconciler.cli._job_{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            refuse_command(ctx, args[0], ["job", *args], self.list_commands(ctx))
        return super().resolve_command(ctx, [args[0], *_with_positional_job(args[1:])])


def _with_positional_job(arguments: Sequence[str]) -> list[str]:
    """Return arguments with the job first if it is given as ``--name JOB``, which is how `az ml` has it."""
    for position, argument in enumerate(arguments):
        option, has_value, value = argument.partition("=")
        if argument == "--":
            break
        if option == "--name" and has_value:
            return [value, *arguments[:position], *arguments[position + 1 :]]
        if argument in ("--name", "-n") and arguments[position + 1 :]:
            return [arguments[position + 1], *arguments[:position], *arguments[position + 2 :]]
    return [*arguments]


@click.group("job", cls=_JobGroup)
def command() -> None:
    """List and manage runs.

    JOB is the name of a job, the last part of it if no other job has that, the path of its file, or the name of one of
    its runs; except by a run, it stands for the newest run of the job. `--name JOB` (-n) is the same, as in az ml.
    JOB/STEP is a step of a pipeline, such as train/prepare, or a trial of a sweep, such as train/tune.7.

    \b
    mlgit job logs train --follow
    """


@command.command("list")
@click.argument("job", required=False)
@filter_options
@format_option
@target_option
def list_runs(job: str | None, form: str, run_filter: RunFilter) -> None:
    """List runs, of one job or of all, by experiment, oldest first.

    The best metric is the primary metric of a sweep, of its best trial; of any other run, the first that it logged.
    --status, --experiment and --tag list the runs that have all of it; --status several times lists the runs with any.

    \b
    mlgit job list train
    mlgit job list --status failed --status canceled --experiment iris --tag team=vision
    mlgit job list --max-results 10
    """
    session = open_current_state_session()
    if form == "text" and job is None:
        return _print_runs(list_all_runs(session), run_filter)
    state = session.read_refreshed_state()
    jobs = (address for address in state.current if address.kind == JOB_KIND)
    experiments = session.state_store.list_experiments(JOB_KIND)
    addresses = [find_live_job(session, state, job)[0]] if job else dict.fromkeys((*jobs, *experiments))
    recorded = session.state_store.runs_by_job(state.current, addresses, decode_run)
    runs = [
        state.find_run(address, run.id) or run if run.is_unfinished else run
        for address, runs_of_job in recorded.items()
        for run in runs_of_job
    ]
    summaries = [summarize_run(run) for run in runs]
    if form == "json":
        positions = run_filter.find_positions(summaries)
        return echo(plan_json.dump_json([plan_json.run_to_json(runs[position]) for position in positions]))
    return _print_runs(summaries, run_filter)


def _print_runs(summaries: Sequence[RunSummary], run_filter: RunFilter) -> None:
    positions = run_filter.find_positions(summaries)
    if not positions:
        return echo("No run has all of that." if summaries else "There are no runs yet.")
    return print_table(RUN_HEADINGS, run_table([summaries[position] for position in positions]))
