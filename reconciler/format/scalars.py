"""YAML 1.1 scalars: from source text to the name of the type and the JSON value."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from yaml.resolver import Resolver

from reconciler.model import Json

TAG_PREFIX = "tag:yaml.org,2002:"
MAX_DIGITS = 100
UNREADABLE_NUMBER = "unreadable"  # the type of a number that JSON cannot represent
_BASE = 60  # of numbers with colons
_UNUSUAL_INTEGER = re.compile(r"[-+]?(?:0[0-9xb]|.*[_:])")
_USUAL_TRUTH_WORDS = {"true", "false"}
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
    """Return type and value of a number; in YAML 1.1 1:30 is one, of base 60."""
    plain = text.replace("_", "").lower()
    try:
        number = _parse_sexagesimal(plain, tag) if ":" in plain else _parse_decimal(plain, tag)
    except ValueError:  # a tagged scalar need not look like a number
        return UNREADABLE_NUMBER, None
    return (tag, number) if len(plain) <= MAX_DIGITS and math.isfinite(number) else (UNREADABLE_NUMBER, None)


def _parse_sexagesimal(plain: str, tag: str) -> float:
    sign, digits = (-1, plain[1:]) if plain.startswith("-") else (1, plain.removeprefix("+"))
    *places, last = digits.split(":")
    whole = 0
    for place in places:
        whole = whole * _BASE + int(place)
    return sign * (whole * _BASE + (int(last) if tag == "int" else float(last)))


def _parse_decimal(plain: str, tag: str) -> float:
    return _parse_integer(plain) if tag == "int" else float(plain.replace(".inf", "inf").replace(".nan", "nan"))


def _parse_integer(plain: str) -> int:
    sign, digits = (-1, plain[1:]) if plain.startswith("-") else (1, plain.removeprefix("+"))
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    return sign * (int(digits, 8) if octal else int(digits, 0))


def is_date(text: str) -> bool:
    """Return True if a plain scalar is a date or a time stamp."""
    return text[:4].isdigit() and parse_plain_scalar(text)[0] == "timestamp"


def is_read_differently(text: str) -> bool:
    """Return True if a plain scalar is a truth value or a number, and does not look like one: NO, 010, 12:30:45."""
    tag, _ = parse_plain_scalar(text)
    if tag == "bool":
        return text.lower() not in _USUAL_TRUTH_WORDS
    return tag in {"int", "float"} and _UNUSUAL_INTEGER.match(text) is not None and text != "0"
