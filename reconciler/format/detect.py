"""Of which kind a document is: by its ``$schema``, else by its keys, else by what its keys resemble.

Files come without a ``$schema``, and with a typo in the very key that would tell them. What resembles no kind is not
an asset: conda files, workflows, charts and the like are left alone.
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

PROMPTFLOW = "promptflow"  # its flows have schemas of Azure ML, and are no assets
_TYPO_CUTOFF = 0.75  # how alike a mistyped key and its original are, at least
_MIN_SCORE = 1.0  # how telling the keys of a file are, at least; a key that n kinds have counts 1/n


def detect_kind(data: Json) -> Kind | None:
    """Return the kind of a document; None where it is none of ours."""
    if not isinstance(data, dict):
        return None
    schema = data.get("$schema")
    if isinstance(schema, str):
        return _kind_of_schema_url(schema.lower())
    sure, kind = max(((kind.match_score(data), kind) for kind in kinds().values()), key=lambda each: each[0])
    if sure and not _has_foreign_keys(data, kind):
        return kind
    return _kind_by_similarity(frozenset(data))


def _has_foreign_keys(data: Json, kind: Kind) -> bool:
    """Tell a file that has a few keys of a kind by chance: many of its keys are none, or its image is no name."""
    strange = data.keys() - _fields_by_kind()[kind.name]
    return (len(strange) > 1 and 2 * len(strange) >= len(data)) or isinstance(data.get("image"), dict)


@cache
def _kind_of_schema_url(url: str) -> Kind | None:
    """Return the kind of what has a ``$schema``, given in lower case."""
    if "azureml" not in url or PROMPTFLOW in url:
        return None
    name = url.rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".schema")
    return next((kind for kind in kinds().values() if re.fullmatch(kind.schema_pattern, name)), None)


@cache
def _kind_by_similarity(keys: frozenset[str]) -> Kind | None:
    """Return the kind that knows all of the keys, one typo aside, if they tell enough."""
    scored = [
        (score, name)
        for name, fields in _fields_by_kind().items()
        if (score := _similarity_score(keys, fields)) >= _MIN_SCORE
    ]
    return kinds()[max(scored)[1]] if scored else None


def _similarity_score(keys: frozenset[str], fields: frozenset[str]) -> float:
    strange = keys - fields
    meant = [match for each in strange for match in difflib.get_close_matches(each, fields, 1, _TYPO_CUTOFF)]
    if len(strange) > 1 or len(meant) < len(strange) or strange & _kind_counts_by_field().keys():
        return 0
    return sum(1 / _kind_counts_by_field()[key] for key in (*(keys & fields), *meant))


@cache
def _fields_by_kind() -> Mapping[str, frozenset[str]]:
    """Return the top-level fields of every kind, of all its forms."""
    return {name: frozenset(_schema_properties(load_schemas()[schema_id(name)], schema_id(name))) for name in kinds()}


@cache
def _kind_counts_by_field() -> Mapping[str, int]:
    """Return how many kinds have a field of each name."""
    return {
        key: sum(key in fields for fields in _fields_by_kind().values())
        for fields in _fields_by_kind().values()
        for key in fields
    }


def _schema_properties(schema: Json, file: str) -> Iterator[str]:
    """Yield the fields that a schema knows at its top level, in all the forms that it tells apart."""
    if not isinstance(schema, Mapping):
        return
    yield from schema.get("properties", {})
    if isinstance(reference := schema.get("$ref"), str):
        where, _, pointer = reference.partition("#")
        target = urljoin(file, where) if where else file
        yield from _schema_properties(find_value(load_schemas()[target], split_pointer(pointer)), target)
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), schema.get("then"), schema.get("else")):
        yield from _schema_properties(part, file)
