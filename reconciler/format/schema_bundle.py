"""Bundle a schema with everything it refers to into one document, for editors and other tools.

The schemas refer to parts of each other's files, which few editors follow. The bundle has each part under ``$defs``
and every reference points there.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urldefrag, urljoin

from reconciler.format.pointers import escape_key, find_value, split_pointer
from reconciler.model import Json

_SCHEMA_SUFFIX = ".schema.json"
# The keys below these keywords are names of fields, never keywords.
_SCHEMA_MAP_KEYWORDS = {"properties", "patternProperties", "dependentSchemas"}
# The content of these keywords is a value, never a schema.
_VALUE_KEYWORDS = {"const", "enum", "default", "examples"}
_FILE_KEYWORDS = {"$schema", "$id", "$defs"}


def bundle_schema(root: str, resources: Mapping[str, Json]) -> Json:
    """Return the schema whose ``$id`` is ``root``, bundled; raise KeyError if ``resources`` lacks a part."""
    return _SchemaBundler(root, resources).bundle()


class _SchemaBundler:
    """Moves each referenced part under ``$defs`` once, also if it refers to itself."""

    def __init__(self, root: str, resources: Mapping[str, Json]) -> None:
        self._root = root
        self._resources = resources
        self._names: dict[str, str] = {}  # a part's full reference -> its name under $defs
        self._parts: dict[str, Json] = {}

    def bundle(self) -> Json:
        root = self._resources[self._root]
        header = {key: root[key] for key in ("$schema", "$id") if key in root}
        body = self._rewrite_schema(root, self._root)
        definitions = {"$defs": dict(sorted(self._parts.items()))} if self._parts else {}
        return header | body | definitions

    def _rewrite_schema(self, schema: Json, base: str) -> Json:
        """Return a schema of the file ``base`` with its references pointing into the bundle."""
        if not isinstance(schema, dict):
            return schema
        return {
            key: self._rewrite_keyword(key, value, base) for key, value in schema.items() if key not in _FILE_KEYWORDS
        }

    def _rewrite_keyword(self, key: str, value: Json, base: str) -> Json:
        if key == "$ref":
            return self._rewrite_reference(urljoin(base, value))
        if key in _VALUE_KEYWORDS:
            return value
        if key in _SCHEMA_MAP_KEYWORDS:
            return {name: self._rewrite_schema(schema, base) for name, schema in value.items()}
        if isinstance(value, list):
            return [self._rewrite_schema(schema, base) for schema in value]
        return self._rewrite_schema(value, base)

    def _rewrite_reference(self, target: str) -> str:
        base, pointer = urldefrag(target)
        if (base, pointer) == (self._root, ""):
            return "#"
        full = f"{base}#{pointer}"
        if full not in self._names:
            name = self._names[full] = self._definition_name(base, pointer)
            self._parts[name] = {}  # reserves the name: the part may refer to itself
            part = find_value(self._resources[base], split_pointer(pointer))
            if part is None:
                raise KeyError(full)
            self._parts[name] = self._rewrite_schema(part, base)
        return f"#/$defs/{escape_key(self._names[full])}"

    def _definition_name(self, base: str, pointer: str) -> str:
        """Return the name of a part, from its file and pointer: ``job.pipeline``, ``defs.values.tags``."""
        file = base.removeprefix(urljoin(self._root, ".")).removesuffix(_SCHEMA_SUFFIX)
        name = ".".join([*file.split("/"), *(part for part in split_pointer(pointer) if part != "$defs")])
        return name if name not in self._parts else f"{name}.{len(self._parts)}"


def schema_property_names(bundled: Json) -> tuple[str, ...]:
    """Return the top-level fields of a bundled schema in all its branches, in the order of the schema."""
    names: dict[str, None] = {}
    visited: set[str] = set()

    def collect(schema: Json) -> None:
        if not isinstance(schema, dict):
            return
        reference = schema.get("$ref")
        if reference is not None and reference not in visited:
            visited.add(reference)
            collect(find_value(bundled, split_pointer(reference.removeprefix("#"))))
        names.update(dict.fromkeys(schema.get("properties", ())))
        for subschema in _subschemas(schema):
            collect(subschema)

    collect(bundled)
    return tuple(names)


def _subschemas(schema: Mapping[str, Json]) -> list[Json]:
    branches = [branch for key in ("allOf", "anyOf", "oneOf") for branch in schema.get(key, ())]
    return [*branches, schema.get("then"), schema.get("else")]
