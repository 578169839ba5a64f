"""Explain why a document does not satisfy its schema: errors of jsonschema as diagnostics with hints.

``schemas`` imports this module by name, and only for an invalid document: importing jsonschema is slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.pointers import escape_key, join_pointer
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.schema_hints import (
    TYPE_NAMES,
    constraint_message,
    date_text,
    field_hint,
    format_value,
    name_hint,
    type_hint,
    value_hint,
)
from reconciler.format.suggest import closest_name, did_you_mean
from reconciler.model import Json


@cache
def _registry() -> Registry[Json]:
    # Without $schema, by which jsonschema would take its own validator for what another schema refers to.
    return Registry().with_resources(
        (url, DRAFT202012.create_resource({key: value for key, value in schema.items() if key != "$schema"}))
        for url, schema in load_schemas().items()
    )


def _validate_pattern(_: object, pattern: str, instance: Json, __: object) -> Iterator[ValidationError]:
    """Match a pattern as JSON Schema does: Python's ``$`` also matches before a trailing line break."""
    if isinstance(instance, str) and not re.search(_anchor_end_of_string(pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@cache
def _anchor_end_of_string(pattern: str) -> str:
    return re.sub(r"\\.|\$", lambda match: r"\Z" if match[0] == "$" else match[0], pattern)


_Validator = extend(Draft202012Validator, {"pattern": _validate_pattern})  # type: ignore[no-untyped-call] # comes without types


@cache
def schema_validator(name: str) -> Draft202012Validator:
    """Return the jsonschema validator of the schema of that name."""
    validator: Draft202012Validator = _Validator(load_schemas()[schema_id(name)], registry=_registry())
    return validator


def settings_validator(schema: Json) -> Draft202012Validator:
    """Return the jsonschema validator of a schema that refers to no other."""
    validator: Draft202012Validator = _Validator(schema)
    return validator


def explain_errors(document: Document, validator: Draft202012Validator) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of a document against the schema of a validator, in the order of the file."""
    errors = list(validator.iter_errors(document.data))
    mistyped = _pair_mistyped_keys(errors)
    unique = dict.fromkeys(diagnostic for error in errors for diagnostic in _explain_error(document, error, mistyped))
    return tuple(
        sorted(
            unique, key=lambda diagnostic: (diagnostic.span.line, diagnostic.span.column) if diagnostic.span else (0, 0)
        )
    )


MistypedKeys = Mapping[tuple[str, str], str]  # (pointer of the mapping, mistyped key) -> the required key


def _pair_mistyped_keys(errors: Iterable[ValidationError]) -> MistypedKeys:
    """Pair unknown keys with similar missing keys of the same mapping, to report a mistyped key once."""
    missing: dict[str, set[str]] = {}
    unknown: dict[str, set[str]] = {}
    for error in errors:
        if error.validator in _MISSING_FIELD_KEYWORDS:
            missing.setdefault(_error_pointer(error), set()).update(_missing_keys(error))
        elif error.validator in _UNKNOWN_FIELD_KEYWORDS:
            unknown.setdefault(_error_pointer(error), set()).update(_unknown_keys(error))
    return {
        (pointer, name): required
        for pointer, names in unknown.items()
        for name in sorted(names)
        if (required := closest_name(name, missing.get(pointer, ())))
    }


def _explain_error(document: Document, error: ValidationError, mistyped: MistypedKeys) -> Iterator[Diagnostic]:
    if error.validator in _UNKNOWN_FIELD_KEYWORDS:
        yield from _explain_unknown_fields(document, error, mistyped)
    elif error.validator in _MISSING_FIELD_KEYWORDS:
        yield from _explain_missing_fields(document, error, mistyped)
    elif error.validator in {"anyOf", "oneOf"} and error.context:
        yield from _explain_error(document, _deepest_error(error.context), mistyped)
    else:
        yield _explain_wrong_value(document, error)


def _explain_wrong_value(document: Document, error: ValidationError) -> Diagnostic:
    """Return the diagnostic for a value that is invalid or not allowed."""
    pointer = _error_pointer(error)
    if "propertyNames" in error.absolute_schema_path:
        span = document.key_span(f"{pointer}/{escape_key(str(error.instance))}")
        return Diagnostic(
            "name-illegal", _constraint_message(error), span, name_hint(error.instance, str(error.validator_value))
        )
    if error.validator in {"enum", "const"}:
        return _explain_wrong_choice(document, error, [str(value) for value in _allowed_values(error)])
    if error.validator == "pattern" and (examples := _enum_examples(error.schema)):
        return _explain_wrong_choice(document, error, examples)
    description = _schema_description(error.schema)
    if error.validator == "not" or isinstance(error.schema, bool):
        message = f"{_last_path_part(error)} is not allowed here"
        return Diagnostic("field-not-allowed", message, document.key_span(pointer), description)
    return _explain_wrong_scalar(document, error, description)


def _explain_wrong_scalar(document: Document, error: ValidationError, description: str) -> Diagnostic:
    """Return the diagnostic for a value of a wrong type or form."""
    span = document.value_span(_error_pointer(error))
    if error.validator == "type":
        types: Json = error.validator_value
        names = {types} if isinstance(types, str) else set(types)
        hint = value_hint(document, list(error.absolute_path), error.instance, names)
        return Diagnostic("wrong-type", _wrong_type_message(error), span, hint or description)
    if error.validator == "pattern" and (text := date_text(document, _error_pointer(error))):
        return Diagnostic("value-ambiguous", f"{text} is a date in YAML 1.1; quote it", span, description)
    hint = name_hint(error.instance, str(error.validator_value))
    return Diagnostic("wrong-value", _constraint_message(error), span, hint or description)


def _explain_missing_fields(document: Document, error: ValidationError, mistyped: MistypedKeys) -> Iterator[Diagnostic]:
    pointer = _error_pointer(error)
    reported = {required for (parent, _), required in mistyped.items() if parent == pointer}
    instance: Json = error.instance
    unknown = instance.keys() - set(_schema_fields(error.schema))
    for name in _missing_keys(error):
        if name in reported:
            continue
        if typo := closest_name(name, unknown):
            span = document.key_span(f"{pointer}/{escape_key(typo)}")
            message = f"unknown field {typo}{_parent_suffix(error)}"
            yield Diagnostic("unknown-field", message, span, f"did you mean {name}?")
        else:
            needed_by = "".join(f", which {key} needs" for key in instance if name in _companions(error, key))
            message = f"the field {name} is missing{_parent_suffix(error)}{needed_by}"
            hint = _field_description(error.schema, name)
            yield Diagnostic("field-missing", message, document.key_span(pointer), hint)


_MAX_UNKNOWN_FIELDS = 100  # reported for one mapping
_MISSING_FIELD_KEYWORDS = ("required", "dependentRequired")
_UNKNOWN_FIELD_KEYWORDS = ("additionalProperties", "unevaluatedProperties")


def _error_pointer(error: ValidationError) -> str:
    return join_pointer(*error.absolute_path)


def _missing_keys(error: ValidationError) -> list[str]:
    instance: Json = error.instance
    required: Json = error.validator_value
    if error.validator != "required":
        required = [name for key in instance for name in _companions(error, key)]
    return [name for name in dict.fromkeys(required) if name not in instance]


def _companions(error: ValidationError, key: str) -> Sequence[str]:
    """Return the fields that a field needs beside it."""
    fields: Json = error.validator_value
    return fields.get(key, ()) if isinstance(fields, dict) else ()


def _unknown_keys(error: ValidationError) -> list[str]:
    """Return the keys that a closed schema does not allow.

    For ``unevaluatedProperties`` only the message has the keys that no branch of the schema allows.
    """
    instance: Json = error.instance
    schema: Json = error.schema
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    if error.validator == "unevaluatedProperties":
        unknown = (key for key in instance if repr(key) in error.message)
    else:
        undefined = (key for key in instance if key not in properties)
        unknown = (key for key in undefined if not any(re.search(pattern, key) for pattern in patterns))
    return list(islice(unknown, _MAX_UNKNOWN_FIELDS))


def _explain_unknown_fields(document: Document, error: ValidationError, mistyped: MistypedKeys) -> Iterator[Diagnostic]:
    pointer, allowed = _error_pointer(error), sorted(_schema_fields(error.schema))
    for name in _unknown_keys(error):
        required = mistyped.get((pointer, name))
        hint = f"did you mean {required}?" if required else _unknown_field_hint(name, allowed)
        span = document.key_span(f"{pointer}/{escape_key(name)}")
        yield Diagnostic("unknown-field", f"unknown field {name}{_parent_suffix(error)}", span, hint)


def _unknown_field_hint(name: str, allowed: list[str]) -> str:
    if name in allowed:
        return "this field belongs to another type"
    if renamed := field_hint(name, allowed):
        return renamed
    if suggestion := did_you_mean(name, allowed):
        return suggestion
    return f"allowed here: {', '.join(allowed)}" if allowed else "no field is allowed here"


def _schema_fields(schema: Json) -> Iterator[str]:
    """Yield the fields of a schema and its branches."""
    if not isinstance(schema, dict):
        return
    yield from schema.get("properties", {})
    for keyword in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(keyword, []):
            yield from _schema_fields(branch)
    for keyword in ("then", "else"):
        yield from _schema_fields(schema.get(keyword))


def _wrong_type_message(error: ValidationError) -> str:
    types: Json = error.validator_value
    names = [types] if isinstance(types, str) else list(types)
    return f"this must be {' or '.join(TYPE_NAMES[name] for name in names)}, not {format_value(error.instance)}"


def _allowed_values(error: ValidationError) -> list[Json]:
    allowed: Json = error.validator_value
    return list(allowed) if error.validator == "enum" else [allowed]


def _enum_examples(schema: Json) -> list[str]:
    """Return the values of an enumeration that is a pattern, in any case or beside expressions, with examples."""
    if not isinstance(schema, dict) or not str(schema.get("pattern", "")).startswith(("^(?i:", "^(?:")):
        return []
    return [str(example) for example in schema.get("examples", [])]


def _explain_wrong_choice(document: Document, error: ValidationError, allowed: list[str]) -> Diagnostic:
    message = f"{format_value(error.instance)} is not allowed here; allowed: {', '.join(allowed)}"
    hint = type_hint(document, list(error.absolute_path), error.instance, allowed)
    if not hint and isinstance(error.instance, str):
        hint = did_you_mean(error.instance, allowed)
    return Diagnostic(
        "wrong-value", message, document.value_span(_error_pointer(error)), hint or _schema_description(error.schema)
    )


def _deepest_error(errors: Iterable[ValidationError]) -> ValidationError:
    """Return the error of the branch that validated furthest into the document."""
    return max(errors, key=lambda error: (len(error.absolute_path), error.validator != "type"))


def _constraint_message(error: ValidationError) -> str:
    rule = error.schema.get("errorMessage", "") if isinstance(error.schema, dict) else ""
    return constraint_message(str(error.validator), error.validator_value, error.instance, rule)


def _field_description(schema: Json, name: str) -> str:
    fields = schema.get("properties", {}) if isinstance(schema, dict) else {}
    description = _schema_description(fields.get(name, {}))
    return f"{name}: {description}" if description else ""


def _schema_description(schema: Json) -> str:
    return str(schema.get("description", "")) if isinstance(schema, dict) else ""


def _parent_suffix(error: ValidationError) -> str:
    """Return the mapping of a key for a message, "" at the top of the file."""
    return f" in {_last_path_part(error)}" if error.absolute_path else ""


def _last_path_part(error: ValidationError) -> str:
    parts = [str(part) for part in error.absolute_path]
    return ".".join(parts[-2:]) if parts and parts[-1].isdigit() else parts[-1] if parts else "this"
