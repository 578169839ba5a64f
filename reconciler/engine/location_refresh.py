"""Refresh of remote data: whether what versions were registered with is still what is there. Nothing of it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from reconciler.abbreviation import join_some, pluralize
from reconciler.config.config import Config
from reconciler.diagnostics import UserError
from reconciler.engine.locations import describe_error, is_changed, is_gone, locate
from reconciler.model import Address, Observation, Record, Spec, State
from reconciler.model.datastores import Identity, Location, OpenDatastore
from reconciler.planning.data_places import DATASTORE_KIND, Datastores
from reconciler.planning.drift import monitored_records
from reconciler.planning.uri_inputs import find_location, location_uri
from reconciler.storage.web_error import WebError

_DENIED = "datastore-denied"


class _Problem(NamedTuple):
    """Why something cannot be asked; ``code`` is that of its diagnostic, if it has one."""

    message: str
    code: str = ""


class _Answer(NamedTuple):
    """What is at a location now, None for nothing; if that is what was registered; and why it cannot be asked."""

    now: Identity | None = None
    is_known: bool = False
    problem: _Problem | None = None


class _Skipped(NamedTuple):
    """What could not be checked: each datastore that cannot be used, with why and which assets, and other sentences."""

    causes: dict[str, _Problem]
    addresses: dict[str, list[Address]]
    sentences: list[str]


def with_locations(
    observation: Observation, state: State, config: Config, make_opener: Callable[[Mapping[str, Spec]], OpenDatastore]
) -> Observation:
    """Return an observation with the remote data of current versions that is not what was registered.

    Why a service cannot tell is a skipped check: what it has is not known then. One datastore that cannot be used is
    one check, and its reason is left out if the observation has it already.
    """
    located = [(record, found) for record in monitored_records(state, config) if (found := find_location(record))]
    if not located:
        return observation
    datastores = Datastores(config, current=state.current)
    open_datastore = cache(make_opener(datastores.live_specs()))
    find_cause = cache(lambda name: _find_cause(name, open_datastore))
    moved: dict[Address, Identity | None] = {}
    skipped = _Skipped({}, {}, [])
    unusable: set[str] = set()
    for record, pinned in located:
        name = pinned.datastore
        answer = _Answer() if name in unusable else _observe(record, pinned, datastores, open_datastore)
        # A share that is not mounted has no files either.
        cause = find_cause(name) if name and answer.now is None else None
        if cause:
            skipped.causes[name] = cause
            skipped.addresses.setdefault(name, []).append(record.address)
            unusable |= {name} if answer.problem and cause.code != _DENIED else set()
        elif answer.problem:
            skipped.sentences.append(f"{record.address}: {answer.problem.message}: its data was not checked")
        elif not answer.is_known:
            moved[record.address] = answer.now
    sentences = (*_describe_skipped(skipped, observation), *skipped.sentences)
    return observation._replace(moved_locations=moved, skipped_checks=(*observation.skipped_checks, *sentences))


def _describe_skipped(skipped: _Skipped, observation: Observation) -> Iterator[str]:
    """Yield a sentence for each datastore that cannot be used, with its reason unless the observation has it."""
    known = (*observation.skipped_checks, *(item.message for item in observation.conditions.values()))
    for name, cause in skipped.causes.items():
        addresses = skipped.addresses[name]
        reason = "" if any(cause.message in text for text in known) else f": {cause.message}"
        listed = join_some([str(address) for address in addresses])
        count = pluralize(len(addresses), "asset")
        yield f"{DATASTORE_KIND}/{name}{reason}: the data of {count} in it was not checked: {listed}"


def _observe(record: Record, pinned: Location, datastores: Datastores, open_datastore: OpenDatastore) -> _Answer:
    """Return what is at a location now, or why it cannot be asked."""
    try:
        now = locate(location_uri(record), datastores, open_datastore)
    except (UserError, WebError) as error:
        return _Answer() if is_gone(error) else _Answer(problem=_problem_of(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown
        return _Answer(problem=_problem_of(error))
    if now is None:
        return _Answer(problem=_Problem(f"no datastore of this workspace has {pinned.uri}"))
    return _Answer(now.identity, not is_changed(pinned, now))


def _find_cause(name: str, open_datastore: OpenDatastore) -> _Problem | None:
    """Return why a datastore cannot be used, None if it can."""
    try:
        open_datastore(name).check()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may raise anything; it is shown
        return _problem_of(error)
    return None


def _problem_of(error: BaseException) -> _Problem:
    if isinstance(error, UserError):
        return _Problem(describe_error(error), error.diagnostics[0].code)
    return _Problem(describe_error(error) if isinstance(error, WebError) else f"{type(error).__name__}: {error}")
