"""mlgit run: run one job file as it lies in the work tree, beside what is applied."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from reconciler.abbreviation import format_elapsed, format_size, pluralize
from reconciler.cli import EXIT_INTERRUPTED
from reconciler.cli._file_session import complete_hints, open_session_of_file, setup_command
from reconciler.cli._run_files import print_log
from reconciler.cli.console import echo, echo_line
from reconciler.cli.options import SetCommand, format_option, set_option, target_option
from reconciler.cli.step_display import StepReader, follow_steps
from reconciler.cli.terminal import make_console
from reconciler.format.overrides import format_options
from reconciler.model import DRIVER, Event, Json, Progress, Run, RunStatus
from reconciler.project.experiment import (
    PreparedExperiment,
    RunOptions,
    is_submitted,
    prepare_experiment,
    refresh_experiment,
    start_experiment,
    stop_builds,
)
from reconciler.project.prune_experiments import prune_experiments
from reconciler.project.record_experiment import record_ended_experiment
from reconciler.project.reuse_forecast import forecast_reuse_of
from reconciler.project.session import Session
from reconciler.project.steps import report_known_steps
from reconciler.render import plan_json
from reconciler.render.step_forecasts import reuse_lines
from reconciler.render.step_json import step_to_json
from reconciler.render.step_states import summarize_steps
from reconciler.secrets.redact import mask_json_secrets, secret_values
from reconciler.timestamps import parse_timestamp

_POLL_SECONDS = 0.2


@click.command("run", cls=SetCommand)
@click.argument("file", type=click.Path(path_type=Path))
@set_option
@click.option("--name", metavar="NAME", help="The name of the job, in place of that in its file.")
@click.option("--again", is_flag=True, help="Run it once more though nothing changed.")
@click.option(
    "--stream/--detach",
    "streams",
    default=True,
    help="Print the log until the run has ended, which is the default, or return once it is submitted.",
)
@format_option
@target_option
def command(  # noqa: PLR0913 - one parameter for each option
    file: Path, *, overrides: tuple[str, ...], name: str | None, again: bool, streams: bool, form: str
) -> int:
    """Run a job file as it lies in the work tree, committed or not, and print its log.

    Of a pipeline or a sweep, its steps and trials are shown instead, each with its state. Steps are reused from earlier
    runs if nothing that they use has changed; trials are not.

    Nothing is registered, and what is applied stays as it is: the run is an experiment beside it. `mlgit apply` adopts
    it once the same job is committed. A job that ran before with the same files, inputs and environment is not run
    twice: the run is followed or, if it has completed, shown. The exit code is 0 if the run completed.

    \b
    mlgit run jobs/train.yml
    mlgit run jobs/train.yml --set inputs.lr=0.3 --detach
    """
    if name is not None and not name.strip():
        raise click.BadParameter("a name has at least one character", param_hint="--name")
    session, path = open_session_of_file(file)
    if session.workspace.settings_file is not None:
        echo_line(_implicit_note(session), err=True)
    is_text = form == "text"
    with complete_hints():
        prepared = prepare_experiment(session, RunOptions(path, name or "", overrides, again))
    if is_text:
        _print_lines([*_plan_lines(prepared, streams=streams), *_forecast_lines(prepared)])
    try:
        with complete_hints():
            started = start_experiment(prepared, _print_progress if is_text else _ignore_event)
        if not streams:
            return _report_detached(started, is_text=is_text)
        run = _follow(started, is_text=is_text)
    except KeyboardInterrupt:
        stop_builds(prepared)
        _print_lines(["", *_interruption_lines(prepared)], err=True)
        return EXIT_INTERRUPTED
    if is_text:
        _print_lines(_result_lines(started, run, file))
    else:
        echo(plan_json.dump_json(_run_to_json(started, run)))
    with suppress(KeyboardInterrupt):  # the run has ended and is reported
        prune_experiments(session)
    return int(run.status is not RunStatus.COMPLETED)


def _implicit_note(session: Session) -> str:
    """Return where the runs of files outside of a workspace are recorded."""
    repository = session.workspace.repository
    if repository.is_separate:
        return (
            f"{repository.top} is in no Git repository and has no mlgit.yml: its runs are kept in {repository.git_dir}."
        )
    return f"There is no mlgit.yml in this repository: its runs are kept in {session.workspace.local_folder}."


def _ignore_event(_event: Event) -> None:
    """Do nothing with an event."""


def _print_lines(lines: Iterator[str] | list[str], *, err: bool = False) -> None:
    for line in lines:
        echo_line(line, err=err)


def _print_progress(event: Event) -> None:
    if event.progress is Progress.MESSAGE and not event.message.startswith("run "):  # which the plan has named
        echo_line(f"  {event.message}")


def _plan_lines(prepared: PreparedExperiment, *, streams: bool) -> Iterator[str]:
    """Yield what is about to happen."""
    run = prepared.run
    options = format_options(prepared.options.overrides)
    values = f" with {', '.join(options)}" if options else ""
    if not prepared.is_new:
        yield from _known_run_lines(run, streams=streams)
        return
    place = "" if run.backend == DRIVER else f" on {run.backend}"
    yield f"{run.address}{values}: run {run.id}{place}"
    if previous := prepared.previous:
        yield f"  run {previous.id} {previous.status} with the same files; this is attempt {run.attempt}"
    for action in prepared.plan.needed:
        yield f"  {action.address}: used as it is declared, not registered"
    if prepared.job.note:
        yield f"  {prepared.job.note}"
    yield from (f"  {note.removeprefix(f'{run.address}: ')}" for note in prepared.plan.notes)


def _forecast_lines(prepared: PreparedExperiment) -> Iterator[str]:
    """Yield what the store says of the steps of a pipeline that is submitted."""
    if prepared.is_new:
        submission = prepared.plan.make_submission(prepared.run)
        for forecast in forecast_reuse_of(prepared.session, prepared.state, (*prepared.plan.needed, submission)):
            yield from (f"  {line}" for line in reuse_lines(forecast, submission.steps))


def _known_run_lines(run: Run, *, streams: bool) -> Iterator[str]:
    if run.status.is_active:
        following = "; following it" if streams else ", so nothing is submitted"
        yield f"{run.address}: run {run.id} is {run.status} with the same files{following}"
    else:
        ended_at = f"{run.ended_at.partition('.')[0].removesuffix('Z')}Z"
        yield f"{run.address}: run {run.id} {run.status} with the same files at {ended_at}, so nothing is run"
        yield "  To run it once more, use --again."


def _follow(prepared: PreparedExperiment, *, is_text: bool) -> Run:
    """Print the log of a run until it has ended, and record its end; return the run."""
    run = prepared.run
    if is_text:
        echo()
    if not run.status.is_active:
        return run
    if is_text and run.backend == DRIVER:
        reader = StepReader(prepared.providers.backends)
        run = follow_steps(run, reader, lambda: refresh_experiment(prepared), make_console())
        echo()
        return record_ended_experiment(prepared.session, run, prepared.providers.backends)
    is_followed = is_text and run.handle is not None
    if is_followed and print_log(run, prepared.providers.backend(run.backend), follow=True):
        echo()
    while (run := refresh_experiment(prepared)).status.is_active:
        time.sleep(_POLL_SECONDS)
    return record_ended_experiment(prepared.session, run, prepared.providers.backends)


def _run_to_json(prepared: PreparedExperiment, run: Run) -> Json:
    """Return a run, of a pipeline or a sweep with its steps."""
    steps = [step_to_json(run, step) for step in report_known_steps(prepared.providers.backends, run)]
    fields = plan_json.run_to_json(run) | ({"steps": steps} if steps else {})
    return mask_json_secrets(fields, secret_values(run.spec))


def _report_detached(prepared: PreparedExperiment, *, is_text: bool) -> int:
    if not is_text:
        echo(plan_json.dump_json(plan_json.run_to_json(prepared.run)))
    elif prepared.run.status.is_active:
        _print_lines(_continuation_lines(prepared))
    return 0


def _continuation_lines(prepared: PreparedExperiment) -> list[str]:
    run, option = prepared.run, prepared.session.target_option
    name = shlex.quote(run.id)
    follow = f"job wait {name}" if run.backend == DRIVER else f"job logs {name} --follow"
    return [
        f"Run {run.id} goes on.",
        f"  Follow it with `mlgit {follow}{option}`.",
        f"  Cancel it with `mlgit job cancel {name}{option}`.",
    ]


def _interruption_lines(prepared: PreparedExperiment) -> list[str]:
    if is_submitted(prepared):
        return _continuation_lines(prepared)
    return [f"Interrupted before run {prepared.run.id} was submitted. The same command goes on with it."]


def _result_lines(prepared: PreparedExperiment, run: Run, file: Path) -> Iterator[str]:
    """Yield how a run ended, what it left, and how to keep it."""
    message = f": {run.message}" if run.message else ""
    yield f"Run {run.id} {run.status}{_elapsed(run)}{message}."
    steps = report_known_steps(prepared.providers.backends, run)
    if steps:
        yield f"{summarize_steps(steps)}."
    if run.outputs and run.status is RunStatus.COMPLETED:
        yield "Outputs:"
        yield from (f"  {name}{_describe_output(output)}" for name, output in run.outputs.items())
    if run.metrics:
        yield "Metrics:"
        yield from (f"  {name}: {value}" for name, value in sorted(run.metrics.items()))
    option = prepared.session.target_option
    if run.status is RunStatus.COMPLETED:
        yield from _next_step_lines(prepared, run, file)
    else:
        failed = next((step for step in steps if step.status is RunStatus.FAILED and step.handle), None)
        if failed:
            yield f"`mlgit job logs {shlex.quote(f'{run.id}/{failed.step}')}{option}` shows the log of {failed.step}."
        again = _format_command(prepared, file)
        yield f"`mlgit job show {shlex.quote(run.id)}{option}` shows more of it; `{again}` runs the job once more."


def _format_command(prepared: PreparedExperiment, file: Path) -> str:
    """Return the command that runs the same again; without secrets."""
    options = prepared.options
    values = [f"--set {shlex.quote(option)}" for option in format_options(options.overrides)]
    name = [f"--name {shlex.quote(options.name)}"] if options.name else []
    return " ".join(["mlgit run", shlex.quote(str(file)), *values, *name]) + prepared.session.target_option


def _elapsed(run: Run) -> str:
    if not (run.started_at and run.ended_at):
        return ""
    seconds = (parse_timestamp(run.ended_at) - parse_timestamp(run.started_at)).total_seconds()
    return f" after {format_elapsed(seconds)}"


def _describe_output(output: dict[str, object]) -> str:
    files, size = output.get("files"), output.get("size")
    if not isinstance(files, int) or not isinstance(size, int):
        return ""
    return f": {pluralize(files, 'file')}, {format_size(size)}"


def _next_step_lines(prepared: PreparedExperiment, run: Run, file: Path) -> Iterator[str]:
    option = prepared.session.target_option
    if run.outputs:
        yield f"Get its files with `mlgit job download {shlex.quote(run.id)} DIR{option}`."
    if not run.experiment:
        return
    workspace = prepared.session.workspace
    if workspace.settings_file is not None:
        place = "folder" if workspace.repository.is_separate else "repository"
        yield f"To keep jobs and runs under Git, make a workspace of the {place} with `{setup_command(workspace)}`."
        return
    has_values = bool(prepared.options.overrides or prepared.options.name)
    if not (has_values or prepared.session.source.dirty):
        yield f"To keep it, run `mlgit apply{option}`, which adopts this run, and runs nothing."
        return
    changes = " with these values" if has_values else ""
    yield f"To keep it, commit {file}{changes}: `mlgit apply{option}` then adopts this run, and runs nothing."
