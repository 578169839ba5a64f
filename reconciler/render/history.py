"""The history of the live state as people and programs read it: what was done, and what differs between two moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.format.kinds import kind_named, kinds
from reconciler.model import Action, Deed, Difference, Json, Live, Op, Record, Rollback, Run
from reconciler.planning.fingerprint import readable
from reconciler.planning.masking import masked
from reconciler.render.excerpt import inline, visible
from reconciler.render.fields import Change, changes

_SHORT = 10
_NONE = "none"


def log(deeds: Sequence[Deed]) -> str:
    """Write what was done, newest first."""
    return visible("\n\n".join("\n".join(_deed(each)) for each in deeds))


def _deed(deed: Deed) -> Iterator[str]:
    yield f"{deed.when}  {deed.author}  {deed.commit[:_SHORT]}"
    yield f"  {deed.title}"
    if deed.done != (deed.title.partition(": ")[2],):
        yield from (f"    {line}" for line in deed.done)
    if deed.source:
        yield f"  source: {deed.source[:_SHORT]}{' with changes' if deed.changed else ''}"
    if deed.plan:
        yield f"  plan: {deed.plan[:_SHORT]}"
    if deed.by:
        yield f"  by: {deed.by}"


def log_json(deeds: Sequence[Deed]) -> Json:
    """Return what was done, as JSON."""
    return [
        {
            "commit": each.commit,
            "author": each.author,
            "when": each.when,
            "command": each.command,
            "title": each.title,
            "done": list(each.done),
            "source": each.source or None,
            "changed": each.changed,
            "by": each.by or None,
            "plan": each.plan or None,
            "message": each.message,
        }
        for each in deeds
    ]


def rolled_back(rollback: Rollback | None) -> tuple[str, ...]:
    """Say, while it holds, that somebody went back and what that means; nothing where nobody did."""
    if rollback is None:
        return ()
    held, to = rollback.commit[:_SHORT], rollback.to[:_SHORT]
    return (f"{rollback.by} rolled back from {held} to {to} at {rollback.at}: {held} waits for a newer commit",)


def diff(before: Live, after: Live, differences: Sequence[Difference]) -> str:
    """Write what differs between two moments, by address."""
    return visible("\n".join(_diff(before, after, differences)))


def _diff(before: Live, after: Live, differences: Sequence[Difference]) -> Iterator[str]:
    yield f"From {_moment(before)} to {_moment(after)}:"
    yield ""
    if not differences:
        yield "  nothing differs"
    for each in differences:
        yield f"  {_sign(each)} {inline(_sentence(each, after.lineage))}"
        yield from (f"      {inline(line)}" for line in _behind(each))


def _moment(live: Live) -> str:
    applied = f" (source {live.applied[:_SHORT]})" if live.applied else ""
    return f"{live.commit[:_SHORT]}{applied}"


def diff_json(before: Live, after: Live, differences: Sequence[Difference]) -> Json:
    """Return what differs between two moments, as JSON."""
    return {
        "before": {"commit": before.commit, "source": before.applied},
        "after": {"commit": after.commit, "source": after.applied},
        "addresses": [_difference_json(each, after.lineage) for each in differences],
    }


def _difference_json(each: Difference, lineage: str) -> Json:
    return {
        "address": str(each.address),
        "change": _CHANGES[_sign(each)],
        "version": _pair(each, "version"),
        "archived": _pair(each, "archived"),
        "run": _pair(each, "run"),
        "changes": [_field_json(change) for change in _fields(each, lineage)],
        "versions": [{"version": (new or old).version, "change": _became(old, new)} for old, new in _of(each.versions)],
        "runs": [{"run": (new or old).id, "change": _ran(old, new)} for old, new in _of(each.runs)],
    }


def _pair(each: Difference, name: str) -> Json:
    sides = (getattr(side, name) if side else None for side in (each.before, each.after))
    return [None if value == "" else value for value in sides]


_CHANGES = {"+": "added", "-": "removed", "~": "changed"}


def _sign(each: Difference) -> str:
    return "~" if each.before and each.after else "+" if each.after else "-" if each.before else "~"


def _sentence(each: Difference, lineage: str) -> str:
    if each.before is None or each.after is None:
        there = each.after or each.before
        version = f", version {there.version}" if there and there.version else ""
        return f"{each.address}{version}"
    said = [*_record(each.before, each.after), *map(str, _fields(each, lineage))]
    if not said and not any(_behind(each)):
        said = ["recorded anew"]
    return f"{each.address}: {', '.join(said)}" if said else str(each.address)


def _record(before: Record, after: Record) -> Iterator[str]:
    """Say what changed beside the fields: what is current, and how it stands."""
    if before.version != after.version:
        yield f"version {before.version or _NONE} -> {after.version or _NONE}"
    if before.archived != after.archived:
        yield "archived" if after.archived else "restored"
    if before.run != after.run:
        yield f"current run {before.run or _NONE} -> {after.run or _NONE}"
    if before.source != after.source:
        yield f"file {before.source or _NONE} -> {after.source or _NONE}"
    if before.protected != after.protected:
        yield "protected" if after.protected else "no longer protected"


def _fields(each: Difference, lineage: str) -> tuple[Change, ...]:
    if each.before is None or each.after is None:
        return ()
    before, after = _readable(each.before, lineage), _readable(each.after, lineage)
    return changes(Action(Op.UPDATE, each.address, before=before, after=after)) if before != after else ()


def _field_json(each: Change) -> Json:
    return {"field": each.field, "change": each.sort, "before": each.before, "after": each.after, "sentence": str(each)}


def _readable(record: Record, lineage: str) -> Json:
    """Return the fields of a record as a person compares them; secrets are marks, were it of an older mlgit."""
    if record.address.kind not in kinds():
        return dict(record.spec)
    kind = kind_named(record.address.kind)
    spec = masked(kind, record.spec, lineage)
    halves = (readable(kind, spec, record.contents, record.references, affecting=each) for each in (True, False))
    return {name: value for half in halves for name, value in half.items()}


def _behind(each: Difference) -> Iterator[str]:
    """Say what became of versions and runs that are not current ones."""
    current = {side.version for side in (each.before, each.after) if side}
    for old, new in _of(each.versions):
        if (new or old).version not in current or (old and new and old.archived != new.archived):
            yield f"version {(new or old).version}: {_became(old, new)}"
    for old, new in _of(each.runs):
        yield f"run {(new or old).id}: {_ran(old, new)}"


def _of(pairs: Sequence[tuple[Any, Any]]) -> Sequence[tuple[Any, Any]]:
    return pairs


def _became(before: Record | None, after: Record | None) -> str:
    if before is None:
        return "registered"
    if after is None:
        return "removed"
    if before.archived != after.archived:
        return "archived" if after.archived else "restored"
    return "described anew"


def _ran(before: Run | None, after: Run | None) -> str:
    if after is None:
        return "removed"
    return f"{before.status} -> {after.status}" if before and before.status != after.status else str(after.status)
