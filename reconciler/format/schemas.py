"""A document against the JSON schema of its kind: what jsonschema finds, in the user's words and at its place."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator
from functools import cache

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from reconciler.data import folder
from reconciler.diagnostics import Diagnostic
from reconciler.format.yaml import Document, escape
from reconciler.model import Json

_NAMES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


@cache
def load(name: str) -> Json:
    """Read the schema of that name, ``job`` or ``mlgit``."""
    return json.loads((folder("schemas") / f"{name}.schema.json").read_text(encoding="utf-8"))


@cache
def _registry() -> Registry[Json]:
    schemas = (json.loads(path.read_text(encoding="utf-8")) for path in folder("schemas").rglob("*.schema.json"))
    return Registry().with_resources((schema["$id"], Resource.from_contents(schema)) for schema in schemas)


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(load(name), registry=_registry())


def check(document: Document, name: str) -> tuple[Diagnostic, ...]:
    """Say everything in which the document departs from the schema of that name."""
    errors = _validator(name).iter_errors(document.data)
    found = dict.fromkeys(each for error in errors for each in _explain(document, error))
    return tuple(sorted(found, key=lambda each: (each.span.line, each.span.column) if each.span else (0, 0)))


def _explain(document: Document, error: ValidationError) -> Iterator[Diagnostic]:
    pointer = "".join(f"/{escape(str(part))}" for part in error.absolute_path)
    schema: Json = error.schema
    wanted: Json = error.validator_value
    match error.validator:
        case "additionalProperties" | "unevaluatedProperties":
            yield from _unknown(document, error, pointer)
        case "required":
            instance: Json = error.instance
            missing = [name for name in wanted if name not in instance]
            for name in missing:
                hint = _described(schema, name)
                yield Diagnostic("field-missing", f"the field {name} is missing", document.key(pointer), hint)
        case "propertyNames":
            yield Diagnostic("name-illegal", _sentence(error), document.key(pointer))
        case "type":
            yield Diagnostic("wrong-type", _wrong_type(error), document.value(pointer))
        case "enum" | "const":
            yield _wrong_value(document, error, pointer)
        case "anyOf" | "oneOf" if error.context:
            yield from _explain(document, _closest(error.context))
        case "not" | "false schema":
            yield Diagnostic("field-not-allowed", _sentence(error), document.key(pointer))
        case _:
            yield Diagnostic("wrong-value", _sentence(error), document.value(pointer), _hint(schema))


def _unknown(document: Document, error: ValidationError, pointer: str) -> Iterator[Diagnostic]:
    known = set(_properties(error.schema))
    instance: Json = error.instance
    for name in instance:
        if repr(name) not in error.message:  # jsonschema tells the names nowhere else
            continue
        hint = did_you_mean(name, known - {name}) or f"allowed here: {', '.join(sorted(known))}"
        if name in known:
            hint = "it belongs to another type than this"
        yield Diagnostic("unknown-field", f"unknown field {name}", document.key(f"{pointer}/{escape(name)}"), hint)


def _properties(schema: Json) -> Iterator[str]:
    """Yield the names that a schema and its branches know."""
    if not isinstance(schema, dict):
        return
    yield from schema.get("properties", {})
    for branch in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(branch, []):
            yield from _properties(part)
    for branch in ("then", "else"):
        yield from _properties(schema.get(branch))


def _wrong_type(error: ValidationError) -> str:
    wanted: Json = error.validator_value
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return f"this must be {' or '.join(_NAMES[name] for name in names)}, not {_shown(error.instance)}"


def _wrong_value(document: Document, error: ValidationError, pointer: str) -> Diagnostic:
    schema: Json = error.schema
    allowed = [str(each) for each in schema.get("enum", [error.validator_value])]
    hint = did_you_mean(str(error.instance), allowed)
    message = f"{_shown(error.instance)} is not allowed here; allowed: {', '.join(allowed)}"
    return Diagnostic("wrong-value", message, document.value(pointer), hint)


def _closest(errors: Iterable[ValidationError]) -> ValidationError:
    """Pick the branch that got furthest into the document."""
    return max(errors, key=lambda error: (len(error.absolute_path), error.validator != "type"))


def _sentence(error: ValidationError) -> str:
    if error.validator in ("pattern", "propertyNames"):
        rule = error.schema.get("errorMessage") if isinstance(error.schema, dict) else None
        return f"{_shown(error.instance)} is not allowed here" + (f": {rule}" if rule else "")
    bounds = {"minimum": "at least", "maximum": "at most", "minItems": "at least", "minProperties": "at least"}
    if error.validator in bounds:
        return f"this must be {bounds[str(error.validator)]} {error.validator_value}, not {_shown(error.instance)}"
    return error.message


def _described(schema: Json, name: str) -> str:
    described = schema.get("properties", {}).get(name, {}).get("description", "")
    return f"{name}: {described}" if described else ""


def _hint(schema: Json) -> str:
    return schema.get("description", "") if isinstance(schema, dict) else ""


def _shown(value: Json) -> str:
    if isinstance(value, dict | list):
        return _NAMES["object" if isinstance(value, dict) else "array"]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits into a line


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that is closest to a mistyped one, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""
