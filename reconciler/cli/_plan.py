"""Run `mlgit plan` if its output is not cached.

This is a module of its own so that a cached plan (``cli.plan``) loads none of it. Imported by name: what writes another
form than text, ``project.saved_plan``, which saves a plan, ``project.forecasts``, which asks the providers,
``cli._overrides`` for ``--set`` and ``cli._plan_base`` for ``--base``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.abbreviation import join_some, pluralize
from reconciler.cli._plan_options import read_plan_options
from reconciler.cli.console import APPLY_HINT, echo, echo_line, print_coloured_lines
from reconciler.cli.plan import RenderedPlan, plan_exit_code
from reconciler.cli.session import open_current_session, remember_output, reported_diagnostics, shown_diagnostics
from reconciler.diagnostics import Diagnostic, UserError, has_errors
from reconciler.model import BuildForecast, Forecast, Plan, State, TableComparison
from reconciler.model.clusters import makes_cluster
from reconciler.planning.options import PlanOptions
from reconciler.project.destroy import session_without_edits
from reconciler.project.plan import make_plan
from reconciler.project.policy_files import has_waivers, report_policies
from reconciler.project.session import Session
from reconciler.render import plan_json, text
from reconciler.render.sanitize import sanitize_line
from reconciler.source.rendered_output import RenderedOutputCache

if TYPE_CHECKING:
    from reconciler.cli.json_events import EventStream

_POLICY_CODES = ("policy-", "waiver-")
_PLAN_OPTIONS = ("replaced", "selected", "excluded", "allow_submit", "allow_mass_delete", "destroy")


def run_plan(options: Mapping[str, Any], cache: RenderedOutputCache | None) -> int:
    """Plan as the options say, print the plan and cache what was printed; return the exit code."""
    if options["form"] == "json":
        json_events = importlib.import_module("reconciler.cli.json_events")
        return int(json_events.run_with_event_stream(lambda stream: _run_plan(options, cache, stream)))
    try:
        return _run_plan(options, cache, None)
    except UserError as error:
        if options["form"] != "text":  # what reads standard output, such as a comment of a pull request, must know
            errors = [diagnostic for diagnostic in reported_diagnostics() if has_errors([diagnostic])]
            echo(_markdown().errors_to_markdown(errors or error.diagnostics))
        raise


def _run_plan(options: Mapping[str, Any], cache: RenderedOutputCache | None, stream: EventStream | None) -> int:
    session = open_current_session(options["revision"], aside=options["out"], reuse=cache)
    if options["destroy"]:
        session = session_without_edits(session)
    plan_options = read_plan_options(session.config, **{name: options[name] for name in _PLAN_OPTIONS})
    if stream:
        stream.write_plan_started(session.source)
    age_warning = session.fetch_state()
    state = session.state_store.read()
    if options["overrides"]:
        session = _override_selected_job(session, state, options)
    plan, refusal = make_plan(session, state, plan_options, refresh=options["refresh"])
    policy_diagnostics = report_policies(session, plan, plan_options, state)
    refusal = refusal or _format_policy_refusal(policy_diagnostics)
    out = options["out"]
    if out is not None:
        saved_plan = importlib.import_module("reconciler.project.saved_plan")
        saved_plan.save_plan(session.workspace.repository, plan, plan_options, out)
    forecasts = _forecast(session, state, plan)
    cache = _check_submissions(session, state, plan, cache)
    if options["base"]:
        echo(f"{sanitize_line(age_warning)}.\n\n" if age_warning else "", nl=False)
        importlib.import_module("reconciler.cli._plan_base").print_apart(
            session, state, plan, forecasts, options["base"]
        )
    else:
        _print_plan(session, plan, forecasts, plan_options, state, options["form"], stream, age_warning)
    has_next_step = plan.submissions if session.overrides else plan.actions or refusal
    next_step = _format_apply_hint(session, plan_options, refusal) if has_next_step else ""
    if options["form"] == "text" and next_step and out is None and (refusal or not options["base"]):
        echo(next_step)
    elif refusal:
        _print_refusal(next_step.strip(), stream)
    if out is not None and stream is None:
        echo_line("", err=options["form"] != "text")
        echo_line(_format_saved_hint(session, out), err=options["form"] != "text")
    is_ready = any(action.known_after is None for action in plan.actions)
    lasting = [item for item in forecasts if _is_lasting(item)]
    printed = session.plan_heading + text.format_plan(plan, lasting)
    has_refusals = has_errors((*plan.refusals, *policy_diagnostics))
    folders = tuple(item.folder for item in lasting if isinstance(item, BuildForecast))
    rendered = RenderedPlan(printed, shown_diagnostics(), next_step, is_ready, has_refusals, folders)
    if (
        cache is not None
        and not has_waivers(session)
        and printed == session.plan_heading + text.format_plan(plan, forecasts)
    ):
        # What the store has may change at any time; but if it has nothing of what is planned, nothing is said of it.
        # A finished build stays where it is until it is removed.
        remember_output("plan", rendered, cache, session, state)
    return plan_exit_code(rendered, detailed=options["detailed_exitcode"])


def _is_lasting(forecast: Forecast) -> bool:
    """Return True for what is found again as long as the plan is the same: finished builds, and tables compared."""
    if isinstance(forecast, TableComparison):
        return forecast.is_complete
    return isinstance(forecast, BuildForecast) and bool(forecast.folder)


def _format_policy_refusal(diagnostics: Sequence[Diagnostic]) -> str:
    """Return that apply will refuse a plan for its policies, "" if they say nothing against it."""
    failed = sum(has_errors([diagnostic]) for diagnostic in diagnostics)
    return f"{pluralize(failed, 'error')} of policies" if failed else ""


def _override_selected_job(session: Session, state: State, options: Mapping[str, Any]) -> Session:
    """Return the session with the values of ``--set`` in the one job that is selected."""
    overrides = importlib.import_module("reconciler.cli._overrides")
    (job,) = options["selected"]
    overridden: Session = overrides.override_job(session, state, job, options["overrides"])
    return overridden


def _forecast(session: Session, state: State, plan: Plan) -> Sequence[Forecast]:
    """Return what the providers say of the pipelines and builds of a plan; without any, nothing is loaded."""
    if not plan.has_forecast:
        return ()
    module = importlib.import_module("reconciler.project.forecasts")
    forecasts: Sequence[Forecast] = module.forecast_actions(session, state, plan.actions)
    return forecasts


def _check_submissions(
    session: Session, state: State, plan: Plan, cache: RenderedOutputCache | None
) -> RenderedOutputCache | None:
    """Report what would stop runs and clusters of a plan on this machine; return the cache, none if there is something.

    This machine may be changed at any time: what was said of it is not remembered.
    """
    if not plan.submissions and not any(map(makes_cluster, session.config.backends.values())):
        return cache
    module = importlib.import_module("reconciler.project.submission_checks")
    return None if module.report_refused_submissions(session, state, plan) else cache


def _print_refusal(refusal: str, stream: EventStream | None) -> None:
    """Print that apply will refuse a plan, in another format than text; it is no part of the plan."""
    if stream:
        stream.on_note(refusal)
    else:
        echo()
        echo_line(f"> {refusal}")


def _print_plan(  # noqa: PLR0913, PLR0917 - what is printed, and how
    session: Session,
    plan: Plan,
    forecasts: Sequence[Forecast],
    plan_options: PlanOptions,
    state: State,
    form: str,
    stream: EventStream | None,
    age_warning: str,
) -> None:
    """Print a plan; the warning that the live state may be old is no part of the plan, so it comes first."""
    if stream:
        if age_warning:
            stream.on_note(age_warning)
        stream.write_plan(plan, plan_json.plan_body(plan, plan_options), forecasts)
    elif form == "text":
        warning = f"{sanitize_line(age_warning)}.\n\n" if age_warning else ""
        print_coloured_lines(warning + session.plan_heading + text.format_plan(plan, forecasts))
        if fetch_hint := session.fetch_state_hint(state):
            echo_line(fetch_hint)
    else:
        echo(f"> {sanitize_line(age_warning)}.\n\n" if age_warning else "", nl=False)
        body = plan_json.plan_body(plan, plan_options)
        heading, folded = session.plan_heading, form == "github"
        policies = [item for item in reported_diagnostics() if item.code.startswith(_POLICY_CODES)]
        echo(_markdown().plan_to_markdown(body, forecasts, policies, heading=heading, folded=folded))


def _markdown() -> Any:
    return importlib.import_module("reconciler.render.markdown")


def _format_apply_hint(session: Session, plan_options: PlanOptions, refusal: str) -> str:
    """Return how to apply a plan, or why apply will refuse it."""
    if session.overrides:
        overrides = importlib.import_module("reconciler.cli._overrides")
        return f"\nRun the job so, beside what is applied, with `{overrides.run_command(session)}`."
    options = f"{session.target_option}{plan_options.destroy_option}"
    if refusal:
        return "\n" + sanitize_line(f"`mlgit apply{options}` will refuse this plan: {refusal}.")
    hint = APPLY_HINT.replace("apply`", f"apply{options}`")
    hint = hint.replace("Apply", "Commit first, then apply") if session.source.dirty else hint
    needs_same_options = plan_options.select or plan_options.exclude or plan_options.replace
    return hint.replace("`.", "` and the same options.") if needs_same_options else hint


def _format_saved_hint(session: Session, path: Path) -> str:
    differing = join_some(session.uncommitted_files())
    apply = f"Commit the files unchanged ({differing}), then apply" if differing else "Apply"
    return f"Plan saved. {apply} exactly this plan with `mlgit apply {path}`."
