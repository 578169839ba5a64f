"""What `mlgit plan` does where the answer is not known already; `mlgit apply` begins with the same.

It is a module of its own, so that an answer that is known (``cli.plan``) loads none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from reconciler import __version__
from reconciler.abbreviation import join_some
from reconciler.cli.console import APPLY_HINT, print_coloured_lines
from reconciler.cli.json_events import EventStream, run_with_event_stream
from reconciler.cli.options import EXIT_CHANGES
from reconciler.cli.session import Session, load_desired, open_session
from reconciler.cli.session import shown_diagnostics as said_of_files
from reconciler.diagnostics import UserError, user_error
from reconciler.model import Address, Plan, State
from reconciler.planning import saved
from reconciler.planning.policy import Policy
from reconciler.project import incremental
from reconciler.project.plan import plan_session as plan_session
from reconciler.render import markdown, plan_json, text
from reconciler.render.code_frame import sanitize_line, sanitize_text
from reconciler.source.rendered_plan import PlanCacheKey, PlanCacheSettings, RenderedPlan, RenderedPlanCache
from reconciler.state.fast_forward import check_fast_forward

_NOT_REFRESHED_NOTE = (
    "runs are as last recorded: one that has ended meanwhile is recorded, not canceled; --refresh asks"
)


def run_plan(options: Mapping[str, Any], known: RenderedPlanCache | None) -> int:
    """Plan as the options of the command ask; what is shown is put where the next plan finds it."""
    form = options["form"]
    return (
        run_with_event_stream(lambda told: _run_plan(options, known, told))
        if form == "json"
        else _run_plan(options, known, None)
    )


def _run_plan(options: Mapping[str, Any], known: RenderedPlanCache | None, told: EventStream | None) -> int:
    session = open_session(options["revision"], aside=options["out"])
    guards = {name: options[name] for name in ("allow_submit", "allow_mass_delete")}
    policy = policy_from_options(session, options["replaced"], **guards)
    policy = replace(policy, select=options["selected"], exclude=options["excluded"])
    if told:
        told.write_plan_started(session.source)
    said = session.fetch_state()
    live = session.state_store.read()
    if options["refresh"] or not incremental.is_incremental_possible(live, policy):
        planned = plan_session(session, load_desired(session, live), live, policy, refresh=options["refresh"])
    else:
        planned = incremental.plan_incrementally(session, live, policy)
    refused, noted = _check_fast_forward(session, policy, live)
    if planned.cancels and not options["refresh"]:
        noted = (*noted, _NOT_REFRESHED_NOTE)
    planned = replace(planned, notes=(*planned.notes, *noted))
    out = options["out"]
    if out is not None:
        save_plan(planned, policy, out)
    _print_plan(session, planned, policy, live, options["form"], told, [said] if said else [])
    then = _format_apply_hint(session, policy, refused) if planned.actions else ""
    if options["form"] == "text" and then and out is None:
        click.echo(then)
    if out is not None and told is None:
        differing = join_some(session.uncommitted_files())
        first = f"Commit the files as they are ({differing}), then apply" if differing else "Apply"
        click.echo(f"\nSaved. {first} exactly this with `mlgit apply {out}`.", err=options["form"] != "text")
    now = any(action.known_after is None for action in planned.actions)
    if known is not None:
        _cache_rendered_plan(
            session,
            known,
            live,
            RenderedPlan(sanitize_text(session.plan_heading + text.format_plan(planned)), said_of_files(), then, now),
        )
    return EXIT_CHANGES if options["detailed_exitcode"] and now else 0


def _cache_rendered_plan(session: Session, known: RenderedPlanCache, live: State, shown: RenderedPlan) -> None:
    """Remember what was shown, where it follows from nothing but what is in this repository."""
    if live.commit and not session.config.remote:
        repository = session.workspace.repository
        state = repository.tree_of(live.commit)
        key = PlanCacheKey(
            session.workspace.root, session.source.tree, state, session.source.commit, known.environment_key
        )
        known.store_plan(
            key, PlanCacheSettings(session.state_store.live_ref, tuple(session.workspace.store_folders())), shown
        )


def _print_plan(  # noqa: PLR0913, PLR0917 - what is shown, and how
    session: Session, planned: Plan, policy: Policy, live: State, form: str, told: EventStream | None, said: list[str]
) -> None:
    """Show a plan; what is ``said`` depends on more than Git and the live state, so it is no part of the plan."""
    elsewhere = session.fetch_state_hint(live)
    if told:
        for each in said:
            told.on_note(each)
        told.write_plan(planned, plan_json.plan_body(planned, policy))
    elif form == "text":
        first = "".join(f"{each}.\n\n" for each in said)  # how old all of it is comes before the verdict
        print_coloured_lines(sanitize_text(first + session.plan_heading + text.format_plan(planned)))
        if elsewhere:
            click.echo(elsewhere)
    else:
        body = plan_json.plan_body(planned, policy)
        click.echo("".join(f"> {sanitize_line(each)}.\n\n" for each in said), nl=False)
        click.echo(markdown.plan_to_markdown(planned, body, heading=session.plan_heading, folded=form == "github"))


def _format_apply_hint(session: Session, policy: Policy, refused: str) -> str:
    """Say how a plan is applied, or why apply will refuse it."""
    if refused:
        return sanitize_text(f"\n`mlgit apply{session.target_option}` will refuse this: {refused}.")
    said = APPLY_HINT.replace("apply`", f"apply{session.target_option}`")
    said = said.replace("Apply", "Commit first, then apply") if session.source.dirty else said
    special = policy.select or policy.exclude or policy.replace
    return said.replace("`.", "` and the same options.") if special else said


def _check_fast_forward(session: Session, policy: Policy, live: State) -> tuple[str, tuple[str, ...]]:
    """Say why the commit may not be applied, "" where it may, and what is not known of that.

    A commit on top of one that was rolled back may.
    """
    try:
        return "", check_fast_forward(
            session.workspace.repository, live, session.source, allow_rewind=policy.allow_rewind
        )
    except UserError as error:
        (found,) = error.diagnostics
        mended = session.source.dirty and found.code == "rolled-back"
        return "" if mended else f"{found.message}; {found.hint}", ()


def save_plan(planned: Plan, policy: Policy, path: Path) -> None:
    """Write a plan into a file: the plan itself, and where it is from."""
    body = plan_json.plan_body(planned, policy)
    envelope = {
        "commit": planned.source.commit,
        "dirty": planned.source.dirty,
        "state": planned.state_commit,
        "tool": __version__,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "digest": saved.plan_body_digest(body),
    }
    try:
        path.write_text(saved.dump_plan_file(saved.SavedPlan(envelope, body)), encoding="utf-8")
    except OSError as error:
        message = f"the plan cannot be written to {path}: {error.strerror}"
        raise user_error("plan-not-written", message, "name a file in a folder that is there") from error


def policy_from_options(
    session: Session,
    replaced: tuple[str, ...],
    allow_submit: int | None,
    *,
    allow_mass_delete: bool,
    allow_rewind: bool = False,
) -> Policy:
    """Put together what mlgit.yml and the options allow."""
    addresses = frozenset(Address(*each.split("/", 1)) for each in replaced if "/" in each)
    if len(addresses) != len(replaced):
        raise click.UsageError("--replace takes an address, KIND/NAME")
    return Policy(session.config, addresses, allow_submit, allow_mass_delete, allow_rewind)
