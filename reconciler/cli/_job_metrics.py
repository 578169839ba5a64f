"""mlgit job metrics: what runs have logged, as a table or as charts.

``render.metric_charts``, which needs plotille, is imported by name, for charts.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping, Sequence

import click

from reconciler.abbreviation import pluralize
from reconciler.cli._job_run import find_run_and_backend
from reconciler.cli._run_files import group_values, read_metrics, summarize_metrics
from reconciler.cli.console import can_print, echo, echo_line, print_drawing, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.model.logged_metrics import Metric
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
    metrics_by_run = dict(map(_read_metrics, jobs))
    if form == "json":
        values = [
            ({"run": run} if len(jobs) > 1 else {}) | value
            for run, logged in metrics_by_run.items()
            for value in logged
        ]
        return echo(plan_json.dump_json(values))
    for run in [run for run, logged in metrics_by_run.items() if not logged]:
        del metrics_by_run[run]
        echo_line(f"run {run} has logged no metrics")
    if not metrics_by_run:
        return None
    return _plot(metrics_by_run) if plots else _print_last_values(metrics_by_run)


def _read_metrics(job: str) -> tuple[str, list[Metric]]:
    """Return the id of a run and what it has logged."""
    _, run, backend = find_run_and_backend(job)
    logged, skipped = read_metrics(run, backend)
    if skipped:
        echo_line(f"run {run.id}: skipped {pluralize(skipped, 'unreadable line')} of its metrics", err=True)
    return run.id, logged


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
