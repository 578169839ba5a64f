"""Validation of documents against the JSON schema of their kind.

jsonschema-rs validates in microseconds; it is imported by name, with the first document. Only for an invalid document
``schema_errors`` is imported, by name, to explain the errors; a test checks that both validators agree.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.schema_files import load_referenced_schemas, load_schema, load_schemas, schema_id
from reconciler.model import Json

_BRANCH_KEYS = {"$comment", "if", "then"}  # of a branch that says nothing of documents that its condition leaves out
_whole_validators: dict[str, Any] = {}  # of the schemas that were compiled in advance


def compile_schemas(names: Iterable[str]) -> None:
    """Compile whole schemas in advance, for many documents: faster than by branch, and once for all processes."""
    schemas = load_schemas()
    registry = _make_registry(schemas)
    for name in names:
        _whole_validators[name] = _compile(schemas[schema_id(name)], registry)


@cache
def _validator(name: str, branches: tuple[int, ...]) -> Any:
    """Return the validator of the documents that choose these branches of a schema, and no others."""
    schema = load_schema(schema_id(name))
    chosen = [schema["allOf"][index] for index in branches]
    part = {**schema, "allOf": chosen} if chosen else {key: schema[key] for key in schema if key != "allOf"}
    return _compile(part, _registry_for(part))


def _compile(schema: Json, registry: Any) -> Any:
    jsonschema_rs = importlib.import_module("jsonschema_rs")
    linear = jsonschema_rs.RegexOptions()  # linear time for any text, and faster to compile than look-around patterns
    return jsonschema_rs.Draft202012Validator(schema, registry=registry, pattern_options=linear)


def _registry_for(schema: Json) -> Any:
    return _registry(frozenset(load_referenced_schemas(schema)))


@cache
def _registry(schema_ids: frozenset[str]) -> Any:
    return _make_registry({name: load_schema(name) for name in schema_ids})


def _make_registry(schemas: Mapping[str, Json]) -> Any:
    importlib.import_module("decimal")  # if there is no memory for it, this raises an error; jsonschema-rs would panic
    return importlib.import_module("jsonschema_rs").Registry(list(schemas.items()))


@cache
def _branch_conditions(name: str) -> tuple[Callable[[Json], bool], ...]:
    """Return the condition of each branch of a schema as a function; all documents choose one without condition.

    Most schemas have a branch for each ``type``. Compiling all of those of a job takes ten times as long as one.
    """
    schema = load_schema(schema_id(name))
    conditions = (branch["if"] if branch.keys() <= _BRANCH_KEYS else True for branch in schema.get("allOf", ()))
    header = {key: schema[key] for key in ("$schema", "$id") if key in schema}
    return tuple(_make_condition(condition, header) for condition in conditions)


def _make_condition(condition: Json, header: Mapping[str, Json]) -> Callable[[Json], bool]:
    """Return a condition as a function; one that a field has a certain text needs no validator."""
    match condition:
        case {"type": "object", "required": [str(field)], "properties": dict(properties), **rest} if not rest:
            constant = properties.get(field, {}).get("const")
            if properties == {field: {"const": constant}} and isinstance(constant, str):
                return lambda data: isinstance(data, dict) and data.get(field) == constant
    schema = {**header, "allOf": [condition]}
    is_valid: Callable[[Json], bool] = _compile(schema, _registry_for(schema)).is_valid
    return is_valid


def is_valid_for_schema(data: Json, name: str) -> bool:
    """Return True if a value satisfies the schema of that name."""
    if name in _whole_validators:
        return bool(_whole_validators[name].is_valid(data))
    conditions = _branch_conditions(name)
    branches = tuple(index for index, condition in enumerate(conditions) if condition(data))
    return bool(_validator(name, branches).is_valid(data))


def check_against_schema(document: Document, name: str) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of a document against the schema of that name."""
    if is_valid_for_schema(document.data, name):
        return ()
    schema_errors = importlib.import_module("reconciler.format.schema_errors")
    diagnostics: tuple[Diagnostic, ...] = schema_errors.explain_errors(document, schema_errors.schema_validator(name))
    if diagnostics:
        return diagnostics
    # If the validators disagree, the file is still invalid.
    return (Diagnostic("wrong-value", f"the file does not match the {name} schema", document.key_span("")),)


def are_settings_valid(settings: Mapping[str, Json], schema: Mapping[str, Json], common: Iterable[str]) -> bool:
    """Return True if settings are as the schema of a plug-in says; see `check_settings`."""
    is_valid: bool = importlib.import_module("jsonschema_rs").is_valid(_with_common(schema, common), settings)
    return is_valid


def _with_common(schema: Mapping[str, Json], common: Iterable[str]) -> dict[str, Json]:
    return {**schema, "properties": {**dict.fromkeys(common, True), **schema.get("properties", {})}}


def check_settings(
    document: Document, path: Sequence[str], schema: Mapping[str, Json], common: Iterable[str]
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of a block of a document against the schema that a plug-in has for it.

    ``common`` are the settings that every plug-in has, which the schema of the document checks.
    """
    if not schema:
        return ()
    nested: Json = _with_common(schema, common)
    for key in reversed(path):
        nested = {"properties": {key: nested}}
    if importlib.import_module("jsonschema_rs").is_valid(nested, document.data):
        return ()
    schema_errors = importlib.import_module("reconciler.format.schema_errors")
    diagnostics: tuple[Diagnostic, ...] = schema_errors.explain_errors(
        document, schema_errors.settings_validator(nested)
    )
    return diagnostics
