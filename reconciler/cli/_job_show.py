"""mlgit job show: all that is known of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click

from reconciler.abbreviation import format_elapsed, format_size, pluralize
from reconciler.cli._job_run import NamedRun, find_named_run
from reconciler.cli.console import echo
from reconciler.cli.options import format_option, target_option
from reconciler.diagnostics import UserError
from reconciler.model import DRIVER, Json, Run, RunStatus, State, StepRun
from reconciler.model.runs import UNWRITTEN
from reconciler.project.run_environment import RunEnvironment, find_run_environment, find_step_environment
from reconciler.project.run_log import read_log_tail
from reconciler.project.state_session import StateSession
from reconciler.project.steps import read_steps
from reconciler.render import outline, plan_json
from reconciler.render.step_descriptions import StepView, make_view
from reconciler.render.step_json import step_details_to_json, step_to_json
from reconciler.render.step_states import summarize_steps
from reconciler.render.step_tree import tree_lines
from reconciler.secrets.redact import mask_json_secrets, secret_values
from reconciler.state.codec import decode_run
from reconciler.timestamps import seconds_between, utc_timestamp

_MAX_LINES = 40  # of the tree, without --all


@click.command("show")
@click.argument("job")
@click.option("--all", "shows_all", is_flag=True, help="List all steps of a pipeline or a sweep, however many.")
@format_option
@target_option
def command(job: str, form: str, *, shows_all: bool) -> None:
    """Show a run: its status, inputs, environment, metrics and outputs, and where its log and outputs are.

    Of a pipeline or a sweep also each step: its state, how long it took, and why it ran or what it was reused from.
    RUN/STEP shows one step as a run of its own.

    \b
    mlgit job show train --format json
    mlgit job show train-1a2b3c4d/evaluate
    """
    named = find_named_run(job)
    steps, problem = _read_known_steps(named)
    fields = run_details_to_json(named, steps) | ({"files_gone": problem} if problem else {})
    if form == "json":
        return echo(plan_json.dump_json(fields))
    fields.pop("steps", None)
    echo(outline.format_outline(_to_readable(named.run, fields)))
    if steps:
        view = make_view(named.run, steps, utc_timestamp("milliseconds"))
        echo("\n".join((summarize_steps(steps), *_indented_tree(view, shows_all=shows_all))))
    return None


def _read_known_steps(named: NamedRun) -> tuple[tuple[StepRun, ...], str]:
    """Return the steps of a run; second, why they cannot be read, "" if they can."""
    try:
        return read_steps(named.session, named.state, named.run), ""
    except UserError as error:
        return (), error.diagnostics[0].message


def _indented_tree(view: StepView, *, shows_all: bool) -> list[str]:
    """Return the tree below its heading; of many steps, without ``shows_all``, the most important ones."""
    lines = tree_lines(view)
    if len(lines) <= _MAX_LINES or shows_all:
        return [f"  {line.text}" for line in lines]
    return [*(f"  {line.text}" for line in tree_lines(view, _MAX_LINES)), "  --all lists all of them"]


def run_details_to_json(named: NamedRun, steps: Iterable[StepRun]) -> Json:
    """Return a run with its inputs, where its log and outputs are, its steps, and the end of its log if it failed."""
    session, state, run = named.session, named.state, named.run
    if named.parent and named.step:
        fields = {
            **step_details_to_json(named.parent, named.step),
            **_environment_to_json(find_step_environment(state, named.step)),
            **_log_and_output_paths(session, run),
        }
        return mask_json_secrets(fields, secret_values(named.parent.spec))
    fields = {
        **plan_json.run_to_json(run),
        **_attempts_to_json(session, state, run),
        **_environment_to_json(find_run_environment(state, run)),
        **_resolved_inputs_to_json(run),
        **_downloads_to_json(run),
        **_log_and_output_paths(session, run),
        **({"steps": children} if (children := [step_to_json(run, step) for step in steps]) else {}),
    }
    return mask_json_secrets(fields, secret_values(run.spec))


def _to_readable(run: Run, fields: Json) -> Json:
    """Return the fields with the duration and the sizes of outputs as a person reads them."""
    readable: Json = {}
    for name, value in fields.items():
        if name == "duration_seconds":
            readable["duration"] = format_elapsed(value)
        elif name == "status":
            readable[name] = run.status.label
        elif name == "outputs":
            readable[name] = {output: _format_output(run, content) for output, content in value.items()}
        else:
            readable[name] = value
        if name == "submitted_at" and run.status is RunStatus.RUNNING:
            elapsed = seconds_between(run.started_at or run.submitted_at, utc_timestamp("milliseconds"))
            readable["duration"] = f"{format_elapsed(elapsed or 0)} so far"
    return readable


def _format_output(run: Run, content: Json) -> str:
    """Return the size of an output, and the path that its job gives it; one without digests is not in the store."""
    size = f"{pluralize(content.get('files', 0), 'file')}, {format_size(content.get('size', 0))}"
    is_kept_later = run.status is RunStatus.COMPLETED
    missing = "not in the store yet: the next `mlgit apply` records the run" if is_kept_later else "not in the store"
    text = size if "md5" in content else f"{size}, {missing}"
    text = f"{text}, {content['path']}" if "path" in content else text
    return f"{text}, not written there: {content[UNWRITTEN]}" if UNWRITTEN in content else text


def _attempts_to_json(session: StateSession, state: State, run: Run) -> Json:
    """Return the attempts of a run, if there were several: the runs of its job with the same fingerprint."""
    runs = session.state_store.runs_by_job(state.current, [run.address], decode_run).get(run.address, ())
    same = [state.find_run(run.address, other.id) or other for other in runs if other.fingerprint == run.fingerprint]
    attempts = [{"run": other.id, "attempt": other.attempt, "status": str(other.status)} for other in same]
    return {"attempts": attempts} if len(attempts) > 1 else {}


def _environment_to_json(environment: RunEnvironment | None) -> Json:
    """Return the environment of a run, and how what it got was built."""
    if environment is None:
        return {}
    build = environment.build
    facts = {"python": build.python, "builder": build.builder, "platform": build.platform} if build else {}
    identity = {"identity": environment.identity} if environment.identity else {}
    return {"environment": {"name": environment.name, **facts, **identity}}


def _resolved_inputs_to_json(run: Run) -> Json:
    """Return the inputs of a run: literal values as they are, everything else by its version."""
    declared = run.spec.get("inputs")
    literals = declared if isinstance(declared, Mapping) else {}
    inputs = {name: _resolved_input(run, name, value) for name, value in literals.items()}
    return {"inputs": inputs} if inputs else {}


def _downloads_to_json(run: Run) -> Json:
    """Return what the URLs of inputs stood for, by the name of the input."""
    downloads = run.realised.get("downloads", {}).items()
    by_name = {pointer.removeprefix("/inputs/").removesuffix("/path"): dict(item) for pointer, item in downloads}
    return {"downloads": by_name} if by_name else {}


def _resolved_input(run: Run, name: str, value: Json) -> Json:
    if reference := run.references.get(f"/inputs/{name}/path"):
        return str(reference)
    return value.get("path", value.get("value")) if isinstance(value, Mapping) else value


def _log_and_output_paths(session: StateSession, run: Run) -> Json:
    """Return where a run's log and outputs are, or that they are gone; its artifacts; the log's end if it failed."""
    if run.backend == DRIVER:
        return {}  # its steps have files
    backends = session.open_backends()
    backend = backends.get(run.backend)
    if backend is None:
        host = session.config.backend_host(run.backend)
        return {"log": f"on {host}, which has the backend {run.backend}"} if host else {}
    if run.handle is None:
        return {}
    try:
        files = backend.describe(run.handle)
    except UserError as error:
        return {"files_gone": error.diagnostics[0].message}
    tail = read_log_tail(backends, run) if run.status is RunStatus.FAILED else ()
    artifacts: Json = {"artifacts": list(files.artifacts)} if files.artifacts else {}
    return {**files.locations, **artifacts} | ({"log_tail": "\n".join(tail) + "\n"} if tail else {})
