"""Records and runs as JSON and back; what a newer mlgit wrote into one is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from reconciler.model import Address, Json, Record, ResolvedReference, Rollback, Run, RunStatus

_FIELD_NAMES = {of: frozenset(field.name for field in fields(of)) for of in (Record, Run)}
_REFERENCE_FIELDS = {field.name for field in fields(ResolvedReference)}  # what a newer mlgit adds is left out
_TUPLE_FIELDS = {"unfinished", "formerly"}
_FIELD_TYPES = {"str": str, "int": int, "bool": bool, "Spec": Mapping, "Mapping": Mapping, "tuple": tuple}
_T = TypeVar("_T", Record, Run)


def decode_address(text: str) -> Address:
    """Read ``kind/name``; the name may hold further slashes."""
    kind, _, name = text.partition("/")
    return Address(kind, name)


def encode_record(value: Record | Run) -> bytes:
    """Write a record or a run: sorted keys, one to a line, what is not set left out."""
    return encode_json(
        {**value.extra, **{name: _to_json(field) for name, field in _non_default_fields(value) if name != "extra"}}
    )


def decode_record(raw: bytes) -> Record:
    """Read a record."""
    return _check_field_types(Record(**_decode_fields(Record, json.loads(raw))))


def decode_run(raw: bytes) -> Run:
    """Read a run."""
    found = _decode_fields(Run, json.loads(raw))
    return _check_field_types(Run(**{**found, "status": RunStatus(found["status"])}))


def decode_meta(raw: bytes) -> dict[str, Json]:
    """Read what the state says of itself: its lineage and its format at least."""
    found: dict[str, Json] = json.loads(raw)
    texts = (found["lineage"], found.get("applied", ""), found.get("store", ""))
    held = found.get("held") or {}
    if not all(isinstance(text, str) for text in texts) or not isinstance(held, Mapping):
        raise TypeError(found)
    return {**found, "format": int(found["format"])}


def decode_rollback(raw: Json) -> Rollback | None:
    """Read what a rollback keeps from being applied; what a newer mlgit adds to it is left out."""
    return Rollback(**{field.name: str(raw.get(field.name, "")) for field in fields(Rollback)}) if raw else None


def encode_json(value: Json) -> bytes:
    """Write JSON as the state keeps it: the same value gives the same bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _non_default_fields(value: Record | Run) -> Iterator[tuple[str, Any]]:
    """Yield the fields that have another value than they would have by themselves."""
    for field in fields(value):
        unset = field.default if field.default_factory is MISSING else field.default_factory()
        if (found := getattr(value, field.name)) != unset:
            yield field.name, found


def _check_field_types(value: _T) -> _T:
    """Return a record or a run whose fields are what they are said to be; a TypeError otherwise."""
    for field in fields(value):
        wanted = _FIELD_TYPES.get(str(field.type).partition("[")[0])
        if wanted and not isinstance(getattr(value, field.name), wanted):
            raise TypeError(field.name)
    return value


def _to_json(value: Any) -> Json:
    match value:
        case Address():
            return str(value)
        case ResolvedReference():
            found = {"address": str(value.address), "version": value.version, "fingerprint": value.fingerprint}
            return found | ({"output": value.output, "path": value.path} if value.output else {})
        case Mapping():
            return {name: _to_json(each) for name, each in value.items()}
        case list() | tuple():
            return [_to_json(each) for each in value]
    return value


def _decode_fields(of: type[Record | Run], raw: dict[str, Json]) -> dict[str, Any]:
    names = _FIELD_NAMES[of]
    found: dict[str, Any] = {name: each for name, each in raw.items() if name in names}
    found["address"] = decode_address(found["address"])
    found["references"] = {
        pointer: ResolvedReference(
            **{name: each[name] for name in _REFERENCE_FIELDS & each.keys()}
            | {"address": decode_address(each["address"])}
        )
        for pointer, each in found.get("references", {}).items()
    }
    found["extra"] = {name: each for name, each in raw.items() if name not in names}
    found |= {name: tuple(found[name]) for name in _TUPLE_FIELDS & found.keys()}
    return found
