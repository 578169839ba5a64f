"""``--select`` and ``--exclude``: a part of a plan that can be done without the rest.

A selector is a kind, a glob of addresses, a file or folder, or ``tag:KEY=VALUE`` or ``path:GLOB``. ``+`` before it
adds what it is made from, ``+`` behind it what is made from it. What an action needs comes along; what needs something
that is excluded is held back. That a run has ended is a fact, and recorded whatever was selected.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet
from reconciler.format.suggest import did_you_mean
from reconciler.model import Action, ActionId, Address, ExcludedAction, Json, Op, Plan, Spec
from reconciler.planning.policy import Policy

_T = TypeVar("_T")

_TAG_PREFIX, _PATH_PREFIX = "tag:", "path:"
_SYNTAX_HINT = "a selector is a kind, KIND/NAME with * for anything, a file or folder, or tag:KEY=VALUE"


@dataclass(frozen=True, slots=True)
class Selectable:
    """What can be selected: an asset that is declared, or that an action of the plan is about."""

    address: Address
    path: str
    tags: Mapping[str, Json]
    upstream: frozenset[Address]


def select_actions(plan: Plan, declared: AssetSet, policy: Policy) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return the part of a plan that was asked for, and the selectors that name nothing."""
    if not policy.select and not policy.exclude:
        return plan, ()
    things = _collect_selectables(plan, declared)
    problems = tuple(_check_selectors(things, (*policy.select, *policy.exclude)))
    if problems:
        return plan, problems
    wanted = _match_selectors(things, policy.select) if policy.select else things.keys()
    unwanted = _match_selectors(things, policy.exclude)
    remaining, excluded = plan.without(lambda action: action.address in unwanted and not _is_record(action), _is_record)
    chosen = _with_dependencies(remaining.actions, wanted)
    actions = tuple(action for action in plan.actions if action.key in chosen)
    pending = tuple(
        blocked for blocked in plan.blocked if blocked.address in wanted and blocked.address not in unwanted
    )
    notes = (
        *_dependency_notes(actions, wanted),
        *_held_back_notes(excluded, wanted),
        *_recorded_anyway_notes(actions, unwanted),
    )
    left_out = len(plan.actions) - len(actions)
    notes = (*plan.notes, *notes, *(_deselected_note(left_out) if actions else ()))
    return replace(plan, actions=actions, blocked=pending, notes=notes, deselected_count=left_out), ()


def _collect_selectables(plan: Plan, declared: AssetSet) -> Mapping[Address, Selectable]:
    found = {
        address: Selectable(
            address,
            declared.documents[asset.source].path,
            _tags_of(asset.spec),
            frozenset(reference.address for reference in asset.references),
        )
        for address, asset in declared.assets.items()
    }
    for action in plan.actions:
        if action.address not in found and action.record is not None:
            record = action.record
            upstream = frozenset(reference.address for reference in record.references.values())
            found[action.address] = Selectable(action.address, record.source, _tags_of(record.spec), upstream)
    return found


def _tags_of(spec: Spec) -> Mapping[str, Json]:
    tags = spec.get("tags")
    return tags if isinstance(tags, Mapping) else {}


def _make_matcher(selector: str) -> Callable[[Selectable], bool]:
    """Return what tells whether a thing is what a selector, without its signs, names."""
    if selector.startswith(_TAG_PREFIX):
        key, given, value = selector.removeprefix(_TAG_PREFIX).partition("=")
        return lambda thing: key in thing.tags and (not given or _format_tag_value(thing.tags[key]) == value)
    if selector.startswith(_PATH_PREFIX):
        glob = selector.removeprefix(_PATH_PREFIX)
        return lambda thing: fnmatchcase(thing.path, glob) or _is_inside(thing.path, glob)
    return lambda thing: (
        thing.address.kind == selector
        or fnmatchcase(str(thing.address), selector)
        or _is_inside(thing.path, selector.removeprefix("./"))
    )


