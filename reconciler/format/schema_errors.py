"""What is wrong with a document that does not satisfy its schema: jsonschema finds it, we say it in the user's words.

Loaded by name, by ``schemas``, and only for such a document: most satisfy theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry, Resource

from reconciler.diagnostics import Diagnostic
from reconciler.format.document import Document
from reconciler.format.pointers import escape_key, join_pointer
from reconciler.format.schema_files import load_schemas, schema_id
from reconciler.format.suggest import closest_name, did_you_mean
from reconciler.model import Json

_TYPE_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


@cache
def _registry() -> Registry[Json]:
    found = load_schemas().items()
    return Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in found)


def _validate_pattern(_: object, pattern: str, instance: Json, __: object) -> Iterator[ValidationError]:
    """Match as JSON Schema does: to Python, ``$`` stands before a last line break too."""
    if isinstance(instance, str) and not re.search(_anchor_end_of_string(pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@cache
def _anchor_end_of_string(pattern: str) -> str:
    return re.sub(r"\\.|\$", lambda found: r"\Z" if found[0] == "$" else found[0], pattern)


_Validator = extend(Draft202012Validator, {"pattern": _validate_pattern})  # type: ignore[no-untyped-call] # comes without types


@cache
def schema_validator(name: str) -> Draft202012Validator:
    """Return jsonschema's validator of the schema of that name."""
    found: Draft202012Validator = _Validator(load_schemas()[schema_id(name)], registry=_registry())
    return found


def explain_schema_errors(document: Document, name: str) -> tuple[Diagnostic, ...]:
    """Say everything in which a document departs from the schema of that name: one diagnostic for each cause."""
    errors = list(schema_validator(name).iter_errors(document.data))
    renamed = _pair_mistyped_keys(errors)
    found = dict.fromkeys(diagnostic for error in errors for diagnostic in _explain_error(document, error, renamed))
    return tuple(sorted(found, key=lambda each: (each.span.line, each.span.column) if each.span else (0, 0)))


MistypedKeys = Mapping[tuple[str, str], str]  # (where, mistyped key) -> the required key that it stands for


def _pair_mistyped_keys(errors: Iterable[ValidationError]) -> MistypedKeys:
    """Pair unknown keys with missing ones beside them: a mistyped key is one mistake, not two."""
    missing: dict[str, set[str]] = {}
    unknown: dict[str, set[str]] = {}
    for error in errors:
        if error.validator == "required":
            missing.setdefault(_error_pointer(error), set()).update(_missing_keys(error))
        elif error.validator in _UNKNOWN_FIELD_KEYWORDS:
            unknown.setdefault(_error_pointer(error), set()).update(_unknown_keys(error))
    return {
        (where, name): close
        for where, names in unknown.items()
        for name in sorted(names)
        if (close := closest_name(name, missing.get(where, ())))
    }


def _explain_error(document: Document, error: ValidationError, renamed: MistypedKeys) -> Iterator[Diagnostic]:
    if error.validator in _UNKNOWN_FIELD_KEYWORDS:
        yield from _explain_unknown_fields(document, error, renamed)
    elif error.validator == "required":
        yield from _explain_missing_fields(document, error, renamed)
    elif error.validator in {"anyOf", "oneOf"} and error.context:
        yield from _explain_error(document, _deepest_error(error.context), renamed)
    else:
        yield _explain_wrong_value(document, error)


def _explain_wrong_value(document: Document, error: ValidationError) -> Diagnostic:
    """Say what is wrong with one value, or that it may not be there at all."""
    pointer = _error_pointer(error)
    if "propertyNames" in error.absolute_schema_path:
        return Diagnostic(
            "name-illegal",
            _constraint_message(error),
            document.key_span(f"{pointer}/{escape_key(str(error.instance))}"),
        )
    if error.validator in {"enum", "const"}:
        return _explain_wrong_choice(document, error, [str(each) for each in _allowed_values(error)])
    if error.validator == "pattern" and (examples := _enum_examples(error.schema)):
        return _explain_wrong_choice(document, error, examples)
    if error.validator == "type":
        return Diagnostic(
            "wrong-type", _wrong_type_message(error), document.value_span(pointer), _schema_description(error.schema)
        )
    if error.validator == "not" or isinstance(error.schema, bool):
        message = f"{_last_path_part(error)} is not allowed here"
        return Diagnostic("field-not-allowed", message, document.key_span(pointer), _schema_description(error.schema))
    return Diagnostic(
        "wrong-value", _constraint_message(error), document.value_span(pointer), _schema_description(error.schema)
    )


def _explain_missing_fields(document: Document, error: ValidationError, renamed: MistypedKeys) -> Iterator[Diagnostic]:
    pointer = _error_pointer(error)
    meant = {close for (where, _), close in renamed.items() if where == pointer}
    instance: Json = error.instance
    others = instance.keys() - set(_schema_fields(error.schema))
    for name in _missing_keys(error):
        if name in meant:
            continue
        if typo := closest_name(name, others):
            place = document.key_span(f"{pointer}/{escape_key(typo)}")
            yield Diagnostic(
                "unknown-field", f"unknown field {typo}{_parent_suffix(error)}", place, f"did you mean {name}?"
            )
        else:
            message, hint = (
                f"the field {name} is missing{_parent_suffix(error)}",
                _field_description(error.schema, name),
            )
            yield Diagnostic("field-missing", message, document.key_span(pointer), hint)


