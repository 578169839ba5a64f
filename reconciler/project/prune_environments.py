"""Find and remove the built environments that no workspace of this machine needs any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic, UserError
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Address, Record, Run, State
from reconciler.model.builder import Builder, LocalBuild
from reconciler.planning.environments import environments_within, resolve_registry_environment
from reconciler.planning.refresh import unfinished_runs
from reconciler.project.builder import open_builders
from reconciler.project.environment_uses import EnvironmentUses, days_ago, open_uses
from reconciler.project.state_session import StateSession

DEFAULT_DAYS = 14.0


class UnusedBuild(NamedTuple):
    """A build that nothing needs, and the builder that made it."""

    builder: str
    build: LocalBuild


class UnusedBuilds(NamedTuple):
    """The builds that nothing needs, and why builders could not tell theirs, by their names."""

    builds: tuple[UnusedBuild, ...]
    not_asked: Mapping[str, Diagnostic]


class Removal(NamedTuple):
    """Whether a build was removed: if not, it is in use, or there is a ``problem``."""

    unused: UnusedBuild
    is_removed: bool
    problem: Diagnostic | None = None


def needed_fingerprints(state: State) -> frozenset[str]:
    """Return the fingerprints of the environments that live records and unfinished runs of a state need."""
    needed: set[str] = set()
    for record in state.current.values():
        if not record.archived and record.address.kind in kinds():
            if kind_by_name(record.address.kind).uses_builder:
                needed.add(record.fingerprint)
            needed |= set(_fingerprints_of(state, record))
    for run in unfinished_runs(state):
        needed |= set(_fingerprints_of(state, run))
    return frozenset(needed)


def _fingerprints_of(state: State, recorded: Record | Run) -> Iterator[str]:
    within = environments_within(recorded.spec, state.find_pin, recorded.contents)
    yield from (environment.fingerprint for environment in within)
    for reference in recorded.references.values():
        if _is_environment(reference.address):
            record = state.find_version(reference.address, reference.version)
            registry = resolve_registry_environment(reference.address, state.find_pin)
            yield from (item.fingerprint for item in (record, registry) if item is not None)


def _is_environment(address: Address) -> bool:
    return address.kind in kinds() and kind_by_name(address.kind).uses_builder


def find_unused(session: StateSession, state: State, days: float) -> UnusedBuilds:
    """Return the builds that no live record, run or other workspace needs, and that were not used for some days.

    A builder that cannot tell, such as one whose engine does not answer, keeps the others from nothing.
    """
    uses, needed = open_uses(session), needed_fingerprints(state)
    kept, limit = needed | set(uses.used_by_others()), days_ago(days)
    builds: list[UnusedBuild] = []
    not_asked: dict[str, Diagnostic] = {}
    for name, builder in open_builders(session).items():
        try:
            listed = builder.list_builds()
        except UserError as error:
            not_asked[name] = error.diagnostics[0]
            continue
        builds += (
            UnusedBuild(name, build)
            for build in listed
            if kept.isdisjoint(build.fingerprints) and _last_used(uses, build) <= limit
        )
    return UnusedBuilds(tuple(builds), not_asked)


def _last_used(uses: EnvironmentUses, build: LocalBuild) -> float:
    return max([build.made_at, *map(uses.last_used, build.fingerprints)])


def remove_unused(session: StateSession, unused: Sequence[UnusedBuild]) -> Iterator[Removal]:
    """Remove builds; yield what became of each."""
    uses, builders = open_uses(session), open_builders(session)
    for item in unused:
        builder: Builder = builders[item.builder]
        try:
            is_removed = builder.remove(item.build)
        except UserError as error:
            yield Removal(item, False, error.diagnostics[0])
            continue
        for fingerprint in item.build.fingerprints if is_removed else ():
            uses.forget(fingerprint)
        yield Removal(item, is_removed)
