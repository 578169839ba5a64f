"""The options that limit or widen a plan, as `PlanOptions`."""

from __future__ import annotations

import click

from reconciler.config.config import Config
from reconciler.model import parse_address
from reconciler.planning.options import PlanOptions


def read_plan_options(  # noqa: PLR0913 - one parameter for each option
    config: Config,
    *,
    replaced: tuple[str, ...] = (),
    selected: tuple[str, ...] = (),
    excluded: tuple[str, ...] = (),
    allow_submit: int | None,
    allow_mass_delete: bool,
    allow_rewind: bool = False,
    destroy: bool = False,
) -> PlanOptions:
    """Return what mlgit.yml and the options allow; raise a usage error if options contradict one another."""
    if destroy and replaced:
        raise click.UsageError("--destroy and --replace cannot be used together")
    addresses = frozenset(parse_address(argument) for argument in replaced if "/" in argument)
    if len(addresses) != len(replaced):
        raise click.UsageError("--replace takes an address, KIND/NAME")
    return PlanOptions(
        config, addresses, allow_submit, allow_mass_delete, allow_rewind, selected, excluded, destroy=destroy
    )
