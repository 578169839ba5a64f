"""Validation of documents against the JSON schema of their kind.

jsonschema-rs validates in microseconds. Only for an invalid document ``schema_errors`` is imported, by name, to explain
the errors; a test checks that both validators agree.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache

import jsonschema_rs

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.model import Json


@cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(list(load_schemas().items()))


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    linear = jsonschema_rs.RegexOptions()  # linear time for any text, and faster to compile than look-around patterns
    return jsonschema_rs.Draft202012Validator(
        load_schemas()[schema_id(name)], registry=_registry(), pattern_options=linear
    )


def is_valid_for_schema(data: Json, name: str) -> bool:
    """Return True if a value satisfies the schema of that name."""
    return _validator(name).is_valid(data)


def compile_schemas(names: Iterable[str]) -> None:
    """Compile schemas in advance, so that forked processes do not each compile them."""
    for name in names:
        _validator(name)


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
