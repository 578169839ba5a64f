"""The history of the live state as people and programs read it: what was done, and what differs between two moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.abbreviation import abbreviate_id
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Action, HistoryEntry, Json, Op, Record, ResourceDiff, Rollback, Run, State
from reconciler.planning.diff import FieldChange, field_changes
from reconciler.planning.fingerprint import readable_fields
from reconciler.render.code_frame import sanitize_line, sanitize_text
from reconciler.secrets.redact import redact_spec

_NONE = "none"


def format_log(deeds: Sequence[HistoryEntry]) -> str:
    """Write what was done, newest first."""
    return sanitize_text("\n\n".join("\n".join(_history_entry_lines(entry)) for entry in deeds))


def _history_entry_lines(deed: HistoryEntry) -> Iterator[str]:
    yield f"{deed.committed_at}  {deed.author}  {abbreviate_id(deed.commit)}"
    yield f"  {deed.title}"
    if deed.summary_lines != (deed.title.partition(": ")[2],):
        yield from (f"    {line}" for line in deed.summary_lines)
    if deed.source_commit:
        yield f"  source: {abbreviate_id(deed.source_commit)}{' with changes' if deed.dirty else ''}"
    if deed.plan_digest:
        yield f"  plan: {abbreviate_id(deed.plan_digest)}"
    if deed.user:
        yield f"  by: {deed.user}"


def log_to_json(deeds: Sequence[HistoryEntry]) -> Json:
    """Return what was done, as JSON."""
    return [
        {
            "commit": entry.commit,
            "author": entry.author,
            "when": entry.committed_at,
            "command": entry.command,
            "title": entry.title,
            "done": list(entry.summary_lines),
            "source": entry.source_commit or None,
            "changed": entry.dirty,
            "by": entry.user or None,
            "plan": entry.plan_digest or None,
            "message": entry.message,
        }
        for entry in deeds
    ]


def rollback_hold_lines(rollback: Rollback | None) -> tuple[str, ...]:
    """Say, while it holds, that somebody went back and what that means; nothing where nobody did."""
    if rollback is None:
        return ()
    held, to = abbreviate_id(rollback.commit), abbreviate_id(rollback.to)
    return (f"{rollback.by} rolled back from {held} to {to} at {rollback.at}: {held} waits for a newer commit",)


def format_state_diff(before: State, after: State, differences: Sequence[ResourceDiff]) -> str:
    """Write what differs between two moments, by address."""
    return sanitize_text("\n".join(_state_diff_lines(before, after, differences)))


def _state_diff_lines(before: State, after: State, differences: Sequence[ResourceDiff]) -> Iterator[str]:
    yield f"From {_format_state_commit(before)} to {_format_state_commit(after)}:"
    yield ""
    if not differences:
        yield "  nothing differs"
    for diff in differences:
        yield f"  {_change_sign(diff)} {sanitize_line(_resource_diff_sentence(diff, after.lineage))}"
        yield from (f"      {sanitize_line(line)}" for line in _noncurrent_change_lines(diff))


def _format_state_commit(live: State) -> str:
    applied = f" (source {abbreviate_id(live.applied_commit)})" if live.applied_commit else ""
    return f"{abbreviate_id(live.commit)}{applied}"


def state_diff_to_json(before: State, after: State, differences: Sequence[ResourceDiff]) -> Json:
    """Return what differs between two moments, as JSON."""
    return {
        "before": {"commit": before.commit, "source": before.applied_commit},
        "after": {"commit": after.commit, "source": after.applied_commit},
        "addresses": [_resource_diff_to_json(diff, after.lineage) for diff in differences],
    }


def _resource_diff_to_json(each: ResourceDiff, lineage: str) -> Json:
    return {
        "address": str(each.address),
        "change": _CHANGE_NAMES[_change_sign(each)],
        "version": _before_and_after(each, "version"),
        "archived": _before_and_after(each, "archived"),
        "run": _before_and_after(each, "run"),
        "changes": [_field_change_to_json(change) for change in _spec_changes(each, lineage)],
        "versions": [
            {"version": (new or old).version, "change": _version_change(old, new)}
            for old, new in _untyped_pairs(each.versions)
        ],
        "runs": [{"run": (new or old).id, "change": _run_change(old, new)} for old, new in _untyped_pairs(each.runs)],
    }


def _before_and_after(each: ResourceDiff, name: str) -> Json:
    sides = (getattr(side, name) if side else None for side in (each.before, each.after))
    return [None if value == "" else value for value in sides]


_CHANGE_NAMES = {"+": "added", "-": "removed", "~": "changed"}


def _change_sign(each: ResourceDiff) -> str:
    return "~" if each.before and each.after else "+" if each.after else "-" if each.before else "~"


def _resource_diff_sentence(each: ResourceDiff, lineage: str) -> str:
    if each.before is None or each.after is None:
        there = each.after or each.before
        version = f", version {there.version}" if there and there.version else ""
        return f"{each.address}{version}"
    said = [*_record_change_phrases(each.before, each.after), *map(str, _spec_changes(each, lineage))]
    if not said and not any(_noncurrent_change_lines(each)):
        said = ["recorded anew"]
    return f"{each.address}: {', '.join(said)}" if said else str(each.address)


def _record_change_phrases(before: Record, after: Record) -> Iterator[str]:
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


def _spec_changes(each: ResourceDiff, lineage: str) -> tuple[FieldChange, ...]:
    if each.before is None or each.after is None:
        return ()
    before, after = _readable_fields(each.before, lineage), _readable_fields(each.after, lineage)
    return field_changes(Action(Op.UPDATE, each.address, before=before, after=after)) if before != after else ()


def _field_change_to_json(each: FieldChange) -> Json:
    return {
        "field": each.field,
        "change": each.change_type,
        "before": each.before,
        "after": each.after,
        "sentence": str(each),
    }


def _readable_fields(record: Record, lineage: str) -> Json:
    """Return the fields of a record as a person compares them; secrets are marks, were it of an older mlgit."""
    if record.address.kind not in kinds():
        return dict(record.spec)
    kind = kind_by_name(record.address.kind)
    spec = redact_spec(kind.secret_fields, record.spec, lineage)
    halves = (readable_fields(kind, spec, record.contents, record.references, affecting=each) for each in (True, False))
    return {name: value for half in halves for name, value in half.items()}


def _noncurrent_change_lines(each: ResourceDiff) -> Iterator[str]:
    """Say what became of versions and runs that are not current ones."""
    current = {side.version for side in (each.before, each.after) if side}
    for old, new in _untyped_pairs(each.versions):
        if (new or old).version not in current or (old and new and old.archived != new.archived):
            yield f"version {(new or old).version}: {_version_change(old, new)}"
    for old, new in _untyped_pairs(each.runs):
        yield f"run {(new or old).id}: {_run_change(old, new)}"


def _untyped_pairs(pairs: Sequence[tuple[Any, Any]]) -> Sequence[tuple[Any, Any]]:
    return pairs


def _version_change(before: Record | None, after: Record | None) -> str:
    if before is None:
        return "registered"
    if after is None:
        return "removed"
    if before.archived != after.archived:
        return "archived" if after.archived else "restored"
    return "described anew"


def _run_change(before: Run | None, after: Run | None) -> str:
    if after is None:
        return "removed"
    return f"{before.status} -> {after.status}" if before and before.status != after.status else str(after.status)
