"""A schema with all that it refers to, as one document: what editors and other tools take on its own.

The schemas share their parts through relative references to each other's files. Few editors follow those, so every
part that is reached is moved under ``$defs`` of the one document and every reference is made to point there.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urldefrag, urljoin

from reconciler.format.pointers import escape_key, find_value, split_pointer
from reconciler.model import Json

_SCHEMA_SUFFIX = ".schema.json"
# Below these keywords stand schemas by names of the user's, so that a name never looks like a keyword ...
_SCHEMA_MAP_KEYWORDS = {"properties", "patternProperties", "dependentSchemas"}
# ... and below these stand values, which are no schemas, whatever they look like.
_VALUE_KEYWORDS = {"const", "enum", "default", "examples"}
_FILE_KEYWORDS = {"$schema", "$id", "$defs"}


def bundle_schema(root: str, resources: Mapping[str, Json]) -> Json:
    """Return the schema whose ``$id`` is ``root`` with all it reaches in ``resources``; KeyError where a part lacks."""
    return _SchemaBundler(root, resources).bundle()


class _SchemaBundler:
    """Moves parts under the names they get; a part that refers to itself is moved once."""

    def __init__(self, root: str, resources: Mapping[str, Json]) -> None:
        self._root = root
        self._resources = resources
        self._names: dict[str, str] = {}  # a part's full reference -> its name under $defs
        self._parts: dict[str, Json] = {}

    def bundle(self) -> Json:
        whole = self._resources[self._root]
        kept = {key: each for key, each in self._rewrite_schema(whole, self._root).items() if key != "$defs"}
        head = {key: whole[key] for key in ("$schema", "$id") if key in whole}
        defs = {"$defs": dict(sorted(self._parts.items()))} if self._parts else {}
        return head | kept | defs

    def _rewrite_schema(self, schema: Json, base: str) -> Json:
        """Return a schema that stands in the file ``base`` as it stands in the bundle."""
        if not isinstance(schema, dict):
            return schema
        return {
            key: self._rewrite_keyword(key, each, base) for key, each in schema.items() if key not in _FILE_KEYWORDS
        }

    def _rewrite_keyword(self, key: str, value: Json, base: str) -> Json:
        if key == "$ref":
            return self._rewrite_reference(urljoin(base, value))
        if key in _VALUE_KEYWORDS:
            return value
        if key in _SCHEMA_MAP_KEYWORDS:
            return {name: self._rewrite_schema(each, base) for name, each in value.items()}
        if isinstance(value, list):
            return [self._rewrite_schema(each, base) for each in value]
        return self._rewrite_schema(value, base)

    def _rewrite_reference(self, target: str) -> str:
        base, pointer = urldefrag(target)
        if (base, pointer) == (self._root, ""):
            return "#"
        full = f"{base}#{pointer}"
        if full not in self._names:
            name = self._names[full] = self._definition_name(base, pointer)
            self._parts[name] = {}  # taken, while the part refers to itself
            part = find_value(self._resources[base], split_pointer(pointer))
            if part is None:
                raise KeyError(full)
            self._parts[name] = self._rewrite_schema(part, base)
        return f"#/$defs/{escape_key(self._names[full])}"

    def _definition_name(self, base: str, pointer: str) -> str:
        """Name a part by its file and its place there: ``job.pipeline``, ``defs.values.tags``."""
        file = base.removeprefix(urljoin(self._root, ".")).removesuffix(_SCHEMA_SUFFIX)
        name = ".".join([*file.split("/"), *(part for part in split_pointer(pointer) if part != "$defs")])
        return name if name not in self._parts else f"{name}.{len(self._parts)}"


def schema_property_names(bundled: Json) -> tuple[str, ...]:
    """Return the fields that a bundled schema knows at its top, in all its branches, in the order they are written."""
    found: dict[str, None] = {}
    seen: set[str] = set()

    def collect(schema: Json) -> None:
        if not isinstance(schema, dict):
            return
        reference = schema.get("$ref")
        if reference is not None and reference not in seen:
            seen.add(reference)
            collect(find_value(bundled, split_pointer(reference.removeprefix("#"))))
        found.update(dict.fromkeys(schema.get("properties", ())))
        for part in _subschemas(schema):
            collect(part)

    collect(bundled)
    return tuple(found)


def _subschemas(schema: Mapping[str, Json]) -> list[Json]:
    lists = [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ())]
    return [*lists, schema.get("then"), schema.get("else")]
