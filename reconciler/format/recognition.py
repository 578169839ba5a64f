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
from reconciler.format.pointers import find, split
from reconciler.format.schema_files import documents, identity
from reconciler.model import Json

PROMPTFLOW = "promptflow"  # its flows have schemas of Azure ML, and are no assets
_TYPO = 0.75  # how alike a mistyped key and its original are, at least
_SURE = 1.0  # how telling the keys of a file are, at least; a key that n kinds have counts 1/n


def recognise(data: Json) -> Kind | None:
    """Return the kind of a document; None where it is none of ours."""
    if not isinstance(data, dict):
        return None
    schema = data.get("$schema")
    if isinstance(schema, str):
        return _of_schema(schema.lower())
    sure, kind = max(((kind.claims(data), kind) for kind in kinds().values()), key=lambda each: each[0])
    if sure and not _strange(data, kind):
        return kind
    return _resembled(frozenset(data))


def _strange(data: Json, kind: Kind) -> bool:
    """Tell a file that has a few keys of a kind by chance: many of its keys are none, or its image is no name."""
    strange = data.keys() - _fields()[kind.name]
    return (len(strange) > 1 and 2 * len(strange) >= len(data)) or isinstance(data.get("image"), dict)


@cache
def _of_schema(url: str) -> Kind | None:
    """Return the kind of what has a ``$schema``, given in lower case."""
    if "azureml" not in url or PROMPTFLOW in url:
        return None
    name = url.rstrip("/").rpartition("/")[2].removesuffix(".json").removesuffix(".schema")
    return next((kind for kind in kinds().values() if re.fullmatch(kind.schemas, name)), None)


@cache
def _resembled(keys: frozenset[str]) -> Kind | None:
    """Return the kind that knows all of the keys, one typo aside, if they tell enough."""
    scored = [(score, name) for name, fields in _fields().items() if (score := _score(keys, fields)) >= _SURE]
    return kinds()[max(scored)[1]] if scored else None


def _score(keys: frozenset[str], fields: frozenset[str]) -> float:
    strange = keys - fields
    meant = [match for each in strange for match in difflib.get_close_matches(each, fields, 1, _TYPO)]
    if len(strange) > 1 or len(meant) < len(strange) or strange & _holders().keys():
        return 0
    return sum(1 / _holders()[key] for key in (*(keys & fields), *meant))


@cache
def _fields() -> Mapping[str, frozenset[str]]:
    """Return the top-level fields of every kind, of all its forms."""
    return {name: frozenset(_properties(documents()[identity(name)], identity(name))) for name in kinds()}


@cache
def _holders() -> Mapping[str, int]:
    """Return how many kinds have a field of each name."""
    return {key: sum(key in fields for fields in _fields().values()) for fields in _fields().values() for key in fields}


def _properties(schema: Json, file: str) -> Iterator[str]:
    """Yield the fields that a schema knows at its top level, in all the forms that it tells apart."""
    if not isinstance(schema, Mapping):
        return
    yield from schema.get("properties", {})
    if isinstance(reference := schema.get("$ref"), str):
        where, _, pointer = reference.partition("#")
        target = urljoin(file, where) if where else file
        yield from _properties(find(documents()[target], split(pointer)), target)
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), schema.get("then"), schema.get("else")):
        yield from _properties(part, file)
