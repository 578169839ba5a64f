"""``--select`` and ``--exclude``: a part of a plan that can be applied without the rest.

A selector is a kind, a glob of addresses, a file or folder, or ``tag:KEY=VALUE`` or ``path:GLOB``. ``+`` before it
adds what it depends on, ``+`` behind it what depends on it. What a selected action needs is selected too; what needs
something excluded is not. A run that has ended is recorded in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeVar

from reconciler.diagnostics import Diagnostic
from reconciler.format.assets import AssetSet, kind_of
from reconciler.format.suggest import did_you_mean
from reconciler.model import Action, ActionId, Address, Asset, ExcludedAction, Json, Op, Plan, Spec
from reconciler.planning.options import PlanOptions

_T = TypeVar("_T")

_TAG_PREFIX, _PATH_PREFIX = "tag:", "path:"
_SYNTAX_HINT = "a selector is a kind, KIND/NAME with * for anything, a file or folder, or tag:KEY=VALUE"


class Selectable(NamedTuple):
    """An asset that can be selected: it is declared, or an action of the plan is about it."""

    address: Address
    path: str
    tags: Mapping[str, Json]
    upstream: frozenset[Address]


def select_actions(plan: Plan, declared: AssetSet, plan_options: PlanOptions) -> tuple[Plan, tuple[Diagnostic, ...]]:
    """Return the selected part of a plan, and a diagnostic for each selector that matches nothing."""
    if plan_options.only_address is not None:
        return _restrict_to_asset(plan, declared, plan_options.only_address), ()
    if not plan_options.select and not plan_options.exclude:
        return plan, ()
    selectables = _collect_selectables(plan, declared)
    known = (*selectables.values(), *_unplanned_selectables(declared))
    diagnostics = tuple(_check_selectors(known, (*plan_options.select, *plan_options.exclude)))
    if diagnostics:
        return plan, diagnostics
    selected = _match_selectors(selectables, plan_options.select) if plan_options.select else selectables.keys()
    excluded = _match_selectors(selectables, plan_options.exclude)
    remaining, excluded_actions = plan.without(
        lambda action: action.address in excluded and not _is_record(action), _is_record
    )
    keys = _with_dependencies(remaining.actions, selected)
    actions = tuple(action for action in plan.actions if action.key in keys)
    count = len(plan.actions) - len(actions)
    notes = (
        *plan.notes,
        *_dependency_notes(actions, selected, is_destroy=plan.is_destroy),
        *_excluded_dependency_notes(excluded_actions, selected, is_destroy=plan.is_destroy),
        *_recorded_anyway_notes(actions, excluded),
        *(_deselected_note(count) if actions else ()),
    )
    blocked = tuple(item for item in plan.blocked if item.address not in excluded)
    shown = selected | _upstream_of(declared, (item.address for item in blocked if item.address in selected))
    blocked = tuple(item for item in blocked if item.address in (shown if item.is_refused else selected))
    return plan._replace(actions=actions, blocked=blocked, notes=notes, deselected_count=count), ()


def _restrict_to_asset(plan: Plan, declared: AssetSet, address: Address) -> Plan:
    """Return what one asset needs of a plan, and what is registered from it; nothing else, not even ended runs."""
    start = [action.key for action in plan.actions if action.address == address or _is_made_from(action, address)]
    keys = reachable_from(start, {action.key: action.needs for action in plan.actions})
    actions = tuple(action for action in plan.actions if action.key in keys)
    addresses = upstream_addresses(declared, address) | made_from(declared, address)
    blocked = tuple(item for item in plan.blocked if item.address in addresses)
    notes = (*plan.notes, *_dependency_notes(actions, {address}))
    return plan._replace(actions=actions, blocked=blocked, notes=notes)


def _is_made_from(action: Action, address: Address) -> bool:
    """Return True if an action registers an asset from a run of the job at an address."""
    references = action.resolved.references.values() if action.resolved else ()
    return action.op is Op.REGISTER and (
        action.known_after == address or any(reference.address == address for reference in references)
    )


def made_from(declared: AssetSet, address: Address) -> set[Address]:
    """Return the addresses of the assets that are made from outputs of the job at an address."""
    return {
        item
        for item, asset in declared.assets.items()
        if not kind_of(asset).is_runnable and any(reference.address == address for reference in asset.references)
    }


def upstream_addresses(declared: AssetSet, address: Address) -> set[Address]:
    """Return an address and all that its asset references, directly or not."""
    return _upstream_of(declared, [address])


def _upstream_of(declared: AssetSet, addresses: Iterable[Address]) -> set[Address]:
    """Return addresses with all that their assets reference, directly or not."""
    references = {
        item: [reference.address for reference in asset.references] for item, asset in declared.assets.items()
    }
    return reachable_from(addresses, references)


def selectables_of(declared: AssetSet, assets: Mapping[Address, Asset]) -> dict[Address, Selectable]:
    """Return assets of files as what can be selected."""
    return {
        address: Selectable(
            address,
            declared.documents[asset.source].path,
            _tags_of(asset.spec),
            frozenset(reference.address for reference in asset.references),
        )
        for address, asset in assets.items()
    }


def selected_addresses(selectables: Mapping[Address, Selectable], plan_options: PlanOptions) -> frozenset[Address]:
    """Return what plan options select and do not exclude."""
    selected = _match_selectors(selectables, plan_options.select) if plan_options.select else frozenset(selectables)
    return selected - _match_selectors(selectables, plan_options.exclude)


def _collect_selectables(plan: Plan, declared: AssetSet) -> Mapping[Address, Selectable]:
    selectables = selectables_of(declared, declared.assets)
    for action in plan.actions:
        if action.address not in selectables and action.record is not None:
            record = action.record
            upstream = frozenset(reference.address for reference in record.references.values())
            selectables[action.address] = Selectable(action.address, record.source, _tags_of(record.spec), upstream)
    return selectables


def _tags_of(spec: Spec) -> Mapping[str, Json]:
    tags = spec.get("tags")
    return tags if isinstance(tags, Mapping) else {}


def _make_matcher(selector: str) -> Callable[[Selectable], bool]:
    """Return a function that tests if an asset matches a selector without its ``+``."""
    if selector.startswith(_TAG_PREFIX):
        key, separator, value = selector.removeprefix(_TAG_PREFIX).partition("=")
        return lambda item: key in item.tags and (not separator or _format_tag_value(item.tags[key]) == value)
    if selector.startswith(_PATH_PREFIX):
        glob = selector.removeprefix(_PATH_PREFIX)
        return lambda item: fnmatchcase(item.path, glob) or _is_inside(item.path, glob)
    return lambda item: (
        item.address.kind == selector
        or fnmatchcase(str(item.address), selector)
        or _is_inside(item.path, selector.removeprefix("./"))
    )


def _format_tag_value(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _match_selectors(selectables: Mapping[Address, Selectable], selectors: Iterable[str]) -> frozenset[Address]:
    addresses: set[Address] = set()
    for selector in selectors:
        is_match = _make_matcher(selector.strip("+"))
        matches = {address for address, item in selectables.items() if is_match(item)}
        addresses |= matches
        if selector.startswith("+"):
            addresses |= reachable_from(matches, {address: item.upstream for address, item in selectables.items()})
        if selector.endswith("+"):
            addresses |= reachable_from(matches, _downstream_edges(selectables))
    return frozenset(addresses & selectables.keys())


def _downstream_edges(selectables: Mapping[Address, Selectable]) -> Mapping[Address, set[Address]]:
    edges: dict[Address, set[Address]] = {}
    for address, item in selectables.items():
        for upstream in item.upstream:
            edges.setdefault(upstream, set()).add(address)
    return edges


def reachable_from(start: Iterable[_T], edges: Mapping[_T, Iterable[_T]]) -> set[_T]:
    """Return what can be reached from some nodes, those included."""
    reached = set(start)
    pending = list(reached)
    while pending:
        neighbours = set(edges.get(pending.pop(), ())) - reached
        reached |= neighbours
        pending += neighbours
    return reached


def _unplanned_selectables(declared: AssetSet) -> Iterator[Selectable]:
    """Yield what files with errors declare, and those that declare nothing because they cannot be read."""
    yield from selectables_of(declared, declared.faulty).values()
    yield from (Selectable(Address("", path), path, {}, frozenset()) for path in declared.unreadable_files)


def _check_selectors(selectables: Sequence[Selectable], selectors: Iterable[str]) -> Iterator[Diagnostic]:
    for selector in selectors:
        bare = selector.strip("+")
        if not any(map(_make_matcher(bare), selectables)):
            hint = did_you_mean(bare, _suggestion_candidates(bare, selectables)) or _SYNTAX_HINT
            yield Diagnostic("selection-empty", f"{selector} selects nothing", hint=hint)


def _suggestion_candidates(selector: str, selectables: Iterable[Selectable]) -> list[str]:
    """Return the addresses of the kind that a selector names, else all that a selector can name."""
    items = list(selectables)
    same_kind = [str(item.address) for item in items if selector.startswith(f"{item.address.kind}/")]
    if same_kind:
        return sorted(same_kind)
    return sorted({word for item in items for word in (str(item.address), item.address.kind, item.path)})


def _is_record(action: Action) -> bool:
    return action.op is Op.RECORD


def _with_dependencies(actions: Sequence[Action], selected: Container[Address]) -> Container[ActionId]:
    """Return the keys of the selected actions and of all that they need."""
    start = [action.key for action in actions if action.address in selected or _is_record(action)]
    return reachable_from(start, {action.key: action.needs for action in actions})


def _dependency_notes(
    actions: Sequence[Action], selected: Container[Address], *, is_destroy: bool = False
) -> Iterator[str]:
    """Yield what was selected because something else needs it: when it is removed, what depends on it goes first."""
    owner = {action.key: action.address for action in actions}
    users: dict[Address, Address] = {}
    for action in actions:
        for needed in (owner[key] for key in action.needs if key in owner):
            if needed not in selected and needed != action.address:
                users.setdefault(needed, action.address)
    clause = "depends on" if is_destroy else "required by"
    yield from (f"also selected: {needed} ({clause} {user})" for needed, user in users.items())


def _excluded_dependency_notes(
    excluded: Iterable[ExcludedAction], selected: Container[Address], *, is_destroy: bool
) -> Iterator[str]:
    """Yield what was selected and is left out because it needs something excluded."""
    causes: dict[Address, Address] = {}
    for item in excluded:
        if item.cause is not None and item.action.address in selected:
            causes.setdefault(item.action.address, item.cause.address)
    for address, cause in causes.items():
        if is_destroy:
            yield f"not selected: {address} ({cause}, which stays, depends on it)"
        else:
            yield f"not selected: {address} (requires {cause}, which is excluded)"


def _recorded_anyway_notes(actions: Sequence[Action], excluded: Container[Address]) -> Iterator[str]:
    """Yield the excluded jobs whose runs have ended, with what follows from that."""
    for action in actions:
        if _is_record(action) and action.address in excluded:
            users = dict.fromkeys(str(user.address) for user in actions if action.key in user.needs)
            consequence = f", and with it {', '.join(users)}" if users else ""
            yield f"{action.address} is excluded, but its run {action.version} has ended and is recorded{consequence}"


def _deselected_note(count: int) -> Iterator[str]:
    if count:
        yield f"{count} more {'change is' if count == 1 else 'changes are'} not selected"
