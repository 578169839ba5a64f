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
from reconciler.applying.rewind import check_rewind
from reconciler.cli.lines import APPLY, show
from reconciler.cli.options import CHANGES
from reconciler.cli.session import Session, checked, open_session
from reconciler.cli.session import said as said_of_files
from reconciler.cli.stream import Stream, streaming
from reconciler.diagnostics import UserError, failure
from reconciler.model import Address, Live, Plan
from reconciler.planning import saved
from reconciler.planning.policy import Policy
from reconciler.render import as_json, markdown, text
from reconciler.render.excerpt import inline, visible
from reconciler.source.recall import Key, Recall, Settings, Shown
from reconciler.workbench import narrowed
from reconciler.workbench.proposing import made as made

_LAST_RECORDED = "runs are as last recorded: one that has ended meanwhile is recorded, not canceled; --refresh asks"


def work(options: Mapping[str, Any], known: Recall | None) -> int:
    """Plan as the options of the command ask; what is shown is put where the next plan finds it."""
    form = options["form"]
    return streaming(lambda told: _work(options, known, told)) if form == "json" else _work(options, known, None)


def _work(options: Mapping[str, Any], known: Recall | None, told: Stream | None) -> int:
    session = open_session(options["revision"], aside=options["out"])
    guards = {name: options[name] for name in ("allow_submit", "allow_mass_delete")}
    policy = policy_of(session, options["replaced"], **guards)
    policy = replace(policy, select=options["selected"], exclude=options["excluded"])
    if told:
        told.started(session.source)
    said = session.refresh()
    live = session.state.read()
    if options["refresh"] or not narrowed.fits(live, policy):
        planned = made(session, checked(session, live), live, policy, refresh=options["refresh"])
    else:
        planned = narrowed.planned(session, live, policy)
    refused, noted = _rewinds(session, policy, live)
    if planned.cancels and not options["refresh"]:
        noted = (*noted, _LAST_RECORDED)
    planned = replace(planned, notes=(*planned.notes, *noted))
    out = options["out"]
    if out is not None:
        save(planned, policy, out)
    _show(session, planned, policy, live, options["form"], told, [said] if said else [])
    then = _next(session, policy, refused) if planned.actions else ""
    if options["form"] == "text" and then and out is None:
        click.echo(then)
    if out is not None and told is None:
        differing = text.some(session.uncommitted())
        first = f"Commit the files as they are ({differing}), then apply" if differing else "Apply"
        click.echo(f"\nSaved. {first} exactly this with `mlgit apply {out}`.", err=options["form"] != "text")
    now = any(each.known_after is None for each in planned.actions)
    if known is not None:
        _keep(
            session,
            known,
            live,
            Shown(visible(session.heading + text.plan(planned)), said_of_files(), then, now),
        )
    return CHANGES if options["detailed_exitcode"] and now else 0


def _keep(session: Session, known: Recall, live: Live, shown: Shown) -> None:
    """Remember what was shown, where it follows from nothing but what is in this repository."""
    if live.commit and not session.config.remote:
        repository = session.workspace.repository
        state = repository.tree_of(live.commit)
        key = Key(session.workspace.root, session.source.tree, state, session.source.commit, known.around)
        known.keep(key, Settings(session.state.ref, tuple(session.workspace.stores())), shown)


def _show(  # noqa: PLR0913, PLR0917 - what is shown, and how
    session: Session, planned: Plan, policy: Policy, live: Live, form: str, told: Stream | None, said: list[str]
) -> None:
    """Show a plan; what is ``said`` depends on more than Git and the live state, so it is no part of the plan."""
    elsewhere = session.elsewhere(live)
    if told:
        for each in said:
            told.note(each)
        told.planned(planned, as_json.body(planned, policy))
    elif form == "text":
        first = "".join(f"{each}.\n\n" for each in said)  # how old all of it is comes before the verdict
        show(visible(first + session.heading + text.plan(planned)))
        if elsewhere:
            click.echo(elsewhere)
    else:
        body = as_json.body(planned, policy)
        click.echo("".join(f"> {inline(each)}.\n\n" for each in said), nl=False)
        click.echo(markdown.plan(planned, body, heading=session.heading, folded=form == "github"))


def _next(session: Session, policy: Policy, refused: str) -> str:
    """Say how a plan is applied, or why apply will refuse it."""
    if refused:
        return visible(f"\n`mlgit apply{session.options}` will refuse this: {refused}.")
    said = APPLY.replace("apply`", f"apply{session.options}`")
    said = said.replace("Apply", "Commit first, then apply") if session.source.dirty else said
    special = policy.select or policy.exclude or policy.replace
    return said.replace("`.", "` and the same options.") if special else said


def _rewinds(session: Session, policy: Policy, live: Live) -> tuple[str, tuple[str, ...]]:
    """Say why the commit may not be applied, "" where it may, and what is not known of that.

    A commit on top of one that was rolled back may.
    """
    try:
        return "", check_rewind(session.workspace.repository, live, session.source, policy)
    except UserError as error:
        (found,) = error.diagnostics
        mended = session.source.dirty and found.code == "rolled-back"
        return "" if mended else f"{found.message}; {found.hint}", ()


def save(planned: Plan, policy: Policy, path: Path) -> None:
    """Write a plan into a file: the plan itself, and where it is from."""
    body = as_json.body(planned, policy)
    envelope = {
        "commit": planned.source.commit,
        "dirty": planned.source.dirty,
        "state": planned.state,
        "tool": __version__,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "digest": saved.digest(body),
    }
    try:
        path.write_text(saved.written(saved.Saved(envelope, body)), encoding="utf-8")
    except OSError as error:
        message = f"the plan cannot be written to {path}: {error.strerror}"
        raise failure("plan-not-written", message, "name a file in a folder that is there") from error


def policy_of(
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
