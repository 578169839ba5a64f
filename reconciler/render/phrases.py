"""An action as a sentence: what is done, to what, and because of what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.format.kinds import kind_named
from reconciler.model import Action, Op, Status
from reconciler.render.excerpt import inline
from reconciler.render.fields import changes

SIGNS: Mapping[Op, str] = {
    Op.MOVE: "~",
    Op.CREATE: "+",
    Op.NEW_VERSION: "+",
    Op.REGISTER: "+",
    Op.UPDATE: "~",
    Op.REPLACE: "±",
    Op.ARCHIVE: "-",
    Op.DELETE: "-",
    Op.BUILD: ">",
    Op.SUBMIT: ">",
    Op.CANCEL: "-",
    Op.ADOPT: "=",
    Op.HEAL: "~",
    Op.RECORD: "=",
}


def sentence(action: Action) -> str:
    """Say what an action does and why, in one line."""
    return inline(_SENTENCES[action.op](action))


def _because(action: Action) -> str:
    said = action.reason or _differences(action)
    return f" because {said}" if said else ""


def _differences(action: Action) -> str:
    return ", ".join(map(str, changes(action)))


def _move(action: Action) -> str:
    return f"{action.address}: rename, was {action.moved_from}"


def _create(action: Action) -> str:
    said = f", {action.reason}" if action.reason else ""
    return f"{action.address}: create{said}{_recorded_only(action)}"


def _recorded_only(action: Action) -> str:
    realised = action.node is None or kind_named(action.address.kind).realises(action.node.asset.spec)
    return "" if realised else ", recorded only: nothing here realises it yet"


def _update(action: Action) -> str:
    said = action.reason or _differences(action)
    return f"{action.address.at(action.version)}: update in place, {said}"


def _replace(action: Action) -> str:
    return f"{action.address}: replace{_because(action)}"


def _new_version(action: Action) -> str:
    if action.known_after is not None:
        return f"{action.address}: new version{_because(action)}, known after {action.known_after}"
    if action.record is None:
        return f"{action.address}: version {action.version}"
    return f"{action.address}: new version {action.version}{_because(action)}"


def _register(action: Action) -> str:
    made = next((each for each in action.node.references.values() if each.output), None) if action.node else None
    if action.known_after is not None or made is None:
        return _new_version(action)
    new = "new " if action.record else ""
    others = [str(each) for each in changes(action) if each.after != str(made)]  # that it is another run is said
    said = action.reason or ", ".join(others)
    because = f" because {said}" if said else ""
    return f"{action.address}: {new}version {action.version} from run {made.version}{because}"


def _build(action: Action) -> str:
    return f"{action.address}: build {action.reason}"


def _submit(action: Action) -> str:
    if action.known_after is not None:
        run = f"{'new' if action.record else 'first'} run of {action.address}"
        return f"{run}{_because(action)}, known after {action.known_after}"
    return f"{'new' if action.record else 'first'} run of {action.address}{_because(action)}"


def _adopt(action: Action) -> str:
    if action.run is None:
        return f"{action.address}: adopt version {action.version}, registered before with this content"
    return f"{action.address}: adopt run {action.run.id}, which completed with the same inputs; nothing is submitted"


def _heal(action: Action) -> str:
    return f"{action.address.at(action.version)}: heal, {action.reason}"


def _record(action: Action) -> str:
    return f"{action.address}: run {action.version} {_ENDED[action.run.status] if action.run else 'ended'}"


_ENDED: Mapping[Status, str] = {
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELED: "was canceled",
    Status.LOST: "was lost",
}


def _leave(action: Action) -> str:
    verb = {Op.CANCEL: "cancel run", Op.ARCHIVE: "archive", Op.DELETE: "delete"}[action.op]
    what = f" {action.version}" if action.op is Op.CANCEL else ""
    later = f", known after {action.known_after}" if action.known_after else ""
    return f"{action.address}: {verb}{what}{_because(action)}{later}"


_SENTENCES: Mapping[Op, Callable[[Action], str]] = {
    Op.MOVE: _move,
    Op.CREATE: _create,
    Op.UPDATE: _update,
    Op.REPLACE: _replace,
    Op.NEW_VERSION: _new_version,
    Op.REGISTER: _register,
    Op.BUILD: _build,
    Op.SUBMIT: _submit,
    Op.ADOPT: _adopt,
    Op.HEAL: _heal,
    Op.RECORD: _record,
    Op.CANCEL: _leave,
    Op.ARCHIVE: _leave,
    Op.DELETE: _leave,
}
