"""mlgit gc: remove from the store what no live state, run or entry reaches."""

from __future__ import annotations

import click
from click.core import ParameterSource

from reconciler.cli._transfer import show_progress
from reconciler.cli.console import echo, print_note
from reconciler.cli.options import format_option, target_option
from reconciler.cli.state_session import open_current_state_session
from reconciler.diagnostics import UserError
from reconciler.model.object_store import ObjectStore
from reconciler.project.export import open_recorded_store
from reconciler.project.garbage import (
    DEFAULT_DAYS,
    DEFAULT_HISTORY_DAYS,
    DEFAULT_RUN_DAYS,
    Garbage,
    GarbageOptions,
    find_garbage,
    remove_garbage,
)
from reconciler.project.known_states import forget_states, register_clone
from reconciler.project.local_garbage import remove_cached, remove_run_folders
from reconciler.project.state_session import StateSession
from reconciler.render.garbage import GarbageView, format_garbage, garbage_to_json, make_place_view, make_store_view
from reconciler.render.plan_json import dump_json
from reconciler.render.text import format_diagnostics


@click.command("gc")
@click.option("--remove", is_flag=True, help="Remove it; without it, it is only shown.")
@click.option(
    "--days",
    type=click.FloatRange(min=1),
    default=DEFAULT_DAYS,
    show_default=True,
    help="Keep what was stored or used in so many days.",
)
@click.option(
    "--history",
    "history_days",
    type=click.FloatRange(min=0),
    default=DEFAULT_HISTORY_DAYS,
    show_default=True,
    help="Keep what the live state of so many days ago has: for rollback and state restore.",
)
@click.option(
    "--runs",
    "run_days",
    type=click.FloatRange(min=1),
    default=DEFAULT_RUN_DAYS,
    show_default=True,
    help="Keep the folders of runs that ended in so many days, with their logs.",
)
@click.option("--forget-state", metavar="LINEAGE", help="Forget a live state of this store that is gone for good.")
@format_option
@target_option
def command(form: str, *, remove: bool, forget_state: str | None, **limits: float) -> None:
    """Show, or remove with --remove, what of the object store and of runs on this machine nothing needs any more.

    Kept is what any version, run, step or download of any target names, in the live state as it is now or was lately;
    what can be reused, for `keep_reusable:` days of mlgit.yml after its last use; what other live states of the store
    need; and what was stored or used lately. Applies and runs may go on meanwhile. Besides go the folders of runs
    whose end is recorded, also those on machines of backends `ssh`, and old copies of a store on a service.
    Environments have `mlgit env prune`.

    \b
    mlgit gc
    mlgit gc --remove --days 30 --history 90
    """
    session = open_current_state_session()
    store = open_recorded_store(session, session.state_store.read())
    for state in forget_states(store, forget_state) if forget_state else ():
        print_note(f"Forgot the live state {state}.")
    register_clone(session, store)
    options = GarbageOptions(reuse_days=session.config.keep_reusable, **limits)
    garbage = find_garbage(session, store, options)
    view = _make_view(store.location, options, garbage)
    if remove and not garbage.problems:
        view = _remove(session, store, garbage, view)
    echo(
        dump_json(garbage_to_json(view))
        if form == "json"
        else format_garbage(view, f"mlgit gc{session.target_option}{_given_options()}")
    )
    if garbage.problems and remove:
        raise UserError(*garbage.problems)
    if garbage.problems:
        echo(format_diagnostics(garbage.problems), err=True)


def _remove(session: StateSession, store: ObjectStore, garbage: Garbage, view: GarbageView) -> GarbageView:
    with show_progress("removing", garbage.plan.total.objects, garbage.plan.total.size) as on_progress:
        removed = remove_garbage(store, garbage, on_progress)
    view = view._replace(is_removal=True, store=view.store._replace(removed=removed))
    amounts = [remove_cached(store, garbage.local)] if garbage.local.cache is not None else []
    amounts.append(remove_run_folders(session, garbage.local))
    places = tuple(place._replace(removed=amount) for place, amount in zip(view.local, amounts, strict=True))
    return view._replace(local=places)


def _given_options() -> str:
    """Return the limits that were given, as options, so that the command that removes is the same."""
    ctx = click.get_current_context()
    options = (parameter for parameter in ctx.command.params if isinstance(parameter.type, click.FloatRange))
    given = [item for item in options if ctx.get_parameter_source(str(item.name)) is not ParameterSource.DEFAULT]
    return "".join(f" {item.opts[0]} {ctx.params[str(item.name)]:g}" for item in given)


def _make_view(store: str, options: GarbageOptions, garbage: Garbage) -> GarbageView:
    run = garbage.oldest.id if garbage.oldest and garbage.limits.unfinished < garbage.limits.age else ""
    local = garbage.local
    places = [make_place_view("Run folders", local.runs_folder, "folder", local.runs)]
    if local.cache is not None:
        places.insert(0, make_place_view("Cache", local.cache_folder, "object", local.cache))
    return GarbageView(options._asdict(), make_store_view(store, garbage.plan), tuple(places), run, garbage.problems)
