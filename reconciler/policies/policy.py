"""Policies and waivers as values, and what of a plan a policy is about."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from reconciler.diagnostics import Severity, Span
from reconciler.model import EMPTY_MAPPING, Json

POLICY_SCHEMA = "policy"


class Scope(NamedTuple):
    """The actions that a policy is about: kinds, globs of addresses and names of actions; empty ones mean all."""

    kinds: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


EVERYTHING = Scope()


class Policy(NamedTuple):
    """One policy: the CEL expression ``check``, or the name of a built-in one in ``uses`` with its parameters.

    ``span`` is where its name stands in its file.
    """

    name: str
    span: Span
    severity: Severity = Severity.ERROR
    scope: Scope = EVERYTHING
    check: str = ""
    message: str = ""
    uses: str = ""
    parameters: Mapping[str, Json] = EMPTY_MAPPING


class Waiver(NamedTuple):
    """Assets that need not satisfy a policy: a glob of addresses, why, and the last day on which that counts."""

    policy: str
    addresses: str
    reason: str
    until: str
    span: Span

    def is_expired(self, today: str) -> bool:
        """Return True if its last day has passed; both dates are of the form 2026-12-31."""
        return self.until < today

    def covers(self, policy: Policy, address: str) -> bool:
        """Return True if an asset need not satisfy a policy."""
        return self.policy == policy.name and fnmatchcase(address, self.addresses)


class PolicySet(NamedTuple):
    """The policies and waivers of all files of a workspace."""

    policies: tuple[Policy, ...] = ()
    waivers: tuple[Waiver, ...] = ()


class Subject(NamedTuple):
    """An action of a plan as policies see it: JSON values without secrets, None where there is nothing.

    ``asset`` is what is declared, ``live`` what is current under the address, ``candidate`` the version that would be
    registered, with the metrics of its run. ``candidate_after`` is the job whose run decides the candidate, "" if it is
    known. ``path`` is the file of the asset from the top of the repository, "" without one, ``place`` the JSON pointer
    of the asset in that file.
    """

    action: Json
    asset: Json = None
    live: Json = None
    candidate: Json = None
    candidate_after: str = ""
    path: str = ""
    place: str = ""

    @property
    def address(self) -> str:
        """The address of the asset."""
        return str(self.action["address"])

    def is_in(self, scope: Scope) -> bool:
        """Return True if a policy with this scope is about the action."""
        address = self.address
        return (
            (not scope.kinds or address.partition("/")[0] in scope.kinds)
            and (not scope.addresses or any(fnmatchcase(address, glob) for glob in scope.addresses))
            and (not scope.actions or self.action["action"] in scope.actions)
        )
