"""mlgit plan: what apply would do and why. Reads Git and the recorded state; changes nothing."""

from __future__ import annotations

import click

from reconciler.cli.options import format_option, guard_options, replace_option
from reconciler.cli.session import Session, checked, open_session, refuse
from reconciler.cli.terminal import Terminal
from reconciler.diagnostics import failure
from reconciler.format.suggest import did_you_mean
from reconciler.model import Address, Live, Observation, Plan
from reconciler.observe import check_store, observe
from reconciler.planning.guard import guard
from reconciler.planning.plan import Desired, make_plan
from reconciler.planning.policy import Policy
from reconciler.render import as_json, text

CHANGES = 2


@click.command("plan")
@click.option("--ref", "revision", metavar="REV", help="Plan a revision instead of the work tree.")
@click.option("--refresh", is_flag=True, help="Ask the backends how runs stand before planning.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 if there is something to do.")
@replace_option
@guard_options
@format_option
def command(  # noqa: PLR0913 - one parameter for each option
    *,
    revision: str | None,
    refresh: bool,
    detailed_exitcode: bool,
    replaced: tuple[str, ...],
    allow_submit: int | None,
    allow_mass_delete: bool,
    form: str,
) -> int:
    """Say what apply would do, and why.

    \b
    mlgit plan
    mlgit plan --ref origin/main --detailed-exitcode
    """
    session = open_session(revision)
    policy = policy_of(session, replaced, allow_submit, allow_mass_delete=allow_mass_delete)
    live = session.state.read()
    planned = made(session, checked(session, live), live, policy, refresh=refresh)
    if form == "json":
        click.echo(as_json.dump(as_json.plan(planned)))
    else:
        Terminal().show(text.plan(planned))
        if planned.actions:
            click.echo("\nApply this with `mlgit apply`.")
        if elsewhere := session.elsewhere(live):
            click.echo(elsewhere)
    return CHANGES if detailed_exitcode and any(each.known_after is None for each in planned.actions) else 0


def made(session: Session, desired: Desired, live: Live, policy: Policy, *, refresh: bool) -> Plan:
    """Plan, and refuse what the files, or the bounds in mlgit.yml, do not allow."""
    for address in sorted(policy.replace - desired.declared.assets.keys()):
        hint = did_you_mean(str(address), [str(each) for each in desired.declared.assets])
        raise failure("address-unknown", f"{address} is not declared, so it cannot be done anew", hint)
    observation = _seen(session, live) if refresh else None
    planned, problems = make_plan(desired, live, policy, observation)
    refuse(session, (*problems, *guard(planned, live, policy)))
    return planned


def _seen(session: Session, live: Live) -> Observation:
    backends = session.backends()
    check_store(live, backends, session.store)
    return observe(live, backends)


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
