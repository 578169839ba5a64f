"""The configurations that the local cache remembers, by the content of mlgit.yml: without them YAML need not be parsed.

Only a configuration without diagnostics is remembered; one with diagnostics is parsed anew, to report them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any, NamedTuple

from reconciler.config.config import Config
from reconciler.config.moved import Rename
from reconciler.diagnostics import Span
from reconciler.format.include import IncludeGlob
from reconciler.model import Address, ReuseTarget
from reconciler.model.secret_bindings import SecretBinding
from reconciler.source.cache import Cache
from reconciler.source.parsed_file import DECODE_ERRORS


class CachedConfig(NamedTuple):
    """The configuration of one target, and the folders of the stores of all targets."""

    config: Config
    store_paths: tuple[str, ...]


def find_config(cache: Cache, raw: bytes, target: str) -> CachedConfig | None:
    """Return the configuration of the content of mlgit.yml, None if it is not remembered."""
    value = cache.find_entry(_entry_key(raw, target))
    with suppress(*DECODE_ERRORS, KeyError):
        return _decode(json.loads(value)) if value else None
    return None


def remember_config(cache: Cache, raw: bytes, target: str, cached: CachedConfig) -> None:
    """Remember the configuration of the content of mlgit.yml."""
    value = {"config": cached.config._asdict(), "store_paths": cached.store_paths}
    cache.store_entries({_entry_key(raw, target): json.dumps(value, default=_to_json)})


def _entry_key(raw: bytes, target: str) -> str:
    return hashlib.sha256(json.dumps(["config", target]).encode() + raw).hexdigest()


def _field_values(value: Any) -> Mapping[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _to_json(value: Any) -> Any:
    """Return the JSON of a value that the encoder does not know: a mapping that is no dict, or a dataclass."""
    return dict(value) if isinstance(value, Mapping) else _field_values(value)


def _decode(value: Mapping[str, Any]) -> CachedConfig:
    values = value["config"]
    values["mirrors"] = _to_pairs(values["mirrors"])
    values["imports"] = {glob: tuple(names) for glob, names in values["imports"].items()}
    values["include"] = tuple(_decode_glob(*glob) for glob in values["include"])
    values["protect_spans"] = tuple(Span(**span) for span in values["protect_spans"])
    values["lock_spans"] = {address: Span(**span) for address, span in values["lock_spans"].items()}
    values["reuse_from"] = tuple(ReuseTarget(*row) for row in values["reuse_from"])
    values["secrets"] = tuple(
        SecretBinding(name, source, *map(tuple, rest)) for name, source, *rest in values["secrets"]
    )
    values["moved"] = tuple(_decode_rename(*rename) for rename in values["moved"])
    values.update({name: tuple(values[name]) for name in ("exclude", "protect", "targets")})
    return CachedConfig(Config(**values), _to_texts(value["store_paths"]))


def _decode_glob(pattern: str, runs_on_change: bool, kind: str, mirrors: Any) -> IncludeGlob:  # noqa: FBT001 - a field
    return IncludeGlob(pattern, runs_on_change, kind, _to_pairs(mirrors))


def _decode_rename(old: Any, new: Any, span: Any) -> Rename:
    return Rename(Address(**old), Address(**new), Span(**span) if span else None)


def _to_pairs(rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(first), str(second)) for first, second in rows)


def _to_texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(map(str, values))