_MAX_UNKNOWN_FIELDS = 100  # unknown fields of one mapping that are worth a line
_UNKNOWN_FIELD_KEYWORDS = ("additionalProperties", "unevaluatedProperties")


def _error_pointer(error: ValidationError) -> str:
    return join_pointer(*error.absolute_path)


def _missing_keys(error: ValidationError) -> list[str]:
    wanted: Json = error.validator_value
    instance: Json = error.instance
    return [name for name in wanted if name not in instance]


def _unknown_keys(error: ValidationError) -> list[str]:
    """Return the keys that a closed schema does not take; of what its branches took, only the message tells."""
    instance: Json = error.instance
    schema: Json = error.schema
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    if error.validator == "unevaluatedProperties":
        surplus = (name for name in instance if repr(name) in error.message)
    else:
        surplus = (n for n in instance if n not in known and not any(re.search(pattern, n) for pattern in patterns))
    return list(islice(surplus, _MAX_UNKNOWN_FIELDS))


def _explain_unknown_fields(document: Document, error: ValidationError, renamed: MistypedKeys) -> Iterator[Diagnostic]:
    pointer, known = _error_pointer(error), sorted(_schema_fields(error.schema))
    for name in _unknown_keys(error):
        meant = renamed.get((pointer, name))
        hint = f"did you mean {meant}?" if meant else _unknown_field_hint(name, known) or _allowed_fields_hint(known)
        place = document.key_span(f"{pointer}/{escape_key(name)}")
        yield Diagnostic("unknown-field", f"unknown field {name}{_parent_suffix(error)}", place, hint)


def _unknown_field_hint(name: str, known: list[str]) -> str:
    return "it belongs to another type than this" if name in known else did_you_mean(name, known)


def _allowed_fields_hint(known: list[str]) -> str:
    return f"allowed here: {', '.join(known)}" if known else "no field is allowed here"


def _schema_fields(schema: Json) -> Iterator[str]:
    """Yield the names that a schema and its branches know."""
    if not isinstance(schema, dict):
        return
    yield from schema.get("properties", {})
    for branch in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(branch, []):
            yield from _schema_fields(part)
    for branch in ("then", "else"):
        yield from _schema_fields(schema.get(branch))


def _wrong_type_message(error: ValidationError) -> str:
    wanted: Json = error.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return f"this must be {' or '.join(_TYPE_NAMES[name] for name in names)}, not {_format_value(error.instance)}"


def _allowed_values(error: ValidationError) -> list[Json]:
    allowed: Json = error.validator_value
    return list(allowed) if error.validator == "enum" else [allowed]


def _enum_examples(schema: Json) -> list[str]:
    """Return the choices of a case-insensitive enumeration, which stand as its examples."""
    if not isinstance(schema, dict) or not str(schema.get("pattern", "")).startswith("^(?i:"):
        return []
    return [str(each) for each in schema.get("examples", [])]


def _explain_wrong_choice(document: Document, error: ValidationError, allowed: list[str]) -> Diagnostic:
    message = f"{_format_value(error.instance)} is not allowed here; allowed: {', '.join(allowed)}"
    hint = did_you_mean(str(error.instance), allowed) if isinstance(error.instance, str) else ""
    return Diagnostic(
        "wrong-value", message, document.value_span(_error_pointer(error)), hint or _schema_description(error.schema)
    )


def _deepest_error(errors: Iterable[ValidationError]) -> ValidationError:
    """Pick the branch that got furthest into the document."""
    return max(errors, key=lambda error: (len(error.absolute_path), error.validator != "type"))


_BOUND_PHRASES = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minItems": "at least",
    "maxItems": "at most",
    "minLength": "at least",
    "maxLength": "at most",
    "minProperties": "at least",
    "maxProperties": "at most",
}
_BOUND_UNITS = {"Items": " entries", "Length": " characters", "Properties": " entries"}


def _constraint_message(error: ValidationError) -> str:
    word = str(error.validator)
    if word in _BOUND_PHRASES:
        counted = next((noun for part, noun in _BOUND_UNITS.items() if word.endswith(part)), "")
        verb = "have" if counted else "be"
        return f"this must {verb} {_BOUND_PHRASES[word]} {error.validator_value}{counted}: it is {_format_value(error.instance)}"
    rule = error.schema.get("errorMessage") if isinstance(error.schema, dict) else None
    return f"{_format_value(error.instance)} is not allowed here" + (f": {rule}" if rule else "")


def _field_description(schema: Json, name: str) -> str:
    described = schema.get("properties", {}).get(name, {}).get("description", "") if isinstance(schema, dict) else ""
    return f"{name}: {described}" if described else ""


def _schema_description(schema: Json) -> str:
    return str(schema.get("description", "")) if isinstance(schema, dict) else ""


def _parent_suffix(error: ValidationError) -> str:
    """Name what surrounds a key, where that is not the file itself."""
    return f" in {_last_path_part(error)}" if error.absolute_path else ""


def _last_path_part(error: ValidationError) -> str:
    parts = [str(part) for part in error.absolute_path]
    return ".".join(parts[-2:]) if parts and parts[-1].isdigit() else parts[-1] if parts else "this"


def _format_value(value: Json) -> str:
    if isinstance(value, dict | list):
        return _TYPE_NAMES["object" if isinstance(value, dict) else "array"]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits into a line
