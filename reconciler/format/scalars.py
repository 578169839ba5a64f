"""YAML 1.1 scalars: from source text to the name of the type and the JSON value."""

from __future__ import annotations

import math
from functools import lru_cache

from yaml.resolver import Resolver

from reconciler.model import Json

TAG_PREFIX = "tag:yaml.org,2002:"
MAX_DIGITS = 100
UNREADABLE_NUMBER = "unreadable"  # the type of a number that JSON cannot represent
_TRUE_WORDS = {"yes", "true", "on"}
_IMPLICIT_RESOLVERS = Resolver.yaml_implicit_resolvers


@lru_cache(maxsize=4096)
def parse_plain_scalar(text: str) -> tuple[str, Json]:
    """Return type and value of a plain scalar; cached, because files repeat the same few."""
    for tag, pattern in (*_IMPLICIT_RESOLVERS.get(text[:1], ()), *_IMPLICIT_RESOLVERS.get(None, ())):
        if pattern.match(text):
            return _parse_typed_scalar(tag.removeprefix(TAG_PREFIX), text)
    return "str", text


def parse_tagged_scalar(tag: str | None, text: str) -> tuple[str, Json]:
    """Return type and value of a quoted or tagged scalar; the type is ``refused`` for a tag that is not allowed."""
    if tag in {None, "!", f"{TAG_PREFIX}str"}:
        return "str", text
    type_name = str(tag).removeprefix(TAG_PREFIX)
    return _parse_typed_scalar(type_name, text) if type_name in {"int", "float", "bool", "null"} else ("refused", None)


def _parse_typed_scalar(tag: str, text: str) -> tuple[str, Json]:
    match tag:
        case "null":
            return tag, None
        case "bool":
            return tag, text.lower() in _TRUE_WORDS
        case "int" | "float":
            return _parse_number(tag, text)
    return tag, text  # a date stays text


def _parse_number(tag: str, text: str) -> tuple[str, Json]:
    """Return type and value of a number; 1:30 stays text, though it is a base 60 number in YAML 1.1."""
    plain = text.replace("_", "").lower()
    if ":" in plain:
        return "str", text
    try:
        number = _parse_integer(plain) if tag == "int" else float(plain.replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:  # a tagged scalar need not look like a number
        return UNREADABLE_NUMBER, None
    return (tag, number) if len(plain) <= MAX_DIGITS and math.isfinite(number) else (UNREADABLE_NUMBER, None)


def _parse_integer(plain: str) -> int:
    sign, digits = (-1, plain[1:]) if plain.startswith("-") else (1, plain.removeprefix("+"))
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    return sign * (int(digits, 8) if octal else int(digits, 0))
