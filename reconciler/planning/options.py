"""What mlgit.yml and the command line allow a plan to decide."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.config.config import Config
from reconciler.model import Address


class PlanOptions(NamedTuple):
    """The settings of a plan: mlgit.yml, the limits, and what the user asked to replace, select or exclude.

    ``select`` and ``exclude`` are selectors as typed (``planning.selection`` parses them). With ``only_address``
    nothing but that asset and what it needs is planned, and what is registered from it. With ``destroy`` everything
    that is live is removed, or what is selected of it.
    """

    config: Config
    replace: frozenset[Address] = frozenset()
    allow_submit: int | None = None
    allow_mass_delete: bool = False
    allow_rewind: bool = False
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only_address: Address | None = None
    destroy: bool = False

    @property
    def destroy_option(self) -> str:
        """The option that a suggested command needs to do the same again, "" if it is none."""
        return " --destroy" if self.destroy else ""

    @property
    def submit_limit(self) -> int:
        """The highest number of runs that one plan may start."""
        return self.config.submit_limit if self.allow_submit is None else self.allow_submit
