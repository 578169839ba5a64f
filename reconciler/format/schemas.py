"""The JSON schemas, and whether a document satisfies the one of its kind.

jsonschema-rs decides, in microseconds; what does not satisfy is explained by ``explain``, which is loaded by name and
only then. A test holds that the two agree.
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
    linear = jsonschema_rs.RegexOptions()  # in time, whatever the text; and compiled sooner than what looks around
    return jsonschema_rs.Draft202012Validator(
        load_schemas()[schema_id(name)], registry=_registry(), pattern_options=linear
    )


def is_valid_for_schema(data: Json, name: str) -> bool:
    """Tell whether a value satisfies the schema of that name."""
    return _validator(name).is_valid(data)


def compile_schemas(names: Iterable[str]) -> None:
    """Compile schemas beforehand: worth it before processes part, each of which would have to."""
    for name in names:
        _validator(name)


def check_against_schema(document: Document, name: str) -> tuple[Diagnostic, ...]:
    """Say everything in which a document departs from the schema of that name."""
    if is_valid_for_schema(document.data, name):
        return ()
    found: tuple[Diagnostic, ...] = importlib.import_module("reconciler.format.schema_errors").explain_schema_errors(
        document, name
    )
    # Should the two ever disagree, what the first refused is refused still.
    return found or (
        Diagnostic("wrong-value", f"the file is not what the schema of {name} describes", document.key_span("")),
    )
