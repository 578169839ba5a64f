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
from reconciler.format.pointers import escape, join
from reconciler.format.schema_files import documents, identity
from reconciler.format.suggest import closest, did_you_mean
from reconciler.format.yaml import Document
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
def _registry() -> Registry[Json]:
    found = documents().items()
    return Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in found)


def _pattern(_: object, pattern: str, instance: Json, __: object) -> Iterator[ValidationError]:
    """Match as JSON Schema does: to Python, ``$`` stands before a last line break too."""
    if isinstance(instance, str) and not re.search(_to_the_end(pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@cache
def _to_the_end(pattern: str) -> str:
    return re.sub(r"\\.|\$", lambda found: r"\Z" if found[0] == "$" else found[0], pattern)


_Validator = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call] # comes without types


@cache
def validator(name: str) -> Draft202012Validator:
    """Return jsonschema's validator of the schema of that name."""
    found: Draft202012Validator = _Validator(documents()[identity(name)], registry=_registry())
    return found


def explain(document: Document, name: str) -> tuple[Diagnostic, ...]:
    """Say everything in which a document departs from the schema of that name: one diagnostic for each cause."""
    errors = list(validator(name).iter_errors(document.data))
    renamed = _renamed(errors)
    found = dict.fromkeys(each for error in errors for each in _explain(document, error, renamed))
    return tuple(sorted(found, key=lambda each: (each.span.line, each.span.column) if each.span else (0, 0)))


Renamed = Mapping[tuple[str, str], str]  # (where, mistyped key) -> the required key that it stands for


def _renamed(errors: Iterable[ValidationError]) -> Renamed:
    """Pair unknown keys with missing ones beside them: a mistyped key is one mistake, not two."""
    missing: dict[str, set[str]] = {}
    unknown: dict[str, set[str]] = {}
    for error in errors:
        if error.validator == "required":
            missing.setdefault(_pointer(error), set()).update(_missing(error))
        elif error.validator in _UNKNOWN:
            unknown.setdefault(_pointer(error), set()).update(_surplus(error))
    return {
        (where, name): close
        for where, names in unknown.items()
        for name in sorted(names)
        if (close := closest(name, missing.get(where, ())))
    }


def _explain(document: Document, error: ValidationError, renamed: Renamed) -> Iterator[Diagnostic]:
    if error.validator in _UNKNOWN:
        yield from _unknown_fields(document, error, renamed)
    elif error.validator == "required":
        yield from _missing_fields(document, error, renamed)
    elif error.validator in {"anyOf", "oneOf"} and error.context:
        yield from _explain(document, _furthest(error.context), renamed)
    else:
        yield _wrong(document, error)


def _wrong(document: Document, error: ValidationError) -> Diagnostic:
    """Say what is wrong with one value, or that it may not be there at all."""
    pointer = _pointer(error)
    if "propertyNames" in error.absolute_schema_path:
        return Diagnostic("name-illegal", _sentence(error), document.key(f"{pointer}/{escape(str(error.instance))}"))
    if error.validator in {"enum", "const"}:
        return _wrong_choice(document, error, [str(each) for each in _choices(error)])
    if error.validator == "pattern" and (examples := _examples(error.schema)):
        return _wrong_choice(document, error, examples)
    if error.validator == "type":
        return Diagnostic("wrong-type", _wrong_type(error), document.value(pointer), _hint(error.schema))
    if error.validator == "not" or isinstance(error.schema, bool):
        message = f"{_last(error)} is not allowed here"
        return Diagnostic("field-not-allowed", message, document.key(pointer), _hint(error.schema))
    return Diagnostic("wrong-value", _sentence(error), document.value(pointer), _hint(error.schema))


def _missing_fields(document: Document, error: ValidationError, renamed: Renamed) -> Iterator[Diagnostic]:
    pointer = _pointer(error)
    meant = {close for (where, _), close in renamed.items() if where == pointer}
    instance: Json = error.instance
    others = instance.keys() - set(_properties(error.schema))
    for name in _missing(error):
        if name in meant:
            continue
        if typo := closest(name, others):
            place = document.key(f"{pointer}/{escape(typo)}")
            yield Diagnostic("unknown-field", f"unknown field {typo}{_inside(error)}", place, f"did you mean {name}?")
        else:
            message, hint = f"the field {name} is missing{_inside(error)}", _described(error.schema, name)
            yield Diagnostic("field-missing", message, document.key(pointer), hint)


_MOST = 100  # unknown fields of one mapping that are worth a line
_UNKNOWN = ("additionalProperties", "unevaluatedProperties")


def _pointer(error: ValidationError) -> str:
    return join(*error.absolute_path)


def _missing(error: ValidationError) -> list[str]:
    wanted: Json = error.validator_value
    instance: Json = error.instance
    return [name for name in wanted if name not in instance]


def _surplus(error: ValidationError) -> list[str]:
    """Return the keys that a closed schema does not take; of what its branches took, only the message tells."""
    instance: Json = error.instance
    schema: Json = error.schema
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    if error.validator == "unevaluatedProperties":
        surplus = (name for name in instance if repr(name) in error.message)
    else:
        surplus = (n for n in instance if n not in known and not any(re.search(each, n) for each in patterns))
    return list(islice(surplus, _MOST))


def _unknown_fields(document: Document, error: ValidationError, renamed: Renamed) -> Iterator[Diagnostic]:
    pointer, known = _pointer(error), sorted(_properties(error.schema))
    for name in _surplus(error):
        meant = renamed.get((pointer, name))
        hint = f"did you mean {meant}?" if meant else _known_elsewhere(name, known) or _allowed(known)
        place = document.key(f"{pointer}/{escape(name)}")
        yield Diagnostic("unknown-field", f"unknown field {name}{_inside(error)}", place, hint)


def _known_elsewhere(name: str, known: list[str]) -> str:
    return "it belongs to another type than this" if name in known else did_you_mean(name, known)


def _allowed(known: list[str]) -> str:
    return f"allowed here: {', '.join(known)}" if known else "no field is allowed here"


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


def _choices(error: ValidationError) -> list[Json]:
    allowed: Json = error.validator_value
    return list(allowed) if error.validator == "enum" else [allowed]


def _examples(schema: Json) -> list[str]:
    """Return the choices of a case-insensitive enumeration, which stand as its examples."""
    if not isinstance(schema, dict) or not str(schema.get("pattern", "")).startswith("^(?i:"):
        return []
    return [str(each) for each in schema.get("examples", [])]


def _wrong_choice(document: Document, error: ValidationError, allowed: list[str]) -> Diagnostic:
    message = f"{_shown(error.instance)} is not allowed here; allowed: {', '.join(allowed)}"
    hint = did_you_mean(str(error.instance), allowed) if isinstance(error.instance, str) else ""
    return Diagnostic("wrong-value", message, document.value(_pointer(error)), hint or _hint(error.schema))


def _furthest(errors: Iterable[ValidationError]) -> ValidationError:
    """Pick the branch that got furthest into the document."""
    return max(errors, key=lambda error: (len(error.absolute_path), error.validator != "type"))


_BOUNDS = {
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
_COUNTED = {"Items": " entries", "Length": " characters", "Properties": " entries"}


def _sentence(error: ValidationError) -> str:
    word = str(error.validator)
    if word in _BOUNDS:
        counted = next((noun for part, noun in _COUNTED.items() if word.endswith(part)), "")
        verb = "have" if counted else "be"
        return f"this must {verb} {_BOUNDS[word]} {error.validator_value}{counted}: it is {_shown(error.instance)}"
    rule = error.schema.get("errorMessage") if isinstance(error.schema, dict) else None
    return f"{_shown(error.instance)} is not allowed here" + (f": {rule}" if rule else "")


def _described(schema: Json, name: str) -> str:
    described = schema.get("properties", {}).get(name, {}).get("description", "") if isinstance(schema, dict) else ""
    return f"{name}: {described}" if described else ""


def _hint(schema: Json) -> str:
    return str(schema.get("description", "")) if isinstance(schema, dict) else ""


def _inside(error: ValidationError) -> str:
    """Name what surrounds a key, where that is not the file itself."""
    return f" in {_last(error)}" if error.absolute_path else ""


def _last(error: ValidationError) -> str:
    parts = [str(part) for part in error.absolute_path]
    return ".".join(parts[-2:]) if parts and parts[-1].isdigit() else parts[-1] if parts else "this"


def _shown(value: Json) -> str:
    if isinstance(value, dict | list):
        return _NAMES["object" if isinstance(value, dict) else "array"]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits into a line
