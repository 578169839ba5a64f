"""Render the history of the live state and the differences between two states, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.abbreviation import abbreviate_id
from reconciler.format.kinds import kind_by_name, kinds
from reconciler.model import Action, HistoryEntry, Json, Op, Record, ResourceDiff, Rollback, Run, State
from reconciler.planning.diff import FieldChange, field_changes
from reconciler.planning.fingerprint import readable_fields
from reconciler.render.sanitize import sanitize_line
from reconciler.secrets.redact import redact_spec

_NONE = "none"


def format_log(entries: Sequence[HistoryEntry]) -> str:
    """Return the log as text, newest entry first."""
    return "\n\n".join("\n".join(map(sanitize_line, _history_entry_lines(entry))) for entry in entries)


def _history_entry_lines(entry: HistoryEntry) -> Iterator[str]:
    yield f"~{entry.step}  {entry.committed_at}  {entry.author}  {abbreviate_id(entry.commit)}"
    yield f"  {entry.title}"
    if entry.summary_lines != (entry.title.partition(": ")[2],):
        yield from (f"    {line}" for line in entry.summary_lines)
    if entry.source_commit:
        yield f"  source: {abbreviate_id(entry.source_commit)}{' with changes' if entry.dirty else ''}"
    if entry.plan_digest:
        yield f"  plan: {abbreviate_id(entry.plan_digest)}"
    if entry.user:
        yield f"  by: {entry.user}"


def log_to_json(entries: Sequence[HistoryEntry]) -> Json:
    """Return the log as JSON, newest entry first."""
    return [
        {
            "commit": entry.commit,
            "revision": f"~{entry.step}",
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
        for entry in entries
    ]


def rollback_hold_lines(rollback: Rollback | None) -> tuple[str, ...]:
    """Return a line that explains the rollback in effect, or an empty tuple if there is none."""
    if rollback is None:
        return ()
    commit, target = abbreviate_id(rollback.commit), abbreviate_id(rollback.to)
    return (f"{rollback.by} rolled back from {commit} to {target} at {rollback.at}: {commit} waits for a newer commit",)


def format_state_diff(before: State, after: State, differences: Sequence[ResourceDiff]) -> str:
    """Return the differences between two states as text, by address."""
    return "\n".join(map(sanitize_line, _state_diff_lines(before, after, differences)))


def _state_diff_lines(before: State, after: State, differences: Sequence[ResourceDiff]) -> Iterator[str]:
    yield f"From {_format_state_commit(before)} to {_format_state_commit(after)}:"
    yield ""
    if not differences:
        yield "  nothing differs"
    for diff in differences:
        yield f"  {_change_sign(diff)} {_resource_diff_sentence(diff, after.lineage)}"
        yield from (f"      {line}" for line in _noncurrent_change_lines(diff))


def _format_state_commit(state: State) -> str:
    if not state.commit:
        return "before the first apply"
    applied = f" (source {abbreviate_id(state.applied_commit)})" if state.applied_commit else ""
    return f"{abbreviate_id(state.commit)}{applied}"


def state_diff_to_json(before: State, after: State, differences: Sequence[ResourceDiff]) -> Json:
    """Return the differences between two states as JSON."""
    return {
        "before": {"commit": before.commit, "source": before.applied_commit},
        "after": {"commit": after.commit, "source": after.applied_commit},
        "addresses": [_resource_diff_to_json(diff, after.lineage) for diff in differences],
    }


def _resource_diff_to_json(diff: ResourceDiff, lineage: str) -> Json:
    return {
        "address": str(diff.address),
        "change": _CHANGE_NAMES[_change_sign(diff)],
        "version": _before_and_after(diff, "version"),
        "archived": _before_and_after(diff, "archived"),
        "run": _before_and_after(diff, "run"),
        "changes": [_field_change_to_json(change) for change in _spec_changes(diff, lineage)],
        "versions": [
            {"version": (new or old).version, "change": _version_change(old, new)}
            for old, new in _untyped_pairs(diff.versions)
        ],
        "runs": [{"run": (new or old).id, "change": _run_change(old, new)} for old, new in _untyped_pairs(diff.runs)],
    }


def _before_and_after(diff: ResourceDiff, name: str) -> Json:
    values = (getattr(side, name) if side else None for side in (diff.before, diff.after))
    return [None if value == "" else value for value in values]


_CHANGE_NAMES = {"+": "added", "-": "removed", "~": "changed"}


def _change_sign(diff: ResourceDiff) -> str:
    return "~" if diff.before and diff.after else "+" if diff.after else "-" if diff.before else "~"


def _resource_diff_sentence(diff: ResourceDiff, lineage: str) -> str:
    if diff.before is None or diff.after is None:
        record = diff.after or diff.before
        version = f", version {record.version}" if record and record.version else ""
        return f"{diff.address}{version}"
    changes = [*_record_change_phrases(diff.before, diff.after), *map(str, _spec_changes(diff, lineage))]
    if not changes and not any(_noncurrent_change_lines(diff)):
        changes = ["recorded again"]
    return f"{diff.address}: {', '.join(changes)}" if changes else str(diff.address)


def _record_change_phrases(before: Record, after: Record) -> Iterator[str]:
    """Yield the changes of a record outside its spec: version, run, file, archived and protected."""
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


def _spec_changes(diff: ResourceDiff, lineage: str) -> tuple[FieldChange, ...]:
    if diff.before is None or diff.after is None:
        return ()
    before, after = _readable_fields(diff.before, lineage), _readable_fields(diff.after, lineage)
    return field_changes(Action(Op.UPDATE, diff.address, before=before, after=after)) if before != after else ()


def _field_change_to_json(change: FieldChange) -> Json:
    return {
        "field": change.field,
        "change": change.change_type,
        "before": change.before,
        "after": change.after,
        "sentence": str(change),
    }


def _readable_fields(record: Record, lineage: str) -> Json:
    """Return the fields of a record in readable form.

    The secret fields of a known kind are redacted, also in records that an older mlgit wrote. The spec of an unknown
    kind is returned as it is recorded.
    """
    if record.address.kind not in kinds():
        return dict(record.spec)
    kind = kind_by_name(record.address.kind)
    spec = redact_spec(kind.secret_fields, record.spec, lineage)
    halves = (
        readable_fields(kind, spec, record.contents, record.references, affecting=affecting)
        for affecting in (True, False)
    )
    return {name: value for half in halves for name, value in half.items()}


def _noncurrent_change_lines(diff: ResourceDiff) -> Iterator[str]:
    """Yield a line for each changed version or run that is not the current one."""
    current = {side.version for side in (diff.before, diff.after) if side}
    for old, new in _untyped_pairs(diff.versions):
        if (new or old).version not in current or (old and new and old.archived != new.archived):
            yield f"version {(new or old).version}: {_version_change(old, new)}"
    for old, new in _untyped_pairs(diff.runs):
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
    return "metadata updated"


def _run_change(before: Run | None, after: Run | None) -> str:
    if after is None:
        return "removed"
    return f"{before.status} -> {after.status}" if before and before.status != after.status else str(after.status)
