"""Saved plans: plan files, their preconditions, and what of a new plan was decided in the saved one.

A plan file has an envelope, which says where the plan is from, and a body, which is the plan. The envelope has the
digest of the body without its tree, so that two commits with the same changes have the same plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.abbreviation import join_some
from reconciler.config.config import Config
from reconciler.diagnostics import Span, UserError, user_error
from reconciler.format.json_text import parse_json
from reconciler.format.schemas import check_against_schema, is_valid_for_schema
from reconciler.format.yaml import parse_yaml
from reconciler.model import Action, Json, Op, Plan, State, parse_address
from reconciler.planning.options import PlanOptions
from reconciler.planning.preconditions import describe_etag, record_etag

PLAN_FORMAT = 1
PLAN_SCHEMA = "plan"
_MAX_SHOWN = 5  # diagnostics, or actions, that a message names
_REPLAN_HINT = "make a new plan: mlgit plan{} -o FILE"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan from a file."""

    envelope: Mapping[str, Json]
    body: Mapping[str, Json]

    @property
    def replan_hint(self) -> str:
        """The hint to make the plan again."""
        return _REPLAN_HINT.format(" --destroy" if self.body.get("options", {}).get("destroy") else "")

    @property
    def digest(self) -> str:
        """The digest of the body, which an approval refers to."""
        return str(self.envelope["digest"])


@dataclass(frozen=True, slots=True)
class StalePrecondition:
    """A record whose etag is not that of the saved plan."""

    address: str
    planned_etag: str
    current_etag: str

    def __str__(self) -> str:
        old, new = describe_etag(self.planned_etag), describe_etag(self.current_etag)
        return f"{self.address} was {old} and is {new}" if old != new else f"{self.address} ({old}) was changed"


def plan_body_digest(body: Mapping[str, Json]) -> str:
    """Return the digest of a body without its tree: 64 hexadecimal digits."""
    without_tree = {name: value for name, value in body.items() if name != "tree"}
    canonical = json.dumps(without_tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def dump_plan_file(saved: SavedPlan) -> str:
    """Return the text of a plan file, with sorted keys."""
    document = {"format": PLAN_FORMAT, "envelope": dict(saved.envelope), "body": dict(saved.body)}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def parse_plan_file(path: str, raw: bytes) -> SavedPlan:
    """Return the plan of a file. Raise UserError if it is no plan, has a newer format, or was edited."""
    try:
        document: Json = parse_json(raw)
    except json.JSONDecodeError as error:
        raise _invalid_plan_file(path, f"is not JSON: {error.msg}", Span(path, error.lineno, error.colno)) from error
    except (UnicodeError, RecursionError) as error:
        raise _invalid_plan_file(path, "is not JSON", Span(path)) from error
    version = document.get("format") if isinstance(document, dict) else None
    if not isinstance(version, int) or "body" not in document:
        raise _invalid_plan_file(path, "is not an mlgit plan", Span(path))
    if version > PLAN_FORMAT:
        message = f"{path} has format {version}; this version of mlgit supports up to {PLAN_FORMAT}"
        raise user_error("plan-newer", message, f"install a newer mlgit, or {_REPLAN_HINT.format('')}", Span(path))
    if not is_valid_for_schema(document, PLAN_SCHEMA):
        parsed, syntax_errors = parse_yaml(path, raw)
        raise UserError(*(syntax_errors or check_against_schema(parsed, PLAN_SCHEMA))[:_MAX_SHOWN])
    saved = SavedPlan(document["envelope"], document["body"])
    if saved.digest != plan_body_digest(saved.body):
        message = f"{path} was edited: its digest does not match"
        raise user_error("plan-edited", message, f"change the files instead, then {saved.replan_hint}", Span(path))
    return saved


def _invalid_plan_file(path: str, why: str, span: Span) -> UserError:
    return user_error("plan-file", f"{path} {why}", "write one with `mlgit plan -o FILE`", span)


def options_of_saved_plan(saved: SavedPlan, config: Config) -> PlanOptions:
    """Return the policy of the command that made the plan, with the mlgit.yml of its commit."""
    options = saved.body["options"]
    return PlanOptions(
        config,
        replace=frozenset(map(parse_address, options["replace"])),
        allow_submit=options["allow_submit"],
        allow_mass_delete=options["allow_mass_delete"],
        allow_rewind=options["allow_rewind"],
        select=tuple(options["select"]),
        exclude=tuple(options["exclude"]),
        destroy=options.get("destroy", False),
    )


def stale_preconditions(saved: SavedPlan, state: State) -> tuple[StalePrecondition, ...]:
    """Return the preconditions whose records changed since the plan was made."""
    preconditions = (
        StalePrecondition(address, etag, record_etag(state.current.get(parse_address(address))))
        for address, etag in saved.body["reads"].items()
    )
    return tuple(stale for stale in preconditions if stale.planned_etag != stale.current_etag)


def raise_if_stale(saved: SavedPlan, state: State) -> None:
    """Raise UserError ``plan-stale`` if a precondition changed."""
    if stale := stale_preconditions(saved, state):
        raise user_error(
            "plan-stale", f"the plan is out of date: {_join_some(list(map(str, stale)))}", saved.replan_hint
        )


def restrict_to_saved_plan(saved: SavedPlan, plan: Plan, state: State) -> Plan:
    """Return the part of a new plan that was saved, and its advances.

    Raise UserError: ``plan-stale`` if a precondition changed, ``plan-differs`` if a saved decision is missing or
    different now. New decisions are left for another plan, with a note. A run that was to be canceled and has ended by
    itself is no difference.
    """
    raise_if_stale(saved, state)
    saved_decisions = {
        action["key"]: saved_action_identity(action)
        for action in saved.body["actions"]
        if Op(action["action"]).is_decision
    }
    decisions = {str(action.key): action_identity(action) for action in plan.decisions}
    cancels = {action["key"] for action in saved.body["actions"] if action["action"] == Op.CANCEL}
    ended = cancels - decisions.keys()
    differing = [
        key for key, identity in saved_decisions.items() if key not in ended and identity != decisions.get(key)
    ]
    restricted, excluded = plan.without(lambda action: action.op.is_decision and str(action.key) not in saved_decisions)
    keys = [str(item.action.key) for item in excluded]
    differing += [key for key in keys if key in saved_decisions and key not in differing]
    if differing:
        message = f"planning again gives a different result: {_join_some(differing)}"
        tool = saved.envelope.get("tool", "")
        raise user_error("plan-differs", message, f"the plan was made by mlgit {tool}; {saved.replan_hint}")
    added = sorted(str(item.action.key) for item in excluded if item.cause is None)
    notes = [f"not in the saved plan, left for another: {_join_some(added)}"] if added else []
    return restricted._replace(notes=(*plan.notes, *notes))


def saved_action_identity(action: Mapping[str, Json]) -> tuple[str, ...]:
    """Return what `action_identity` returns, of an action in a plan file."""
    return tuple(str(action.get(name, "")) for name in ("version", "fingerprint", "known_after"))


def action_identity(action: Action) -> tuple[str, ...]:
    """Return what makes an action the same decision as another one with its key."""
    known_after = str(action.known_after) if action.known_after else ""
    return action.version, action.resolved.fingerprint if action.resolved else "", known_after


def _join_some(items: Sequence[str]) -> str:
    return join_some(items, _MAX_SHOWN, "; ")
