"""mlgit job metrics: what runs have logged, as a table or as charts.

``render.metric_charts``, which needs plotille, is imported by name, for charts.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping, Sequence

import click

from reconciler.abbreviation import join_some, pluralize
from reconciler.cli._job_run import NamedRun, find_named_run
from reconciler.cli._run_files import group_values, read_metrics, summarize_metrics
from reconciler.cli.console import can_print, echo, echo_line, print_drawing, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.model import DRIVER
from reconciler.model.logged_metrics import Metric
from reconciler.project.steps import read_steps
from reconciler.render import plan_json

_BRAILLE = "⣿"
_HEADINGS = ("METRIC", "LAST", "STEP", "VALUES")


@click.command("metrics")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option("--plot", "plots", is_flag=True, help="Draw a chart of each metric, the runs over one another.")
@format_option
@target_option
def command(jobs: tuple[str, ...], *, plots: bool, form: str) -> None:
    """Show the metrics that runs have logged: the last value of each, by step and time, and how many values.

    With --plot, a chart of each metric has the curves of all runs, with a mark for each run, over the step. In JSON,
    each value of several runs names its run.

    \b
    mlgit job metrics train
    mlgit job metrics train-1c60a0d6 train-9f02be11 --plot
    """
    if plots and form == "json":
        raise click.UsageError("use --plot or --format json, not both")
    named_runs = {named.run.id: named for named in map(find_named_run, jobs)}
    metrics_by_run = {run: _read_metrics(named) for run, named in named_runs.items()}
    if form == "json":
        values = [
            ({"run": run} if len(jobs) > 1 else {}) | value
            for run, logged in metrics_by_run.items()
            for value in logged
        ]
        return echo(plan_json.dump_json(values))
    for run in [run for run, logged in metrics_by_run.items() if not logged]:
        del metrics_by_run[run]
        echo_line(_absence_sentence(named_runs[run]))
    if not metrics_by_run:
        return None
    return _plot(metrics_by_run) if plots else _print_last_values(metrics_by_run)


def _read_metrics(named: NamedRun) -> list[Metric]:
    """Return what a run has logged; of a pipeline or a sweep nothing, because its steps do."""
    if named.run.backend == DRIVER:
        return []
    logged, skipped = read_metrics(named.run, named.open_backend())
    if skipped:
        echo_line(f"run {named.run.id}: skipped {pluralize(skipped, 'unreadable line')} of its metrics", err=True)
    return logged


def _absence_sentence(named: NamedRun) -> str:
    """Return that a run has logged no metrics, and which of its steps have, trials last."""
    sentence = f"run {named.run.id} has logged no metrics"
    if named.step:
        return sentence
    steps = [step for step in read_steps(named.session, named.state, named.run) if step.metrics and step.handle]
    paths = [f"{named.run.id}/{step.step}" for step in sorted(steps, key=lambda step: step.is_trial)]
    return f"{sentence} itself; its steps have: {join_some(paths)}" if paths else sentence


def _print_last_values(metrics_by_run: Mapping[str, Sequence[Metric]]) -> None:
    """Print the last value of each metric; of several runs, those of one metric below one another."""
    rows = [(run, *row) for run, logged in metrics_by_run.items() for row in summarize_metrics(logged)]
    if len(metrics_by_run) == 1:
        return print_table(_HEADINGS, [row[1:] for row in rows])
    metrics = list(dict.fromkeys(metric for _, metric, *_ in rows))
    rows.sort(key=lambda row: metrics.index(row[1]))
    return print_table((_HEADINGS[0], "RUN", *_HEADINGS[1:]), [(metric, run, *rest) for run, metric, *rest in rows])


def _plot(metrics_by_run: Mapping[str, Sequence[Metric]]) -> None:
    charts = importlib.import_module("reconciler.render.metric_charts")
    curves: dict[str, list[object]] = {}
    for run, logged in metrics_by_run.items():
        for metric, values in group_values(logged).items():
            curves.setdefault(metric, []).append(charts.Curve(run, values))
    width, braille = shutil.get_terminal_size().columns, can_print(_BRAILLE)
    print_drawing("\n\n".join(charts.draw_chart(metric, curves[metric], width, braille=braille) for metric in curves))