def _format_tag_value(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _match_selectors(things: Mapping[Address, Selectable], selectors: Iterable[str]) -> frozenset[Address]:
    found: set[Address] = set()
    for selector in selectors:
        test = _make_matcher(selector.strip("+"))
        hit = {address for address, thing in things.items() if test(thing)}
        found |= hit
        if selector.startswith("+"):
            found |= _reachable_from(hit, {address: thing.upstream for address, thing in things.items()})
        if selector.endswith("+"):
            found |= _reachable_from(hit, _downstream_edges(things))
    return frozenset(found & things.keys())


def _downstream_edges(things: Mapping[Address, Selectable]) -> Mapping[Address, set[Address]]:
    found: dict[Address, set[Address]] = {}
    for address, thing in things.items():
        for each in thing.upstream:
            found.setdefault(each, set()).add(address)
    return found


def _reachable_from(start: Iterable[_T], edges: Mapping[_T, Iterable[_T]]) -> set[_T]:
    """Return all that can be reached from somewhere."""
    found = set(start)
    left = list(found)
    while left:
        new = set(edges.get(left.pop(), ())) - found
        found |= new
        left += new
    return found


def _check_selectors(things: Mapping[Address, Selectable], selectors: Iterable[str]) -> Iterator[Diagnostic]:
    for selector in selectors:
        bare = selector.strip("+")
        if not any(map(_make_matcher(bare), things.values())):
            hint = did_you_mean(bare, _suggestion_candidates(bare, things.values())) or _SYNTAX_HINT
            yield Diagnostic("selection-empty", f"{selector} selects nothing", hint=hint)


def _suggestion_candidates(selector: str, things: Iterable[Selectable]) -> list[str]:
    """Return what may have been meant: of a kind that there is its addresses, else whatever can be named."""
    things = list(things)
    if same_kind := [
        str(selectable.address) for selectable in things if selector.startswith(f"{selectable.address.kind}/")
    ]:
        return sorted(same_kind)
    return sorted(
        {word for selectable in things for word in (str(selectable.address), selectable.address.kind, selectable.path)}
    )


def _is_record(action: Action) -> bool:
    return action.op is Op.RECORD


def _with_dependencies(actions: Sequence[Action], wanted: Iterable[Address]) -> frozenset[ActionId]:
    """Return the keys of what is wanted and of all that it needs."""
    names = frozenset(wanted)
    start = [action.key for action in actions if action.address in names or _is_record(action)]
    return frozenset(_reachable_from(start, {action.key: action.needs for action in actions}))


def _dependency_notes(actions: Sequence[Action], wanted: Iterable[Address]) -> Iterator[str]:
    """Say what comes along though it was not selected, and for whom."""
    names = frozenset(wanted)
    owner = {action.key: action.address for action in actions}
    users: dict[Address, Address] = {}
    for action in actions:
        for needed in (owner[key] for key in action.needs if key in owner):
            if needed not in names and needed != action.address:
                users.setdefault(needed, action.address)
    yield from (f"{needed} comes along: {user} needs it" for needed, user in users.items())


def _held_back_notes(excluded: Iterable[ExcludedAction], wanted: Container[Address]) -> Iterator[str]:
    """Yield what is held back because it needs something that was excluded."""
    causes: dict[Address, Address] = {}
    for item in excluded:
        if item.cause is not None and item.action.address in wanted:
            causes.setdefault(item.action.address, item.cause.address)
    yield from (f"{held} is held back: it needs {cause}, which is left out" for held, cause in causes.items())


def _recorded_anyway_notes(actions: Sequence[Action], unwanted: Iterable[Address]) -> Iterator[str]:
    """Say what happens because of a run that has ended, though its job is left out: that it has ended is a fact."""
    excluded = frozenset(unwanted)
    for action in actions:
        if _is_record(action) and action.address in excluded:
            users = dict.fromkeys(str(user.address) for user in actions if action.key in user.needs)
            follows = f", and from that follows {', '.join(users)}" if users else ""
            yield f"{action.address} is left out, but its run {action.version} has ended: that is recorded{follows}"


def _deselected_note(left: int) -> Iterator[str]:
    if left:
        yield f"{left} more {'change is' if left == 1 else 'changes are'} left out by the selection"
