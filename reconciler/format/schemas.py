"""Validation of documents against the JSON schema of their kind.

jsonschema-rs validates in microseconds; it is imported by name, with the first document. Only for an invalid document
``schema_errors`` is imported, by name, to explain the errors; a test checks that both validators agree.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.schema_files import load_referenced_schemas, load_schema, schema_id
from reconciler.model import Json

_BRANCH_KEYS = {"$comment", "if", "then"}  # of a branch that says nothing of documents that its condition leaves out


@cache
def _validator(name: str, branches: tuple[int, ...]) -> Any:
    """Return the validator of the documents that choose these branches of a schema, and no others."""
    schema = load_schema(schema_id(name))
    chosen = [schema["allOf"][index] for index in branches]
    return _compile({**schema, "allOf": chosen} if chosen else {key: schema[key] for key in schema if key != "allOf"})


def _compile(schema: Json) -> Any:
    jsonschema_rs = importlib.import_module("jsonschema_rs")
    linear = jsonschema_rs.RegexOptions()  # linear time for any text, and faster to compile than look-around patterns
    registry = _registry(frozenset(load_referenced_schemas(schema)))
    return jsonschema_rs.Draft202012Validator(schema, registry=registry, pattern_options=linear)


@cache
def _registry(schema_ids: frozenset[str]) -> Any:
    return importlib.import_module("jsonschema_rs").Registry([(name, load_schema(name)) for name in schema_ids])


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
    is_valid: Callable[[Json], bool] = _compile({**header, "allOf": [condition]}).is_valid
    return is_valid


def is_valid_for_schema(data: Json, name: str) -> bool:
    """Return True if a value satisfies the schema of that name."""
    conditions = _branch_conditions(name)
    branches = tuple(index for index, condition in enumerate(conditions) if condition(data))
    return bool(_validator(name, branches).is_valid(data))


def compile_schemas(names: Iterable[str]) -> None:
    """Compile schemas in advance, so that forked processes do not each compile them."""
    for name in names:
        _validator(name, ())
        for index in range(len(_branch_conditions(name))):
            _validator(name, (index,))


def check_against_own_schema(document: Document, schema: Json) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of a document against a schema that is no file of the package, such as a plug-in's."""
    header = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": schema_id("plug-in")}
    if _compile({**header, **schema}).is_valid(document.data):
        return ()
    schema_errors = importlib.import_module("reconciler.format.schema_errors")
    diagnostics: tuple[Diagnostic, ...] = schema_errors.explain_schema_errors(document, {**header, **schema})
    return diagnostics


def check_against_schema(document: Document, name: str) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of a document against the schema of that name."""
    if is_valid_for_schema(document.data, name):
        return ()
    schema_errors = importlib.import_module("reconciler.format.schema_errors")
    diagnostics: tuple[Diagnostic, ...] = schema_errors.explain_schema_errors(document, name)
    if diagnostics:
        return diagnostics
    # If the validators disagree, the file is still invalid.
    return (Diagnostic("wrong-value", f"the file does not match the {name} schema", document.key_span("")),)
