"""Saved plans: read back, judged against the live state, and held to what they decided.

A plan file is an envelope, which says where the plan is from, and a body, which is the plan. The digest of the body
stands in the envelope; it leaves out the tree, so that two commits that come to the same have the same plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.diagnostics import Span, UserError, failure
from reconciler.format.config import Config
from reconciler.format.schemas import check, satisfies
from reconciler.format.yaml import parse
from reconciler.model import Action, Json, Live, Op, Plan, address_of
from reconciler.planning.policy import Policy
from reconciler.planning.reads import mark, told

FORMAT = 1
SCHEMA = "plan"
_MOST = 5  # of what is wrong or has moved, as many are named
_AGAIN = "make a new plan: mlgit plan -o FILE"


@dataclass(frozen=True, slots=True)
class Saved:
    """A plan out of a file: where it is from, and what it is."""

    envelope: Mapping[str, Json]
    body: Mapping[str, Json]

    @property
    def digest(self) -> str:
        """The digest of the body, by which an approval names it."""
        return str(self.envelope["digest"])


@dataclass(frozen=True, slots=True)
class Moved:
    """An entry of a read set that is not as it was."""

    address: str
    was: str
    now: str

    def __str__(self) -> str:
        was, now = told(self.was), told(self.now)
        return f"{self.address} was {was} and is {now}" if was != now else f"{self.address} ({was}) was changed"


def digest(body: Mapping[str, Json]) -> str:
    """Return the digest of a body without its tree: 64 hexadecimal digits."""
    decided = {name: each for name, each in body.items() if name != "tree"}
    canonical = json.dumps(decided, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def written(saved: Saved) -> str:
    """Write a plan file: sorted keys, the same value the same bytes."""
    whole = {"format": FORMAT, "envelope": dict(saved.envelope), "body": dict(saved.body)}
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def load(path: str, raw: bytes) -> Saved:
    """Read a plan file; a UserError where it is none, is a newer one, or was edited."""
    try:
        whole: Json = json.loads(raw)
    except json.JSONDecodeError as error:
        raise _none(path, f"is not JSON: {error.msg}", Span(path, error.lineno, error.colno)) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise _none(path, "is not JSON", Span(path)) from error
    if not isinstance(whole, dict) or not isinstance(number := whole.get("format"), int) or "body" not in whole:
        raise _none(path, "is not a plan of mlgit", Span(path))
    if number > FORMAT:
        message = f"{path} has format {number}; this mlgit knows {FORMAT}"
        raise failure("plan-newer", message, f"install a newer mlgit, or {_AGAIN}", Span(path))
    if not satisfies(whole, SCHEMA):
        document, unreadable = parse(path, raw)
        raise UserError(*(unreadable or check(document, SCHEMA))[:_MOST])
    saved = Saved(whole["envelope"], whole["body"])
    if saved.digest != digest(saved.body):
        message = f"{path} is not as mlgit wrote it: its digest is another one"
        raise failure(
            "plan-edited", message, f"a plan is not to be edited; change the files, then {_AGAIN}", Span(path)
        )
    return saved


def _none(path: str, why: str, place: Span) -> UserError:
    return failure("plan-file", f"{path} {why}", "write one with `mlgit plan -o FILE`", place)


def policy_of(saved: Saved, config: Config) -> Policy:
    """Return what was asked for when the plan was made, under today's mlgit.yml of its commit."""
    asked = saved.body["policy"]
    return Policy(
        config,
        replace=frozenset(map(address_of, asked["replace"])),
        allow_submit=asked["allow_submit"],
        allow_mass_delete=asked["allow_mass_delete"],
        allow_rewind=asked["allow_rewind"],
        select=tuple(asked["select"]),
        exclude=tuple(asked["exclude"]),
    )


def stale(saved: Saved, live: Live) -> tuple[Moved, ...]:
    """Return the entries of the read set that moved since the plan was made."""
    now = {address: mark(live.current.get(address_of(address))) for address in saved.body["reads"]}
    return tuple(
        Moved(address, was, now[address]) for address, was in saved.body["reads"].items() if was != now[address]
    )


def refuse_stale(saved: Saved, live: Live) -> None:
    """Raise UserError ``plan-stale`` where an entry of the read set moved."""
    if moved := stale(saved, live):
        raise failure("plan-stale", f"the plan is out of date: {_some(list(map(str, moved)))}", _AGAIN)


def agreed(saved: Saved, plan: Plan, live: Live) -> Plan:
    """Return what of a plan made now is what was saved, and its advances.

    Raises UserError: ``plan-stale`` where an entry of the read set moved, ``plan-differs`` where something that was
    decided is decided otherwise now. What is decided now and was not then is left for another plan, and noted. A run
    that was to be canceled and has ended by itself is no difference.
    """
    refuse_stale(saved, live)
    then = {each["key"]: _decided(each) for each in saved.body["actions"] if Op(each["action"]).decision}
    now = {each.key: _identity(each) for each in plan.decisions}
    ended = {each["key"] for each in saved.body["actions"] if each["action"] == Op.CANCEL} - now.keys()
    wrong = [key for key, identity in then.items() if key not in ended and identity != now.get(key)]
    left = {key for key in now if key not in then}
    wrong += [each.key for each in plan.decisions if each.key in then and not left.isdisjoint(each.needs)]
    if wrong:
        made = saved.envelope.get("tool", "")
        message = f"planned again, this comes to something else: {_some(wrong)}"
        raise failure("plan-differs", message, f"it was made by mlgit {made}; {_AGAIN}")
    return _without(plan, left)


def _without(plan: Plan, left: set[str]) -> Plan:
    """Leave actions out, with what needs them."""
    gone = set(left)
    kept: list[Action] = []
    for each in plan.actions:
        if each.key in gone or not gone.isdisjoint(each.needs):
            gone.add(each.key)
        else:
            kept.append(each)
    notes = [f"not in the saved plan, and left for another: {_some(sorted(left))}"] if left else []
    return replace(plan, actions=tuple(kept), notes=(*plan.notes, *notes))


def _decided(action: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(str(action.get(name, "")) for name in ("version", "fingerprint", "known_after"))


def _identity(action: Action) -> tuple[str, ...]:
    known_after = str(action.known_after) if action.known_after else ""
    return action.version, action.node.fingerprint if action.node else "", known_after


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return "; ".join(names[:_MOST]) + more
