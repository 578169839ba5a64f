"""Saved plans: read back, judged against the live state, and held to what they decided.

A plan file is an envelope, which says where the plan is from, and a body, which is the plan. The digest of the body
stands in the envelope; it leaves out the tree, so that two commits that come to the same have the same plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.diagnostics import Span, UserError, user_error
from reconciler.format.schemas import check_against_schema, is_valid_for_schema
from reconciler.format.yaml import parse_yaml
from reconciler.model import Action, Json, Op, Plan, State, parse_address
from reconciler.planning.policy import Policy
from reconciler.planning.preconditions import describe_etag, record_etag

PLAN_FORMAT = 1
PLAN_SCHEMA = "plan"
_MAX_SHOWN = 5  # of what is wrong or has moved, as many are named
_REPLAN_HINT = "make a new plan: mlgit plan -o FILE"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan out of a file: where it is from, and what it is."""

    envelope: Mapping[str, Json]
    body: Mapping[str, Json]

    @property
    def digest(self) -> str:
        """The digest of the body, by which an approval names it."""
        return str(self.envelope["digest"])


@dataclass(frozen=True, slots=True)
class StalePrecondition:
    """An entry of a read set that is not as it was."""

    address: str
    planned_etag: str
    current_etag: str

    def __str__(self) -> str:
        was, now = describe_etag(self.planned_etag), describe_etag(self.current_etag)
        return f"{self.address} was {was} and is {now}" if was != now else f"{self.address} ({was}) was changed"


def plan_body_digest(body: Mapping[str, Json]) -> str:
    """Return the digest of a body without its tree: 64 hexadecimal digits."""
    decided = {name: each for name, each in body.items() if name != "tree"}
    canonical = json.dumps(decided, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def dump_plan_file(saved: SavedPlan) -> str:
    """Write a plan file: sorted keys, the same value the same bytes."""
    whole = {"format": PLAN_FORMAT, "envelope": dict(saved.envelope), "body": dict(saved.body)}
    return json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def parse_plan_file(path: str, raw: bytes) -> SavedPlan:
    """Read a plan file; a UserError where it is none, is a newer one, or was edited."""
    try:
        whole: Json = json.loads(raw)
    except json.JSONDecodeError as error:
        raise _invalid_plan_file(path, f"is not JSON: {error.msg}", Span(path, error.lineno, error.colno)) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise _invalid_plan_file(path, "is not JSON", Span(path)) from error
    if not isinstance(whole, dict) or not isinstance(number := whole.get("format"), int) or "body" not in whole:
        raise _invalid_plan_file(path, "is not a plan of mlgit", Span(path))
    if number > PLAN_FORMAT:
        message = f"{path} has format {number}; this mlgit knows {PLAN_FORMAT}"
        raise user_error("plan-newer", message, f"install a newer mlgit, or {_REPLAN_HINT}", Span(path))
    if not is_valid_for_schema(whole, PLAN_SCHEMA):
        document, unreadable = parse_yaml(path, raw)
        raise UserError(*(unreadable or check_against_schema(document, PLAN_SCHEMA))[:_MAX_SHOWN])
    saved = SavedPlan(whole["envelope"], whole["body"])
    if saved.digest != plan_body_digest(saved.body):
        message = f"{path} is not as mlgit wrote it: its digest is another one"
        raise user_error(
            "plan-edited", message, f"a plan is not to be edited; change the files, then {_REPLAN_HINT}", Span(path)
        )
    return saved


def _invalid_plan_file(path: str, why: str, place: Span) -> UserError:
    return user_error("plan-file", f"{path} {why}", "write one with `mlgit plan -o FILE`", place)


def policy_from_plan(saved: SavedPlan, config: Config) -> Policy:
    """Return what was asked for when the plan was made, under today's mlgit.yml of its commit."""
    asked = saved.body["policy"]
    return Policy(
        config,
        replace=frozenset(map(parse_address, asked["replace"])),
        allow_submit=asked["allow_submit"],
        allow_mass_delete=asked["allow_mass_delete"],
        allow_rewind=asked["allow_rewind"],
        select=tuple(asked["select"]),
        exclude=tuple(asked["exclude"]),
    )


def stale_preconditions(saved: SavedPlan, live: State) -> tuple[StalePrecondition, ...]:
    """Return the entries of the read set that moved since the plan was made."""
    now = {address: record_etag(live.current.get(parse_address(address))) for address in saved.body["reads"]}
    return tuple(
        StalePrecondition(address, was, now[address])
        for address, was in saved.body["reads"].items()
        if was != now[address]
    )


def raise_if_stale(saved: SavedPlan, live: State) -> None:
    """Raise UserError ``plan-stale`` where an entry of the read set moved."""
    if moved := stale_preconditions(saved, live):
        raise user_error("plan-stale", f"the plan is out of date: {_join_some(list(map(str, moved)))}", _REPLAN_HINT)


def restrict_to_saved_plan(saved: SavedPlan, plan: Plan, live: State) -> Plan:
    """Return what of a plan made now is what was saved, and its advances.

    Raises UserError: ``plan-stale`` where an entry of the read set moved, ``plan-differs`` where something that was
    decided is decided otherwise now. What is decided now and was not then is left for another plan, and noted. A run
    that was to be canceled and has ended by itself is no difference.
    """
    raise_if_stale(saved, live)
    then = {
        each["key"]: _saved_action_identity(each) for each in saved.body["actions"] if Op(each["action"]).is_decision
    }
    now = {str(action.key): _action_identity(action) for action in plan.decisions}
    ended = {each["key"] for each in saved.body["actions"] if each["action"] == Op.CANCEL} - now.keys()
    wrong = [key for key, identity in then.items() if key not in ended and identity != now.get(key)]
    remaining, excluded = plan.without(lambda action: action.op.is_decision and str(action.key) not in then)
    wrong += [key for key in (str(item.action.key) for item in excluded) if key in then and key not in wrong]
    if wrong:
        made = saved.envelope.get("tool", "")
        message = f"planned again, this comes to something else: {_join_some(wrong)}"
        raise user_error("plan-differs", message, f"it was made by mlgit {made}; {_REPLAN_HINT}")
    added = sorted(str(item.action.key) for item in excluded if item.cause is None)
    notes = [f"not in the saved plan, and left for another: {_join_some(added)}"] if added else []
    return replace(remaining, notes=(*plan.notes, *notes))


def _saved_action_identity(action: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(str(action.get(name, "")) for name in ("version", "fingerprint", "known_after"))


def _action_identity(action: Action) -> tuple[str, ...]:
    known_after = str(action.known_after) if action.known_after else ""
    return action.version, action.resolved.fingerprint if action.resolved else "", known_after


def _join_some(items: Sequence[str]) -> str:
    return join_some(items, _MAX_SHOWN, "; ")
