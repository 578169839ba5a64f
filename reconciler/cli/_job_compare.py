"""mlgit job compare: what differs between two runs, and what came of it."""

from __future__ import annotations

import click

from reconciler.cli._job_run import NamedRun, find_named_run
from reconciler.cli.console import echo, print_coloured_lines, print_table
from reconciler.cli.options import format_option, target_option
from reconciler.planning.run_comparison import RunFacts, compare_runs
from reconciler.project.run_facts import read_run_facts, read_step_facts
from reconciler.render.plan_json import dump_json
from reconciler.render.run_comparison import comparison_to_json, difference_lines, result_rows, run_rows
from reconciler.render.sanitize import sanitize_line


@click.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@format_option
@target_option
def command(a: str, b: str, form: str) -> None:
    """Show what differs between two runs, and what came of it.

    A and B are runs, jobs, which stand for their newest runs, or steps (RUN/STEP). What they were given: inputs,
    command, environment variables, code, data, packages, compute. What came of it: status, duration, metrics, outputs.
    What is equal is not shown.

    \b
    mlgit job compare train-1c60a0d6 train-9f02be11
    mlgit job compare train train-small --format json
    """
    named = [find_named_run(argument) for argument in (a, b)]
    document = comparison_to_json(compare_runs(*map(_read_facts, named)))
    if form == "json":
        return echo(dump_json(document))
    print_table(("", "RUN", "JOB", "STATUS", "SUBMITTED"), run_rows(document))
    print_coloured_lines("\n".join(["", *map(sanitize_line, difference_lines(document)), ""]))
    if not document["results"]:
        return echo("No difference in what came of them.")
    return print_table(("RESULT", "A", "B", "DIFFERENCE"), result_rows(document))


def _read_facts(named: NamedRun) -> RunFacts:
    if named.parent is None or named.step is None:
        return read_run_facts(named.session, named.state, named.run)
    return read_step_facts(named.session, named.state, named.parent, named.step, named.run)
