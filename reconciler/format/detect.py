"""Detect the kind of a document: by its ``$schema``, else by its keys, else by keys that resemble those of a kind.

Files may have no ``$schema``, or a typo in the key that identifies the kind. A document that resembles no kind is not
an asset, such as a conda file, a workflow or a chart.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import urljoin

from reconciler.format.kind import Kind
from reconciler.format.kinds import kinds
from reconciler.format.pointers import find_value, split_pointer
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.model import Json

PROMPTFLOW = "promptflow"  # flows have a schema of Azure ML, but are not assets
_TYPO_CUTOFF = 0.75  # the least similarity of a mistyped key and its original
_MIN_SCORE = 1.0  # of similar keys; a key that n kinds have counts 1/n


def detect_kind(data: Json) -> Kind | None:
    """Return the kind of a document, or None if it is not an asset."""
    if not isinstance(data, dict):
        return None
    schema = data.get("$schema")
    if isinstance(schema, str):
        return _kind_of_schema_url(schema.lower())
    kind = max(kinds().values(), key=lambda kind: kind.match_score(data))
    if kind.match_score(data) and not _has_foreign_keys(data, kind):
        return kind
    return _kind_by_similarity(frozenset(data))


def _has_foreign_keys(data: Json, kind: Kind) -> bool:
    """Return True if a file has keys of a kind by chance: many others are unknown, or its image is not a name."""
    unknown = data.keys() - _fields_by_kind()[kind.name]
    return (len(unknown) > 1 and 2 * len(unknown) >= len(data)) or isinstance(data.get("image"), dict)


@cache
def _kind_of_schema_url(url: str) -> Kind | None:
    """Return the kind of a ``$schema`` URL, given in lower case."""
    if "azureml" not in url or PROMPTFLOW in url:
        return None
    name = url.rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".schema")
    return next((kind for kind in kinds().values() if re.fullmatch(kind.schema_pattern, name)), None)


@cache
def _kind_by_similarity(keys: frozenset[str]) -> Kind | None:
    """Return the kind that has all of the keys, except for one typo, if they identify it well enough."""
    scored = [
        (score, name)
        for name, fields in _fields_by_kind().items()
        if (score := _similarity_score(keys, fields)) >= _MIN_SCORE
    ]
    return kinds()[max(scored)[1]] if scored else None


def _similarity_score(keys: frozenset[str], fields: frozenset[str]) -> float:
    unknown = keys - fields
    originals = [match for key in unknown for match in difflib.get_close_matches(key, fields, 1, _TYPO_CUTOFF)]
    if len(unknown) > 1 or len(originals) < len(unknown) or unknown & _kind_counts_by_field().keys():
        return 0
    return sum(1 / _kind_counts_by_field()[key] for key in (*(keys & fields), *originals))


@cache
def _fields_by_kind() -> Mapping[str, frozenset[str]]:
    """Return the top-level fields of every kind, in all branches of its schema."""
    return {name: frozenset(_schema_properties(load_schemas()[schema_id(name)], schema_id(name))) for name in kinds()}


@cache
def _kind_counts_by_field() -> Mapping[str, int]:
    """Return the number of kinds that have each field."""
    return {
        key: sum(key in fields for fields in _fields_by_kind().values())
        for fields in _fields_by_kind().values()
        for key in fields
    }


def _schema_properties(schema: Json, file: str) -> Iterator[str]:
    """Yield the top-level fields of a schema, in all its branches."""
    if not isinstance(schema, Mapping):
        return
    yield from schema.get("properties", {})
    if isinstance(reference := schema.get("$ref"), str):
        url, _, pointer = reference.partition("#")
        target = urljoin(file, url) if url else file
        yield from _schema_properties(find_value(load_schemas()[target], split_pointer(pointer)), target)
    for branch in (*schema.get("allOf", ()), *schema.get("anyOf", ()), schema.get("then"), schema.get("else")):
        yield from _schema_properties(branch, file)
