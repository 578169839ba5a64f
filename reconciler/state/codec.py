"""Records and runs as JSON; fields that a newer mlgit wrote are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from itertools import chain
from typing import Any, NamedTuple

from reconciler.model import (
    EMPTY_MAPPING,
    Address,
    Condition,
    Handle,
    Intent,
    Json,
    Pin,
    Record,
    ResolvedReference,
    Rollback,
    Run,
    RunStatus,
    Spec,
    failure_reason,
    parse_address,
    run_experiment,
    run_metric,
    run_tags,
)
from reconciler.model.downloads import Download
from reconciler.model.step_runs import StepRun
from reconciler.state.field_types import check_contents, check_field_types, check_step
from reconciler.timestamps import seconds_between

_FIELD_NAMES = {record_type: frozenset(field.name for field in fields(record_type)) for record_type in (Record, Run)}
_REFERENCE_FIELDS = {field.name for field in fields(ResolvedReference)}  # fields that a newer mlgit adds are ignored
_TUPLE_FIELDS = {"unfinished", "formerly"}
_OBJECT_FIELDS: Mapping[str, type[Handle | Condition | Intent]] = {
    "handle": Handle,
    "condition": Condition,
    "intent": Intent,
}
_MAX_DEPTH = 200  # twice that of a file
# What decoding raises for JSON that is not a record.
DECODE_ERRORS = (ValueError, LookupError, TypeError, OverflowError, AttributeError, RecursionError)


def encode_record(value: Record | Run) -> bytes:
    """Write a record or a run: sorted keys, one to a line, fields with their default left out."""
    return encode_json(
        {**value.extra, **{name: _to_json(field) for name, field in _non_default_fields(value) if name != "extra"}}
    )


def decode_record(raw: bytes) -> Record:
    """Read a record."""
    return check_field_types(Record(**_decode_fields(Record, _load_json(raw))))


def decode_run(raw: bytes) -> Run:
    """Read a run."""
    fields_by_name = _decode_fields(Run, _load_json(raw))
    run = check_field_types(Run(**{**fields_by_name, "status": RunStatus(fields_by_name["status"])}))
    return replace(run, message=failure_reason(run.message)) if "\n" in run.message else run


def encode_unfinished(run: Run) -> bytes:
    """Write what names an experiment whose end is not recorded."""
    return encode_json({"address": str(run.address), "run": run.id})


def decode_unfinished(raw: bytes) -> tuple[Address, str]:
    """Read the address and the id of an experiment whose end is not recorded."""
    content = _load_json(raw)
    return parse_address(_as_text(content["address"])), _as_text(content["run"])


class RunSummary(NamedTuple):
    """What a list shows of a run, and finds it by: of its message the first line. ``is_unfinished`` is that of the run.

    ``started_at`` is blank if it has ``seconds``, which it took until it ended.
    """

    id: str
    status: str
    attempt: int
    submitted_at: str
    message: str
    is_unfinished: bool
    started_at: str = ""
    seconds: float | None = None
    experiment_name: str = ""
    tags: Mapping[str, str] = EMPTY_MAPPING
    metric: str = ""
    metric_value: float | str = ""


def summarize_run(run: Run) -> RunSummary:
    """Return what a list shows of a run."""
    message = run.message.partition("\n")[0]
    labels = _run_labels(run.started_at, run.ended_at, run.spec, run.realised, run.metrics)
    return RunSummary(run.id, str(run.status), run.attempt, run.submitted_at, message, run.is_unfinished, *labels)


def _run_labels(
    started_at: str, ended_at: str, spec: Spec, realised: Mapping[str, Json], metrics: Mapping[str, Json]
) -> tuple[str, float | None, str, dict[str, str], str, float | str]:
    """Return when a run started or how long it took, its experiment, its tags, and its metric with the value."""
    seconds = seconds_between(started_at, ended_at) if ended_at else None
    start = "" if seconds is not None else started_at
    return start, seconds, run_experiment(spec, realised), run_tags(spec), *(run_metric(spec, metrics) or ("", ""))


def decode_run_summary(raw: bytes) -> RunSummary:
    """Read what a list shows of a run: a tenth of the time that all of it takes."""
    content = _load_json(raw)
    names = ("id", "submitted_at", "message", "started_at", "ended_at")
    attempt, texts = content["attempt"], [content.get(name, "") for name in names]
    outputs = content.get("outputs", {})
    if not isinstance(attempt, int) or not all(isinstance(text, str) for text in texts):
        raise TypeError(raw)
    run_id, submitted_at, message, started_at, ended_at = texts
    status = RunStatus(content["status"])
    unstored = status is RunStatus.COMPLETED and any("md5" not in output for output in outputs.values())
    mappings = (content.get(name, {}) for name in ("spec", "realised", "metrics"))
    labels = _run_labels(started_at, ended_at, *mappings)
    is_unfinished = status.is_active or unstored
    return RunSummary(run_id, str(status), attempt, submitted_at, failure_reason(message), is_unfinished, *labels)


def decode_builds(raw: bytes) -> dict[str, dict[str, Json]]:
    """Read the builds of an environment, by the name of the builder."""
    builds: dict[str, dict[str, Json]] = _load_json(raw)
    for build in builds.values():
        _as_text(build["identity"])
        _as_text(build["lock"])
    return builds


def encode_pin(pin: Pin) -> bytes:
    """Write the recipe of an environment of a registry."""
    return encode_json(pin._asdict())


def decode_pin(raw: bytes) -> Pin:
    """Read the recipe of an environment of a registry."""
    content = _load_json(raw)
    if not isinstance(content["spec"], dict):
        raise TypeError(content)
    return Pin(_as_text(content["version"]), content["spec"])


def decode_download(raw: bytes) -> Download:
    """Read what was downloaded from a URL."""
    document = _load_json(raw)
    check_contents([document])
    download = Download.from_json(document)
    for text in (download.url, download.etag, download.modified, download.downloaded_at):
        _as_text(text)
    return download


def encode_steps(steps: Iterable[StepRun]) -> bytes:
    """Write the steps of a run: one to a line, because there can be thousands."""
    lines = (json.dumps(step.to_json(), sort_keys=True, ensure_ascii=False) for step in steps)
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode()


def decode_steps(raw: bytes) -> tuple[StepRun, ...]:
    """Read the steps of a run."""
    return tuple(map(decode_step, _load_json(raw)))


def decode_step(document: Json) -> StepRun:
    """Return the step of a document; raises one of `DECODE_ERRORS` for what is none."""
    return check_step(StepRun.from_json(document))


def decode_meta(raw: bytes) -> dict[str, Json]:
    """Read the meta data of a state: its lineage and its format at least."""
    meta: dict[str, Json] = _load_json(raw)
    texts = (meta["lineage"], meta.get("applied", ""), meta.get("store", ""))
    rollback = meta.get("rollback") or {}
    if not all(isinstance(text, str) for text in texts) or not isinstance(rollback, Mapping):
        raise TypeError(meta)
    return {**meta, "format": int(meta["format"])}


def decode_rollback(raw: Json) -> Rollback | None:
    """Read the hold of a rollback; fields that a newer mlgit adds are ignored."""
    return Rollback(**{field.name: str(raw.get(field.name, "")) for field in fields(Rollback)}) if raw else None


def decode_rewritten(raw: Json) -> tuple[tuple[str, str], ...]:
    """Read the pairs of rewritten source commits; what is no pair of texts is left out."""
    pairs = raw if isinstance(raw, list) else []
    return tuple((pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and list(map(type, pair)) == [str, str])


def encode_json(value: Json) -> bytes:
    """Write JSON as the state keeps it: the same value gives the same bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _load_json(raw: bytes) -> Json:
    """Return the value of JSON; raise ValueError for what mlgit never writes: deep nesting, half a surrogate pair."""
    value: Json = json.loads(raw)
    if b"\\ud" in raw.lower():
        json.dumps(value, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError
    if raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH:
        _check_depth(value)
    return value


def _check_depth(value: Json) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        containers = [item if type(item) is list else item.values() for item in level if type(item) in (dict, list)]
        level = list(chain.from_iterable(containers))
        if not level:
            return
    raise ValueError(level)


def _non_default_fields(value: Record | Run) -> Iterator[tuple[str, Any]]:
    """Yield the fields that differ from their default, with their values."""
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if (content := getattr(value, field.name)) != default:
            yield field.name, content


def _to_json(value: Any) -> Json:
    match value:
        case Address():
            return str(value)
        case Handle() | Condition() | Intent():
            return value.to_json()
        case ResolvedReference():
            reference = {"address": str(value.address), "version": value.version, "fingerprint": value.fingerprint}
            return reference | ({"output": value.output, "path": value.path} if value.output else {})
        case Mapping():
            return {name: _to_json(item) for name, item in value.items()}
        case list() | tuple():
            return [_to_json(item) for item in value]
    return value


def _decode_object(object_type: type[Handle | Condition | Intent], document: Json) -> Handle | Condition | Intent:
    """Return a handle, a condition or an intent; raise TypeError if a field has another type than declared."""
    value = object_type.from_json(document)
    for field in fields(value):
        field_type = Mapping if field.name in ("data", "result", "settings") else str
        if not isinstance(getattr(value, field.name), field_type):
            raise TypeError(field.name)
    return value


def _as_text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _decode_fields(record_type: type[Record | Run], content: dict[str, Json]) -> dict[str, Any]:
    names = _FIELD_NAMES[record_type]
    decoded: dict[str, Any] = {name: value for name, value in content.items() if name in names}
    decoded["address"] = parse_address(decoded["address"])
    decoded["references"] = {
        pointer: ResolvedReference(
            parse_address(reference["address"]),
            **{name: _as_text(reference[name]) for name in (_REFERENCE_FIELDS - {"address"}) & reference.keys()},
        )
        for pointer, reference in decoded.get("references", {}).items()
    }
    decoded |= {name: _decode_object(type_, decoded[name]) for name, type_ in _OBJECT_FIELDS.items() if name in decoded}
    decoded["extra"] = {name: value for name, value in content.items() if name not in names}
    decoded |= {name: tuple(decoded[name]) for name in _TUPLE_FIELDS & decoded.keys()}
    return decoded
